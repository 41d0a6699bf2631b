"""Counts the payloads of open rows in memory, and their passthrough values, and lets go of what is not needed any more.

`OpenRows` alone calls the methods that write to a row.
"""

from __future__ import annotations

from fanout.concurrency.notify import Notify
from fanout.domain.records import Inline, Routed
from fanout.engine.open_row import OpenRow


class RowPayloads:
    """The payloads of one run's open rows.

    Args:
        keep: Keep payloads that travel in requests until their rows have ended.
        changed: Notified whenever a row lets go of its payload.

    Attributes:
        held_bytes: Bytes of payloads and passthrough values in memory.
    """

    def __init__(self, *, keep: bool, changed: Notify) -> None:
        self._keep = keep
        self._changed = changed
        self.held_bytes = 0

    def enter(self, row: OpenRow) -> None:
        """Count what a row holds that comes in."""
        self.held_bytes += row.held_bytes + row.kept_bytes

    def sent(self, row: OpenRow) -> None:
        """Let go of what travelled in the request of a row that the endpoint has."""
        if not self._keep and isinstance(row.item, Inline):
            self.replace(row, None)

    def replace(self, row: OpenRow, item: Routed | None) -> None:
        """Put what holds no payload in the place of the row's."""
        row.item = item
        self.held_bytes -= row.held_bytes
        row.held_bytes = 0
        self._changed.notify()

    def settle(self, row: OpenRow) -> None:
        """Let go of all that a row holds that has its outcome, which holds the values from now on."""
        self.held_bytes -= row.kept_bytes
        row.passthrough, row.kept_bytes = (), 0
        self.replace(row, None)
