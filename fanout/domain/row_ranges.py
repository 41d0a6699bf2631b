"""Represents sets of rows as ranges, or as every n-th group of rows of the input."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from operator import itemgetter

Ranges = tuple[tuple[int, int], ...]
"""Rows as half-open ranges, rising and apart."""


STRIPE_ROWS = 256
"""Neighbouring rows that go to one process: few, so that shares are even and the parts of all processes cover the same
rows when they are merged; more than one, so that neighbours, which are often alike, still share a part."""


@dataclass(frozen=True, slots=True)
class Stripe:
    """Every `of`-th group of `STRIPE_ROWS` rows: the share of process `index`, whatever the input's length."""

    index: int
    of: int

    def wants(self, row: int) -> bool:
        """Whether the row belongs to the share."""
        return row // STRIPE_ROWS % self.of == self.index

    def count(self, rows: int) -> int:
        """Return how many of the first `rows` rows belong to the share."""
        rounds, rest = divmod(rows, STRIPE_ROWS * self.of)
        return rounds * STRIPE_ROWS + min(max(rest - self.index * STRIPE_ROWS, 0), STRIPE_ROWS)

    def cut(self, ranges: Ranges) -> Ranges:
        """Return the rows of `ranges` that belong to the share."""
        found: list[tuple[int, int]] = []
        for start, end in ranges:
            borders = range(start - start % STRIPE_ROWS + STRIPE_ROWS, end, STRIPE_ROWS)
            found += [piece for piece in pairwise((start, *borders, end)) if self.wants(piece[0])]
        return tuple(found)


Wanted = Ranges | Stripe


def wants(wanted: Wanted, row: int) -> bool:
    """Whether the row is among the wanted ones."""
    if isinstance(wanted, Stripe):
        return wanted.wants(row)
    at = bisect_right(wanted, row, key=itemgetter(0)) - 1
    return at >= 0 and row < wanted[at][1]


def reach(wanted: Wanted | None, last: int, rows: int) -> int:
    """Return the row that is reached from `last` by so many more of the wanted rows; None means that all are wanted."""
    if wanted is None:
        return last + rows
    if isinstance(wanted, Stripe):
        end = last + (rows + STRIPE_ROWS) * wanted.of
    else:
        end = wanted[-1][1] - 1 if wanted else last
    while rows > 0 and last < end:
        last += 1
        rows -= wants(wanted, last)
    return last


def to_ranges(rows: Iterable[int]) -> Ranges:
    """Return rising rows as ranges."""
    ranges: list[tuple[int, int]] = []
    for row in rows:
        if ranges and ranges[-1][1] == row:
            ranges[-1] = (ranges[-1][0], row + 1)
        else:
            ranges.append((row, row + 1))
    return tuple(ranges)
