"""Medians and their intervals: against brute force, and against the truth."""

from __future__ import annotations

import random
from statistics import median

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from fanout.analysis.quantiles import (
    EXACT_UP_TO,
    Interval,
    bootstrap_ranks,
    change,
    interval,
    quantiles,
)
from fanout.domain.percentiles import P999_MIN


@pytest.mark.parametrize("n", [9, 25, 100, 151])
def test_the_interval_is_what_drawing_comes_near_to(n):
    rng = random.Random(n)
    values = sorted(rng.lognormvariate(3, 0.6) for _ in range(n))
    medians = sorted(median(rng.choices(values, k=n)) for _ in range(8_000))
    drawn = medians[int(0.025 * 8_000)], medians[int(0.975 * 8_000)]
    found = interval(pa.array(values))
    near = values.index(found.low), values.index(found.high)
    # Drawing has an error of its own: one rank, of the ten or more between the two bounds.
    ranks = [sum(value <= bound for value in values) - 1 for bound in drawn]
    assert near == pytest.approx(ranks, abs=1)
    assert found.median == pytest.approx(median(values))


def test_known_ranks():
    assert bootstrap_ranks(1) == (0, 0)
    low, high = bootstrap_ranks(1_001)
    # 1.96 * sqrt(n) / 2 ranks on either side, within the rounding of the approximation.
    assert (500 - low, high - 500) == (pytest.approx(31, abs=1), pytest.approx(31, abs=1))


def test_exact_and_approximate_ranks_agree_where_they_meet():
    exact, beyond = bootstrap_ranks(EXACT_UP_TO), bootstrap_ranks(EXACT_UP_TO + 2)
    for one, other in zip(exact, beyond, strict=True):
        assert abs(one - other) <= 2


def test_intervals_cover_the_median_of_a_skewed_distribution_as_often_as_they_say():
    rng = random.Random(7)
    hits = 0
    for _ in range(1_000):
        found = interval(pa.array([rng.lognormvariate(0, 1) for _ in range(61)]))
        hits += found.low <= 1.0 <= found.high
    assert 930 <= hits <= 970


def test_one_stall_moves_no_median():
    calm = [float(value) for value in range(1, 100)]
    found = interval(pa.array([*calm, 2_000_000.0]))
    assert found.median == 50.5
    assert found.high < 65


def test_quantiles_are_those_of_arrow():
    rng = random.Random(2)
    values = pa.array([rng.expovariate(1) for _ in range(777)])
    found = quantiles(values)
    assert (found.p50, found.p90, found.p99, found.max) == pytest.approx(
        pc.quantile(values, q=[0.5, 0.9, 0.99, 1.0]).to_pylist()
    )


def test_nulls_are_left_out_and_nothing_has_no_interval():
    assert interval(pa.array([None, 3.0, None])) == Interval(1, 3.0, 3.0, 3.0)
    assert interval(pa.array([None, None], pa.float64())) is None
    assert quantiles(pa.array([], pa.float64())) is None


def test_a_change_is_as_unsure_as_both_medians_together():
    found = change(Interval(100, 50.0, 47.0, 53.0), Interval(90, 40.0, 36.0, 44.0))
    assert found == Interval(90, 10.0, 5.0, 15.0)
    assert found.excludes_zero
    assert found.half_width == 5.0


def test_a_percentile_of_thousandths_needs_a_thousand_values():
    assert quantiles(pa.array([float(value) for value in range(P999_MIN - 1)])).p999 is None
    values = pa.array([float(value) for value in range(P999_MIN + 1)])
    assert quantiles(values).p999 == pytest.approx(pc.quantile(values, q=0.999)[0].as_py())
