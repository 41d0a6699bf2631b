"""Stripes and ranges: each row is somebody's, nobody's row is read twice, and ordinals are those of the input."""

from __future__ import annotations

import anyio
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fanout.domain.records import Options, Record
from fanout.domain.row_ranges import STRIPE_ROWS, Stripe, reach, to_ranges, wants
from fanout.source.subset import Subset

TURNS = st.integers(1, 7)


@given(rows=st.integers(0, 5_000), of=TURNS)
def test_each_row_is_in_exactly_one_stripe(rows, of):
    stripes = [Stripe(index, of) for index in range(of)]
    owners = [[stripe.index for stripe in stripes if stripe.wants(row)] for row in range(rows)]
    assert all(len(each) == 1 for each in owners)
    for stripe in stripes:
        assert stripe.count(rows) == owners.count([stripe.index])


@given(rows=st.sets(st.integers(0, 3_000), max_size=300), of=TURNS)
def test_ranges_are_cut_among_the_stripes(rows, of):
    ranges = to_ranges(sorted(rows))
    found = []
    for index in range(of):
        stripe = Stripe(index, of)
        mine = [row for start, end in stripe.cut(ranges) for row in range(start, end)]
        assert mine == sorted(mine)
        assert all(stripe.wants(row) for row in mine)
        found += mine
    assert sorted(found) == sorted(rows)


class Chunks:
    """`ports.Rows`: so many rows, in chunks that keep to no border of a stripe."""

    passthrough_schema = pa.schema([])

    def __init__(self, rows):
        self.rows = rows
        self.read = 0

    async def chunks(self):
        for start in range(0, self.rows, 100):
            end = min(start + 100, self.rows)
            self.read = end
            yield [Record(row=row, id=None, payload=b"", options=Options()) for row in range(start, end)]


def read(subset):
    async def main():
        return [record.row async for chunk in subset.chunks() for record in chunk]

    return anyio.run(main)


@pytest.mark.parametrize("rows", [0, 1, STRIPE_ROWS, 3 * STRIPE_ROWS + 7])
def test_a_subset_yields_its_rows_under_their_own_ordinals(rows):
    found = []
    for index in range(3):
        subset = Subset(Chunks(rows), Stripe(index, 3))
        mine = read(subset)
        assert all(row // STRIPE_ROWS % 3 == index for row in mine)
        assert (subset.count(rows), subset.count(None)) == (len(mine), None)
        found += mine
    assert sorted(found) == list(range(rows))


def test_reading_ends_with_the_last_row_of_ranges():
    source = Chunks(1_000)
    subset = Subset(source, ((3, 5), (120, 121)))
    assert read(subset) == [3, 4, 120]
    assert source.read <= 300
    assert subset.count(None) == subset.count(1_000) == 3
    assert read(Subset(Chunks(1_000), ())) == []


@given(last=st.integers(-1, 2_000), rows=st.integers(0, 900), of=TURNS, ranges=st.booleans())
def test_how_far_so_many_rows_reach(last, rows, of, ranges):
    wanted = Stripe(of - 1, of)
    if ranges:
        wanted = wanted.cut(((0, 10_000),))
    end = reach(wanted, last, rows)
    taken = [row for row in range(last + 1, end + 1) if wants(wanted, row)]
    assert len(taken) == rows or (ranges and end == wanted[-1][1] - 1)
    assert reach(None, last, rows) == last + rows
