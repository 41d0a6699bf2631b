"""Stands in for rows that earlier processes of a run brought to their end: a resume counts them, and reads none."""

from __future__ import annotations

from collections.abc import Callable

from fanout.domain.records import Options, Record

IsSettled = Callable[[int], bool]
"""Whether a row, by its number, is one of them."""
_NO_OPTIONS = Options()


def stand_in(last: int) -> Record:
    """Return what stands for settled rows that follow each other: the number of the last, and nothing else of them."""
    return Record(last, None, b"", _NO_OPTIONS)


def all_settled(first: int, rows: int, is_settled: IsSettled) -> bool:
    """Whether so many rows from `first` on are settled, one at least."""
    return rows > 0 and all(map(is_settled, range(first, first + rows)))
