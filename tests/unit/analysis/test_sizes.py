"""Quantiles of sizes, in buckets."""

from __future__ import annotations

import random

import pytest

from fanout.analysis.sizes import Sizes


def sizes_of(values):
    sizes = Sizes()
    for value in values:
        sizes.add(value)
    return sizes


@pytest.mark.parametrize(
    ("values", "p50", "p99", "largest"),
    [
        ([], None, None, None),
        ([0], 0, 0, 0),
        ([7, 1, 5], 5, 7, 7),
        (range(1, 101), 50, 99, 100),
        ([127_999] * 60 + [128_000] * 40, 127_999, 128_000, 128_000),
        ([10] * 99 + [999_999_999], 10, 10, 999_999_999),
    ],
    ids=str,
)
def test_quantiles(values, p50, p99, largest):
    sizes = sizes_of(values)
    assert [sizes.quantile(q) for q in (0.5, 0.99, 1.0)] == [p50, p99, largest]
    assert (sizes.count, sizes.total) == (len(values), sum(values))


def test_a_quantile_is_near_the_truth_and_the_memory_small_whatever_the_sizes():
    rng = random.Random(1)
    values = sorted(round(10 ** rng.uniform(0, 9)) for _ in range(50_000))
    sizes = sizes_of(values)
    for q in (0.01, 0.5, 0.9, 0.99):
        assert sizes.quantile(q) == pytest.approx(values[round(q * len(values)) - 1], rel=0.002)
    assert sizes.quantile(1.0) == values[-1]
    assert len(sizes._buckets) < 12_000


@pytest.mark.parametrize(("count", "p999"), [(999, None), (1_000, 999), (2_000, 1_998)])
def test_of_too_few_a_p999_would_be_the_largest(count, p999):
    sizes = Sizes()
    for size in range(1, count + 1):
        sizes.add(size)
    assert sizes.p999 == (None if p999 is None else pytest.approx(p999, rel=0.002))
