"""Keeps the deadlines of open rows: row numbers by the second of the deadline, and the nearest second in order.

A row's own `deadline` says which one holds. When a deadline comes up whose row has ended, no longer waits, or was given
another deadline since, it is skipped. Nearly every deadline is hours away and its row ends long before: it is never put
in order and, where many share a second, costs eight bytes.
"""

from __future__ import annotations

import heapq
from array import array
from collections.abc import Mapping

from fanout.domain.records import Options
from fanout.engine.open_row import WAITING, OpenRow, served_within_s


class Deadlines:
    """The deadlines of `rows`, by their numbers."""

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

    def set(self, row: OpenRow, deadline: float) -> None:
        """Wait for a row until `deadline`, instead of any deadline that it had."""
        row.deadline = deadline
        self._keep(deadline, row.number)
        if self._kept > 2 * len(self._rows) + 1_000:
            # One row that takes hours would keep the deadlines of all rows that end meanwhile: eight bytes each, for a
            # billion rows.
            self._clear()
            for each in self._rows.values():
                if each.deadline is not None:
                    self._keep(each.deadline, each.number)

    def _keep(self, deadline: float, number: int) -> None:
        second = int(deadline)
        self._kept += 1
        if second <= self._opened:
            heapq.heappush(self._near, (deadline, number))
            return
        numbers = self._far.get(second)
        if numbers is None:
            numbers = self._far[second] = array("q")
            heapq.heappush(self._seconds, second)
        numbers.append(number)

    def next(self) -> float | None:
        """Return the earliest deadline of a row that waits, None if none has one."""
        while True:
            while self._near:
                deadline, number = self._near[0]
                row = self._rows.get(number)
                if row is not None and row.deadline == deadline and row.state in WAITING:
                    return deadline
                heapq.heappop(self._near)
                self._kept -= 1
            if not self._seconds:
                return None
            self._open(heapq.heappop(self._seconds))

    def _open(self, second: int) -> None:
        """Put the deadlines of `second` in order: no earlier second has any."""
        self._opened = second
        numbers = self._far.pop(second)
        self._kept -= len(numbers)
        for number in numbers:
            row = self._rows.get(number)
            if row is not None and row.deadline is not None and int(row.deadline) == second:
                self._keep(row.deadline, number)

    def overdue(self, now: float) -> list[OpenRow]:
        """Return the rows whose deadline has passed, and take it from them."""
        found = []
        while (deadline := self.next()) is not None and deadline <= now:
            row = self._rows[heapq.heappop(self._near)[1]]
            self._kept -= 1
            row.deadline = None
            found.append(row)
        return found


class Patience:
    """Tells how long rows are waited for: until they are served, or never will be, and `slack_s` more."""

    def __init__(self, slack_s: float) -> None:
        self._slack_s = slack_s
        self._options: Options | None = None
        self._seconds = 0.0

    def of(self, options: Options) -> float:
        """Return the seconds from a send to the deadline of a row with these options."""
        if options is not self._options:  # rows mostly share them: one number for all
            self._options = options
            self._seconds = served_within_s(options) + self._slack_s
        return self._seconds
