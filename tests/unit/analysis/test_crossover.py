"""Where one transport overtakes the other, if the pairs can tell."""

from __future__ import annotations

import pytest

from fanout.analysis.crossover import crossing
from fanout.analysis.quantiles import Interval


def sure(median):
    return Interval(100, median, median - 1, median + 1)


def unsure(median):
    return Interval(100, median, median - 100, median + 100)


@pytest.mark.parametrize(
    ("points", "words"),
    [
        ([(1_000, sure(40)), (64_000, sure(20))], "inline is faster at every size: the two do not cross"),
        ([(1_000, sure(-40)), (64_000, sure(-20))], "S3 is faster at every size"),
        ([(1_000, unsure(5)), (64_000, sure(20))], "not at 1 KB"),
        ([(1_000, unsure(5)), (64_000, unsure(-3))], "cannot tell"),
        ([(1_000, sure(9)), (2_000, sure(-9)), (3_000, sure(9))], "cannot tell"),
        (
            [(1_000, sure(30)), (10_000, unsure(0)), (100_000, sure(-30))],
            "inline is faster up to about 10 KB, S3 beyond",
        ),
        ([(1_000, sure(-30)), (100_000, sure(30))], "S3 is faster up to about 10 KB, inline beyond"),
    ],
)
def test_which_way_is_faster_where(points, words):
    assert words in str(crossing(points))


def test_a_crossing_lies_between_the_nearest_sizes_that_tell():
    found = crossing([(100_000, sure(-30)), (1_000, sure(30)), (10_000, unsure(0))])
    assert (found.kind, found.below, found.between_bytes) == ("crosses", "inline", (1_000, 100_000))
    assert found.at_bytes == pytest.approx(10_000, rel=1e-3), "half-way on a logarithmic scale"
    assert found.untold == (10_000,)
