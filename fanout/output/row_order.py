"""Checks that every input row is one output row: 0, 1, 2, ... and no other.

It checks the row numbers of a stream chunk by chunk, and returns the row that must come next, or raises
`CorruptParts`.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise

import pyarrow as pa
import pyarrow.compute as pc

from fanout.errors import Exit, RunError

_NAMED = 5  # places that a message names; the first ones lead to the cause, the rest only hide it


class CorruptParts(RunError):  # noqa: N818 - reads as what is the case
    """The part files do not hold every row once, in order: a bug of fanout, not damage of the disk.

    Damage on the disk is found by page checksums and is a `StorageError`.
    """

    exit = Exit.BUG


def follow(rows: pa.Array | pa.ChunkedArray, start: int) -> int:
    """Return the row that comes after `rows`, which are `start`, `start + 1`, ... without gap or repetition.

    Raises:
        CorruptParts: They are not; the message names the first rows that are missing or there twice.
    """
    if len(rows) == 0:
        return start
    flat = rows.combine_chunks() if isinstance(rows, pa.ChunkedArray) else rows
    steps = pc.subtract(flat[1:], flat[:-1])
    if flat[0].as_py() == start and pc.all(pc.equal(steps, 1), min_count=0).as_py():
        return start + len(flat)
    raise CorruptParts(_complaint(_flaws(sorted(flat.to_pylist()), start) or ["rows out of order"]))


def climb(rows: pa.Array | pa.ChunkedArray, start: int) -> int:
    """Return the row that comes after `rows`, which rise from `start` or later, with gaps or without.

    Raises:
        CorruptParts: They do not; the message names the first rows that are there twice.
    """
    if len(rows) == 0:
        return start
    flat = rows.combine_chunks() if isinstance(rows, pa.ChunkedArray) else rows
    steps = pc.subtract(flat[1:], flat[:-1])
    if flat[0].as_py() >= start and pc.all(pc.greater(steps, 0), min_count=0).as_py():
        return int(flat[-1].as_py()) + 1
    found = sorted(flat.to_pylist())
    raise CorruptParts(_complaint(_flaws(found, max(start, found[0])) or ["rows out of order"]))


def complete(following: int, expected_rows: int) -> None:
    """Return if the rows ended where the input did: `following` is the row that `follow` returned last.

    Raises:
        CorruptParts: Rows are missing at the end, or there are more than the input has.
    """
    if following < expected_rows:
        raise CorruptParts(_complaint([_span("missing", following, expected_rows - 1)]))
    if following > expected_rows:
        raise CorruptParts(_complaint([_span("beyond the input's end", expected_rows, following - 1)]))


def _flaws(rows: list[int], start: int) -> list[str]:
    flaws: list[str] = []
    for before, row in pairwise([start - 1, *rows]):
        if row <= before:
            flaws.append(_span("twice", row, row))
        elif row > before + 1:
            flaws.append(_span("missing", before + 1, row - 1))
    return flaws


def _span(what: str, first: int, last: int) -> str:
    return f"row {first} {what}" if first == last else f"rows {first} to {last} {what}"


def _complaint(flaws: Iterable[str]) -> str:
    found = list(dict.fromkeys(flaws))
    rest = f" and {len(found) - _NAMED} more" if len(found) > _NAMED else ""
    return (
        f"the part files do not hold every row once: {', '.join(found[:_NAMED])}{rest}; this is a bug: "
        "keep the run directory as it is and report it"
    )
