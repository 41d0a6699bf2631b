"""Until when open rows are waited for: their numbers by the second of the deadline, and the nearest in order.

A row's own `deadline` says what holds; what is kept of a row that has ended, that no longer waits, or that was given
another deadline since, is passed over when its turn comes. Nearly every deadline is hours away and its row ends long
before, so that it costs eight bytes, where many share a second, and is never put in order.
"""

from __future__ import annotations

import heapq
from array import array
from collections.abc import Mapping

from fanout.engine.open_row import WAITING, OpenRow


class Deadlines:
    """The deadlines of `rows`, which are the ledger's open ones."""

    def __init__(self, rows: Mapping[int, OpenRow]) -> None:
        self._rows = rows
        self._clear()

    def _clear(self) -> None:
        self._near: list[tuple[float, int]] = []  # a heap, up to the end of the second `_opened`
        self._far: dict[int, array[int]] = {}  # rows by second, all later than that
        self._seconds: list[int] = []  # a heap of its keys
        self._opened = -1
        self._kept = 0

    def __len__(self) -> int:
        """Deadlines that are kept, those that no longer hold included."""
        return self._kept

    def set(self, entry: OpenRow, deadline: float) -> None:
        """Wait for a row until `deadline`, whatever it was told before."""
        entry.deadline = deadline
        entry.overdue = False
        self._hold_claimed(deadline, entry.row)
        if self._kept > 2 * len(self._rows) + 1_000:
            # One row that takes hours would keep all that were settled behind it: eight bytes each, for a billion.
            self._clear()
            for each in self._rows.values():
                if each.deadline is not None and not each.overdue:
                    self._hold_claimed(each.deadline, each.row)

    def _hold_claimed(self, deadline: float, row: int) -> None:
        second = int(deadline)
        self._kept += 1
        if second <= self._opened:
            heapq.heappush(self._near, (deadline, row))
            return
        rows = self._far.get(second)
        if rows is None:
            rows = self._far[second] = array("q")
            heapq.heappush(self._seconds, second)
        rows.append(row)

    def next(self) -> float | None:
        """Return the earliest deadline of a row that waits, None if none has one."""
        while True:
            while self._near:
                deadline, row = self._near[0]
                entry = self._rows.get(row)
                if (
                    entry is not None
                    and entry.deadline == deadline
                    and not entry.overdue
                    and entry.state in WAITING
                ):
                    return deadline
                heapq.heappop(self._near)
                self._kept -= 1
            if not self._seconds:
                return None
            self._open(heapq.heappop(self._seconds))

    def _open(self, second: int) -> None:
        """Put in order what ends within this second, which is the next of which anything is kept."""
        self._opened = second
        rows = self._far.pop(second)
        self._kept -= len(rows)
        for row in rows:
            entry = self._rows.get(row)
            if entry is not None and entry.deadline is not None and int(entry.deadline) == second:
                self._hold_claimed(entry.deadline, row)

    def overdue(self, now: float) -> list[OpenRow]:
        """Return, once, the rows whose deadline has passed."""
        found = []
        while (deadline := self.next()) is not None and deadline <= now:
            entry = self._rows[heapq.heappop(self._near)[1]]
            self._kept -= 1
            entry.overdue = True
            found.append(entry)
        return found
