"""Remembers the rows that have ended: those that are not durable yet, and how far the input was read.

Both distinguish a repeated notice of a row that has ended from a notice of a row that was never sent.
"""

from __future__ import annotations

from collections.abc import Iterable

from fanout.domain.location import Location
from fanout.domain.records import Notice
from fanout.engine.open_row import Claim, OpenRow


class SettledRows:
    """The rows of one run that have an outcome."""

    def __init__(self) -> None:
        self._rows: dict[int, OpenRow] = {}
        self.rows_seen = 0
        """How far the input was read: a number above every row's."""

    def __len__(self) -> int:
        """Rows whose outcome is not durable yet."""
        return len(self._rows)

    def __contains__(self, number: int) -> bool:
        """Whether the row's outcome is there and not durable yet."""
        return number in self._rows

    def seen(self, number: int) -> None:
        """Note that the input has reached row `number`."""
        if number >= self.rows_seen:
            self.rows_seen = number + 1

    def add(self, row: OpenRow) -> None:
        """Remember a row until its outcome is durable."""
        self._rows[row.number] = row

    def durable(self, numbers: Iterable[int]) -> tuple[list[str], list[Location]]:
        """Forget rows whose outcome is durable; return receipts and uploaded inputs that may now be deleted."""
        receipts: list[str] = []
        uploads: list[Location] = []
        for number in numbers:
            row = self._rows.pop(number, None)
            if row is None:  # a row rejected before it was admitted
                continue
            receipts.extend(row.receipts)
            if row.upload is not None:
                uploads.append(row.upload)
        return receipts, uploads

    def claim(self, notice: Notice) -> Claim:
        """Return what a notice is whose row is not open."""
        row = self._rows.get(notice.row)
        if row is None:
            return Claim.DONE if notice.row < self.rows_seen else Claim.STRANGER
        if not row.is_meant_by(notice):
            return Claim.STRANGER
        row.keep_receipt(notice.receipt)
        return Claim.PENDING
