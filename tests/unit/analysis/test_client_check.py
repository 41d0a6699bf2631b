"""Whether the service was measured, or the client."""

from __future__ import annotations

import pytest

from fanout.analysis.client_check import judge


def verdict(waits, *, lags=(0.1,), throttles=0, closed=False):
    due = [index / 10 for index in range(len(waits))]
    sent = [at + wait / 1e3 for at, wait in zip(due, waits, strict=True)]
    return judge(
        waits, lags_ms=lags, due_s=due, sent_s=sent, throttles=throttles, closed=closed, late_ms=10.0
    )


def test_an_overloaded_client_is_the_limit_whatever_it_measured():
    found = verdict([50.0 * index for index in range(100)])
    assert found.limit == "client"
    assert "99% of the requests left more than 10 ms after they were due" in found.reasons[0]
    assert "10 a second were due, 7 were sent" in found.reasons[0]
    assert found.offered_per_s == pytest.approx(10.0)


def test_throttling_is_not_the_clients_fault():
    found = verdict([500.0] * 100, throttles=12)
    assert found.limit == "throttling"
    assert "throttled 12 times: lower --rate" in found.reasons[0]


def test_a_busy_event_loop_is_the_limit_even_when_sends_are_on_time():
    found = verdict([1.0] * 100, lags=[25.0] * 50)
    assert found.limit == "client"
    assert "25 ms behind" in found.reasons[0]


def test_one_stall_is_a_warning_and_no_limit():
    found = verdict([1.0] * 80 + [900.0] * 20, lags=[0.5] * 99 + [2_000.0])
    assert found.limit is None
    assert found.reasons == ()
    assert "stalled for 2.0 s once" in found.warnings[0]
    assert "20% of the requests" in found.warnings[1]
    assert "above p80" in found.warnings[1]


def test_nothing_is_late_in_a_closed_loop():
    assert verdict([500.0] * 100, closed=True).limit is None
