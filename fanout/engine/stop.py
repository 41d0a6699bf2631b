"""Holds the order to stop a run early: its reason, and when it was given."""

from __future__ import annotations

import anyio

from fanout.concurrency.notify import Notify
from fanout.errors import RunError
from fanout.ports import Clock


class Stop:
    """The order to stop a run; the first one counts.

    Args:
        clock: The run's clock.
        changed: Notified of the order.
    """

    def __init__(self, *, clock: Clock, changed: Notify) -> None:
        self._clock = clock
        self._changed = changed
        self.reason: RunError | None = None
        """The error that the run ends with; there can be one although nothing was stopped."""
        self.at: float | None = None
        """When the order was given, None if it was not: from then on nothing is sent."""
        self.admission = anyio.CancelScope()
        """What the order cancels."""

    def order(self, reason: RunError) -> None:
        """Admit and send nothing more, and end with `reason`, or with the reason that there is already."""
        if self.reason is None or self.at is None:
            self.reason = self.reason or reason
            self.at = self._clock.now()
            self.admission.cancel()
            self._changed.notify()
