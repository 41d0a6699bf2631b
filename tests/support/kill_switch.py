"""How a simulated process dies: from one moment on nothing that it does reaches the world or the disk.

Every effect asks `KillSwitch.step()` before and after. A killed process raises `Crashed` from there, which no code of
the engine may turn into anything durable; the world and the files stay as they are.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import anyio

from fanout.errors import StorageError

T = TypeVar("T")


class Crashed(BaseException):
    """The process is dead. Not an `Exception`: nothing may handle it."""


class KillSwitch:
    """One process's life.

    Args:
        fatal_step: Effect, from 1, at which it is killed; None for none.
        full_at: Write to the disk, from 1, from which on the disk is full; None for never.
        fsync_s: Virtual seconds that a write takes.
    """

    def __init__(
        self, *, fatal_step: int | None = None, full_at: int | None = None, fsync_s: float = 0.0
    ) -> None:
        self.dead = False
        self.full = False
        self.scope = anyio.CancelScope()
        self._fatal_step = fatal_step
        self._full_at = full_at
        self._fsync_s = fsync_s
        self._steps = self._writes = 0

    def kill(self) -> None:
        """Kill it now."""
        self.dead = True
        self.scope.cancel()

    def step(self) -> None:
        """Return if the process lives on past this point.

        Raises:
            Crashed: It does not.
        """
        self._steps += 1
        if self._steps == self._fatal_step:
            self.kill()
        if self.dead:
            raise Crashed

    async def run_blocking(self, call: Callable[[], T], /) -> T:
        """`threads.RunBlocking`: in place, after `fsync_s`; killed before it or after it, or refused by the disk."""
        if self._fsync_s and not self.dead:
            await anyio.sleep(self._fsync_s)
        else:
            await anyio.lowlevel.checkpoint()
        self.step()
        self._writes += 1
        if self.full or self._writes == self._full_at:
            self.full = True
            raise StorageError("simulated: no space left on the device")
        result = call()
        self.step()
        return result
