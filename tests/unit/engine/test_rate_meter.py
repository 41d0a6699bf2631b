"""The rate of sending, told from the answers."""

from __future__ import annotations

import math

import pytest

from fanout.engine.rate_meter import FEWEST_ANSWERS, WINDOW_S, RateMeter

ROUND_TRIP_S = 0.02


def sends(meter, *, rate_per_s, start, seconds):
    """Let requests be answered at that rate, and return the instant of the last answer."""
    number = 0
    for number in range(round(rate_per_s * seconds)):
        sent_at = start + number / rate_per_s
        meter.note(sent_at + ROUND_TRIP_S, sent_at=sent_at)
    return start + number / rate_per_s + ROUND_TRIP_S


def test_nothing_is_known_before_the_first_answer():
    meter = RateMeter()
    assert meter.fresh
    assert math.isinf(meter.began_at)
    assert meter.settled_per_s == meter.peak_per_s == 0.0


def test_the_first_answer_tells_when_sending_began_and_how_long_a_round_trip_takes():
    meter = RateMeter()
    meter.note(10.5, sent_at=10.0)
    meter.note(10.6, sent_at=9.9)
    assert meter.began_at == 10.0
    assert meter.round_trip_s == pytest.approx(0.7)


def test_a_steady_rate_is_what_its_windows_say():
    meter = RateMeter()
    now = sends(meter, rate_per_s=200.0, start=0.0, seconds=3.0)
    assert not meter.fresh
    assert meter.settled_per_s == pytest.approx(200.0, rel=0.02)
    assert meter.rate_per_s(now, paced=None) == pytest.approx(200.0, rel=0.02)


def test_a_lower_rate_is_believed_by_and_by_and_the_peak_stays():
    meter = RateMeter()
    now = sends(meter, rate_per_s=400.0, start=0.0, seconds=2.0)
    sends(meter, rate_per_s=100.0, start=now, seconds=1.2)
    assert 100.0 < meter.settled_per_s < 300.0
    assert meter.peak_per_s == pytest.approx(400.0, rel=0.02)


def test_a_window_that_has_more_already_counts_before_it_is_over():
    meter = RateMeter()
    now = sends(meter, rate_per_s=100.0, start=0.0, seconds=2.0 * WINDOW_S + 0.1)
    for _ in range(200):
        meter.note(now, sent_at=now - ROUND_TRIP_S)
    assert meter.rate_per_s(now, paced=None) > 400.0
    assert meter.settled_per_s == pytest.approx(100.0, rel=0.05)


def test_the_first_answers_are_no_measure_of_a_rate_that_was_allowed():
    meter = RateMeter()
    now = sends(meter, rate_per_s=50.0, start=0.0, seconds=(FEWEST_ANSWERS - 1) / 50.0)
    assert meter.rate_per_s(now, paced=1_000.0) == 1_000.0
    assert meter.rate_per_s(now, paced=None) < 100.0
    meter.note(now + 0.001, sent_at=now)
    assert meter.rate_per_s(now + 0.001, paced=1_000.0) < 100.0


def test_answers_of_one_instant_tell_a_finite_rate():
    meter = RateMeter()
    meter.note(1.0, sent_at=1.0)
    assert math.isfinite(meter.rate_per_s(1.0, paced=None))
