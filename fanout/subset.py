"""Some rows of a source under their own ordinals: what `fanout retry` sends; a source and ranges enter, rows leave."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import AsyncGenerator, Iterable, Sequence
from contextlib import aclosing

import pyarrow.dataset as ds

from fanout.records import Record, Rejected
from fanout.source import Source

Ranges = tuple[tuple[int, int], ...]
"""Rows as half-open ranges, rising and apart."""


class Subset:
    """`ports.Rows`: the rows of `source` that lie in `ranges`.

    Args:
        source: All rows.
        ranges: Those that are wanted.
    """

    def __init__(self, source: Source, ranges: Ranges) -> None:
        self.kept_schema = source.kept_schema
        self._source = source
        self._ranges = ranges
        self._starts = [start for start, _ in ranges]

    def __len__(self) -> int:
        """Rows in the ranges."""
        return sum(end - start for start, end in self._ranges)

    async def chunks(self) -> AsyncGenerator[list[Record | Rejected], None]:
        """Yield the wanted rows in order; reading ends with the last one."""
        last = self._ranges[-1][1] if self._ranges else 0
        async with aclosing(self._source.chunks()) as chunks:
            async for chunk in chunks:
                if chunk[0].row >= last:
                    return
                wanted = [record for record in chunk if self.wants(record.row)]
                if wanted:
                    yield wanted

    def wants(self, row: int) -> bool:
        """Whether the row lies in a range."""
        at = bisect_right(self._starts, row) - 1
        return at >= 0 and row < self._ranges[at][1]


def to_ranges(rows: Iterable[int]) -> Ranges:
    """Return rising rows as ranges."""
    ranges: list[tuple[int, int]] = []
    for row in rows:
        if ranges and ranges[-1][1] == row:
            ranges[-1] = (ranges[-1][0], row + 1)
        else:
            ranges.append((row, row + 1))
    return tuple(ranges)


def unsuccessful(output: str, *, statuses: Sequence[str] = ()) -> Ranges:
    """Return the rows of an output that did not succeed, or those that have one of `statuses`."""
    status = ds.field("status")
    wanted = status.isin(list(statuses)) if statuses else status != "succeeded"
    table = ds.dataset(output, format="parquet").to_table(columns=["row"], filter=wanted)
    return to_ranges(sorted(table.column("row").to_pylist()))
