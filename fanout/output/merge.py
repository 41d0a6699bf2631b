"""Merges many sorted part files into one sorted stream, in memory that depends on neither their number nor their size.

Each part is sorted by row; the tables that come out are in row order, ready to be row groups. A part is opened when
its first row is due. The smallest row that is not loaded yet is the frontier: all rows before it can be written.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing
from itertools import accumulate, chain
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from fanout.files import readable, storage
from fanout.output.large_page import LargeValues
from fanout.output.merge_cursor import Cursor
from fanout.output.parquet import open_file
from fanout.output.parts import Part, in_order, write_sorted
from fanout.output.schema import current_schema

FAN_IN = 24
"""Parts open at once: what they hold (a batch of 256 KiB, pages, footers) stays below the pool's size."""
POOL_BYTES = 8 << 20
POOL_ROWS = 8_192


def merge(
    parts: Sequence[Part],
    *,
    large: LargeValues | None = None,
    pool_bytes: int = POOL_BYTES,
    pool_rows: int = POOL_ROWS,
) -> Iterator[pa.Table]:
    """Yield all rows of `parts` in row order, in tables of about `pool_bytes` or `pool_rows`.

    Args:
        parts: Of one schema; at most `FAN_IN` overlapping at any row, see `narrow`.
        large: Takes the large responses of the tables that come out, which have nulls in their place.
        pool_bytes: Loaded rows to gather before those that are complete go out.
        pool_rows: The same as a count.

    Raises:
        StorageError: A part is damaged.
    """
    large = LargeValues() if large is None else large
    with ExitStack() as stack:
        cursors = [stack.enter_context(closing(Cursor(part, large))) for part in parts]
        heads = [(part.min_row, place) for place, part in enumerate(parts)]
        heapq.heapify(heads)
        pool: list[pa.RecordBatch] = []
        size = rows = 0
        while heads:
            _, place = heads[0]
            pool.append(cursors[place].load())
            size, rows = size + large.size_bytes(pool[-1]), rows + pool[-1].num_rows
            following = cursors[place].next_row
            if following is None:
                heapq.heappop(heads)
            else:
                heapq.heapreplace(heads, (following, place))
            if heads and size < pool_bytes and rows < pool_rows:
                continue
            ready, pool = _take_ready(pool, heads[0][0] if heads else None)
            size, rows = sum(map(large.size_bytes, pool)), sum(rest.num_rows for rest in pool)
            if ready is not None:
                yield ready
                del ready  # before the next rows are read: they may be large


def narrow(parts: Sequence[Part], workspace: Path, *, fan_in: int = FAN_IN) -> list[Part]:
    """Return parts of the same rows of which at most `fan_in` overlap, merging some into `workspace` if need be.

    Raises:
        StorageError: The disk is full or failed, or a part is damaged.
    """
    narrowed, turn = list(parts), 0
    while overlap(narrowed) > fan_in:
        narrowed.sort(key=lambda part: part.min_row)
        groups = [narrowed[place : place + fan_in] for place in range(0, len(narrowed), fan_in)]
        narrowed = [_combine(group, workspace, f"{turn}-{place}") for place, group in enumerate(groups)]
        turn += 1
    return narrowed


def overlap(parts: Sequence[Part]) -> int:
    """Return how many parts a merge has open at once, at most."""
    # A part that ends at a row is still open when the next one begins there.
    edges = chain.from_iterable(((part.min_row, -1), (part.max_row, 1)) for part in parts)
    return max(accumulate((-step for _, step in sorted(edges)), initial=0))


def _take_ready(
    pool: Sequence[pa.RecordBatch], frontier: int | None
) -> tuple[pa.Table | None, list[pa.RecordBatch]]:
    """Return the pool's rows before `frontier`, sorted, and the rest; all of them if it is None."""
    ready, rest = [], []
    for batch in pool:
        count = batch.num_rows
        if frontier is not None:
            count = pc.sum(pc.less(batch.column("row"), frontier)).as_py()
        if count:
            ready.append(batch.slice(0, count))
        if count < batch.num_rows:
            rest.append(batch.slice(count))
    return in_order(pa.Table.from_batches(ready)) if ready else None, rest


def _combine(group: Sequence[Part], workspace: Path, name: str) -> Part:
    """Merge parts into one; those that were made here before are removed, the run's own are not."""
    if len(group) == 1:
        return group[0]
    with readable(group[0].path), open_file(group[0].path) as file:
        # Without metadata: the kinds of one part would be wrong for all of them.
        schema = current_schema(file.schema_arrow).remove_metadata()
    path, large = workspace / f"merged-{name}.parquet", LargeValues()
    combined = write_sorted(path, merge(group, large=large), number=0, schema=schema, large=large)
    for part in group:
        if part.path.parent == workspace:
            with storage(part.path, "remove"):
                part.path.unlink()
    return combined
