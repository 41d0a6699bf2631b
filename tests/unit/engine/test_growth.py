"""How a rate comes back after a cut, and what makes those who share a limit equal."""

from __future__ import annotations

import pytest

from fanout.engine.growth import DOUBLES_S, Growth

SECONDS = [step / 20 for step in range(200)]


def grown(*, rate, plateau):
    growth = Growth()
    growth.begin(rate_per_s=rate, plateau_per_s=plateau)
    return growth


def reached(growth, rate, *, step_s=0.01):
    """Return after how many seconds that rate is reached."""
    return next(number * step_s for number in range(10_000) if growth.rate_per_s(number * step_s) >= rate)


@pytest.mark.parametrize(("rate", "plateau"), [(0.2, 0.3), (20.0, 30.0), (270.0, 300.0), (1_000.0, 2_500.0)])
def test_it_begins_at_the_rate_and_never_falls(rate, plateau):
    growth = grown(rate=rate, plateau=plateau)
    assert growth.rate_per_s(0.0) == pytest.approx(rate)
    rates = [growth.rate_per_s(since_s) for since_s in SECONDS]
    assert rates == sorted(rates)


@pytest.mark.parametrize(("limit", "seconds"), [(300.0, 1.7), (2_500.0, 3.5)])
def test_a_tenth_is_regained_in_the_seconds_that_are_documented(limit, seconds):
    assert reached(grown(rate=0.9 * limit, plateau=limit), limit) == pytest.approx(seconds, abs=0.05)


def test_it_is_slow_where_it_was_refused():
    growth = grown(rate=700.0, plateau=1_000.0)
    there_s = reached(growth, 1_000.0)
    slow, fast = (growth.rate_per_s(at_s + 0.1) - growth.rate_per_s(at_s - 0.1) for at_s in (there_s, 0.1))
    assert slow < fast / 10


@pytest.mark.parametrize("plateau", [100.0, 300.0, 2_500.0])
def test_all_gain_the_same_beyond_so_that_parts_become_equal(plateau):
    gained = grown(rate=plateau, plateau=plateau).rate_per_s(0.5) - plateau
    least = grown(rate=100.0, plateau=100.0).rate_per_s(0.5) - 100.0
    assert least <= gained <= least + plateau * (0.5 / DOUBLES_S) ** 4


def test_low_rates_gain_in_proportion():
    low, lower = (grown(rate=rate, plateau=rate).rate_per_s(1.0) - rate for rate in (50.0, 5.0))
    assert low == pytest.approx(10.0 * lower)


@pytest.mark.parametrize("plateau", [1.0, 50.0, 2_500.0])
def test_what_stays_unrefused_has_doubled_soon(plateau):
    assert reached(grown(rate=plateau, plateau=plateau), 2.0 * plateau) <= DOUBLES_S
