"""Keeps the rows that wait for an instant, in the order of those instants.

A row has at most one turn. A turn that its row has given up, or exchanged for another, is skipped.
"""

from __future__ import annotations

import heapq

from fanout.engine.open_row import OpenRow


class Deferrals:
    """The deferred rows of one run."""

    def __init__(self) -> None:
        self._turns: list[tuple[float, int, OpenRow]] = []  # a heap
        self._count = 0

    def __len__(self) -> int:
        """Rows that have a turn."""
        return sum(row.turn == turn for _, turn, row in self._turns)

    def set(self, row: OpenRow, until: float) -> None:
        """Give the row its turn at `until`, instead of any that it had."""
        self._count += 1
        row.turn, row.turn_at = self._count, until
        heapq.heappush(self._turns, (until, self._count, row))

    def next(self) -> float | None:
        """Return the instant of the next turn, None if no row has one."""
        while self._turns:
            until, turn, row = self._turns[0]
            if row.turn == turn:
                return until
            heapq.heappop(self._turns)
        return None

    def due(self, now: float) -> list[OpenRow]:
        """Return the rows whose turn has come, and take it from them."""
        found = []
        while (until := self.next()) is not None and until <= now:
            row = heapq.heappop(self._turns)[2]
            row.turn = None
            found.append(row)
        return found
