"""Holds the long polls that wait, each for its queue, and wakes them when there is a message.

Call `look` after everything that may have put a message into a queue; `next_at` gives the timer the instant at
which a message that is in flight becomes visible again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from fanout.simulator.errors import ServiceError
from fanout.simulator.queues import Queues


class Polls:
    """The long polls that wait, by queue.

    Args:
        queues: The queues.
        now: The server's clock, in seconds since the epoch.
        alarm: Called when a poll begins to wait, so that the timer may be set earlier.
    """

    def __init__(self, queues: Queues, *, now: Callable[[], float], alarm: Callable[[], None]) -> None:
        self._queues = queues
        self._now = now
        self._alarm = alarm
        self._waiting: dict[str, set[asyncio.Future[None]]] = {}

    async def wait(self, name: str, *, until: float) -> float:
        """Return the time when the queue may have a message, or when `until` has come."""
        loop = asyncio.get_running_loop()
        woken: asyncio.Future[None] = loop.create_future()
        self._waiting.setdefault(name, set()).add(woken)
        timer = loop.call_later(max(0.0, until - self._now()), _wake, woken)
        try:
            self._alarm()
            await woken
        finally:
            timer.cancel()
            self._waiting[name].discard(woken)
            if not self._waiting[name]:
                del self._waiting[name]
        # A timer may be a millisecond early; a poll that is due must not come back to wait for nothing.
        now = self._now()
        return until if until - now < 0.002 else now

    def look(self, now: float) -> None:
        """Wake those whose queue has a message now, or is gone."""
        for name, waiting in self._waiting.items():
            at = self._visible_at(name, now)
            if at is not None and at <= now:
                for woken in waiting:
                    _wake(woken)

    def next_at(self, now: float) -> float | None:
        """Return when `look` should be called again although nothing happens, None for never."""
        instants = [self._visible_at(name, now) for name in self._waiting]
        return min((at for at in instants if at is not None), default=None)

    def statistics(self) -> dict[str, int]:
        """Return how many polls wait, by queue."""
        return {name: len(waiting) for name, waiting in self._waiting.items()}

    def _visible_at(self, name: str, now: float) -> float | None:
        try:
            return self._queues.next_visible_at(name, now=now)
        except ServiceError:
            return now  # the queue is gone: let the poll find that out


def _wake(woken: asyncio.Future[None]) -> None:
    if not woken.done():
        woken.set_result(None)
