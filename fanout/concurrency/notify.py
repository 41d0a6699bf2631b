"""Wakes the tasks that wait now and remembers nothing; the condition itself stays with its owner."""

from __future__ import annotations

from collections.abc import Callable

import anyio

from fanout.concurrency.event import Event, make_event


class Notify:
    """Wakes all present waiters; costs an attribute look-up when there is none.

    Use it as `while not condition(): await notify.wait()`: nothing can be missed in between, because there is no
    await between the look and the wait.
    """

    __slots__ = ("_event", "_waiters")

    def __init__(self) -> None:
        self._event: Callable[[], Event] | None = None  # known once a loop runs
        self._waiters: list[Event] = []

    def notify(self) -> None:
        """Wake all tasks that wait."""
        if self._waiters:
            waiters, self._waiters = self._waiters, []
            for event in waiters:
                event.set()

    async def wait(self) -> None:
        """Return after the next `notify`."""
        if self._event is None:
            self._event = make_event()
        event = self._event()
        self._waiters.append(event)
        try:
            await event.wait()
        except BaseException:
            if not event.is_set():  # do not keep a task that leaves: the next notify may never come
                self._waiters.remove(event)
            raise

    async def wait_for(self, timeout_s: float) -> bool:
        """Return after the next `notify` (True) or after `timeout_s` seconds (False)."""
        with anyio.move_on_after(max(timeout_s, 0.0)):
            await self.wait()
            return True
        return False
