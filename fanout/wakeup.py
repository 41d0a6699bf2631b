"""A signal that wakes whoever waits now and remembers nothing; the condition itself stays with its owner."""

from __future__ import annotations

import anyio


class Wakeup:
    """Wakes all present waiters; costs an attribute look-up when there is none.

    Use it as `while not condition(): await wakeup.wait()`: nothing can be missed in between, because there is no
    await between the look and the wait.
    """

    __slots__ = ("_event",)

    def __init__(self) -> None:
        self._event: anyio.Event | None = None

    def notify(self) -> None:
        """Wake all who wait."""
        if self._event is not None:
            self._event.set()
            self._event = None

    async def wait(self) -> None:
        """Return after the next `notify`."""
        if self._event is None:
            self._event = anyio.Event()
        await self._event.wait()

    async def wait_for(self, timeout_s: float) -> bool:
        """Return after the next `notify` (True) or after `timeout_s` seconds (False)."""
        with anyio.move_on_after(max(timeout_s, 0.0)):
            await self.wait()
            return True
        return False
