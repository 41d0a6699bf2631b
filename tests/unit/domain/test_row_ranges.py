"""Stripes and ranges: each row belongs to exactly one stripe, and ranges are cut along them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from fanout.domain.row_ranges import Stripe, reach, to_ranges, wants

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


@given(last=st.integers(-1, 2_000), rows=st.integers(0, 900), of=TURNS, ranges=st.booleans())
def test_how_far_so_many_rows_reach(last, rows, of, ranges):
    wanted = Stripe(of - 1, of)
    if ranges:
        wanted = wanted.cut(((0, 10_000),))
    end = reach(wanted, last, rows)
    taken = [row for row in range(last + 1, end + 1) if wants(wanted, row)]
    assert len(taken) == rows or (ranges and end == wanted[-1][1] - 1)
    assert reach(None, last, rows) == last + rows
