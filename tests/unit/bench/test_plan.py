"""The design: seeded, balanced, interleaved, and fixed in advance."""

from __future__ import annotations

from collections import Counter
from itertools import islice, pairwise
from statistics import mean

import pytest

from fanout.bench.plan import blocks, offsets, orders

from .conftest import plan


def test_constant_arrivals_are_evenly_spaced():
    assert list(islice(offsets(plan(arrivals="constant", rate_per_s=4.0)), 5)) == [0.0, 0.25, 0.5, 0.75, 1.0]


def test_poisson_arrivals_have_the_rate_and_its_spread():
    due = list(islice(offsets(plan(rate_per_s=50.0)), 20_001))
    gaps = [later - earlier for earlier, later in pairwise(due)]
    assert due[0] == 0.0
    assert mean(gaps) == pytest.approx(1 / 50, rel=0.03)
    assert mean(gap**2 for gap in gaps) == pytest.approx(2 / 50**2, rel=0.06), (
        "exponential: E[x^2] = 2/rate^2"
    )


def test_equal_seeds_are_equal_experiments_and_others_are_not():
    def design(seed):
        wanted = plan(seed=seed)
        return (
            list(islice(offsets(wanted), 50)),
            list(islice(orders(wanted), 50)),
            list(blocks(wanted, pairs=50)),
        )

    assert design(3) == design(3)
    for one, other in zip(design(3), design(4), strict=True):
        assert one != other


def test_the_order_within_pairs_is_a_fair_coin():
    firsts = Counter(first for first, _ in islice(orders(plan()), 2_000))
    assert 900 < firsts["inline"] < 1_100
    assert set(islice(orders(plan()), 100)) == {("inline", "s3"), ("s3", "inline")}


def test_every_block_holds_every_size_once():
    sizes = (1, 20, 300, 4_000)
    given = list(blocks(plan(sizes=sizes), pairs=402))
    assert len(given) == 402
    whole = [tuple(given[start : start + 4]) for start in range(0, 400, 4)]
    assert all(sorted(block) == list(sizes) for block in whole)
    assert len(set(whole)) > 12, "each block in an order of its own"
