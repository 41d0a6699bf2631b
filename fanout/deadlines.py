"""Until when open rows are waited for: a heap of their deadlines, earliest first.

A row's own `deadline` says what holds; what stands in the heap of a row that has ended, that no longer waits, or that
was given another deadline since, is passed over when it comes to the top.
"""

from __future__ import annotations

import heapq
from collections.abc import Mapping

from fanout.entry import WAITING, Entry


class Deadlines:
    """The deadlines of `rows`, which are the ledger's open ones."""

    def __init__(self, rows: Mapping[int, Entry]) -> None:
        self._rows = rows
        self._heap: list[tuple[float, int]] = []

    def __len__(self) -> int:
        """Deadlines that are kept, those that no longer hold included."""
        return len(self._heap)

    def set(self, entry: Entry, deadline: float) -> None:
        """Wait for a row until `deadline`, whatever it was told before."""
        entry.deadline = deadline
        entry.overdue = False
        heapq.heappush(self._heap, (deadline, entry.row))
        if len(self._heap) > 2 * len(self._rows) + 1_000:
            # One row that takes hours would keep all that were settled behind it: 150 bytes each, for a million.
            self._heap = [
                (each.deadline, each.row)
                for each in self._rows.values()
                if each.deadline is not None and not each.overdue
            ]
            heapq.heapify(self._heap)

    def next(self) -> float | None:
        """Return the earliest deadline of a row that waits, None if none has one."""
        while self._heap:
            deadline, row = self._heap[0]
            entry = self._rows.get(row)
            if (
                entry is not None
                and entry.deadline == deadline
                and not entry.overdue
                and entry.state in WAITING
            ):
                return deadline
            heapq.heappop(self._heap)
        return None

    def overdue(self, now: float) -> list[Entry]:
        """Return, once, the rows whose deadline has passed."""
        found = []
        while (deadline := self.next()) is not None and deadline <= now:
            entry = self._rows[heapq.heappop(self._heap)[1]]
            entry.overdue = True
            found.append(entry)
        return found
