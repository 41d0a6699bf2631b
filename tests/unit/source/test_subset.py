"""A share of the input: each row keeps its ordinal, and no row is read twice."""

from __future__ import annotations

import anyio
import pyarrow as pa
import pytest

from fanout.domain.records import Options, Record
from fanout.domain.row_ranges import STRIPE_ROWS, Stripe
from fanout.source.subset import Subset


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
