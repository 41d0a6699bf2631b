"""Hands outcomes to the caller at once, instead of writing them to a file: nothing is on disk.

A message is deleted once its row's outcome was handed over. The pipeline starts one worker.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import anyio

from fanout.concurrency.notify import Notify
from fanout.domain.records import Outcome
from fanout.engine.flow import SinkStatistics
from fanout.output.parts import Part
from fanout.ports import Clock

GATHER_S = 0.05
"""Rows that were handed over are forgotten together, this often: their messages are then deleted in tens."""


class Deliver:
    """Where the outcomes of a session go.

    Args:
        take: Takes an outcome; returns at once.
        forget: Called with the rows whose outcome was taken, when they may be forgotten.
        clock: The run's clock.
    """

    def __init__(
        self, *, take: Callable[[Outcome], None], forget: Callable[[list[int]], None], clock: Clock
    ) -> None:
        self._take = take
        self._forget = forget
        self._clock = clock
        self._taken: list[int] = []
        self._arrived = Notify()
        self.freed = Notify()
        self.held_bytes = self.largest_bytes = 0
        """An outcome that was handed over is the caller's."""
        self._closed = False
        self._delivered = 0
        self.parts: Sequence[Part] = ()
        self.finished = anyio.Event()

    def add(self, outcome: Outcome) -> None:
        """Hand an outcome over."""
        self._take(outcome)
        self._delivered += 1
        self._taken.append(outcome.row)
        if len(self._taken) == 1:
            self._arrived.notify()

    async def room(self) -> None:
        """Return at once: the caller has room for what it sent."""

    def hurry(self) -> None:
        """Do nothing: no outcome is kept."""

    def close(self) -> None:
        """Say that no more outcomes will come."""
        self._closed = True
        self._arrived.notify()

    async def worker(self) -> None:
        """Have the rows that were handed over forgotten, until closed and empty."""
        while not (self._closed and not self._taken):
            if not self._taken:
                await self._arrived.wait()
            if not self._closed:
                await self._clock.sleep(GATHER_S)
            await self.flush()
        self.finished.set()

    async def flush(self) -> None:
        """Have the rows that were handed over forgotten."""
        taken, self._taken = self._taken, []
        self._forget(taken)

    def statistics(self) -> SinkStatistics:
        """Return a snapshot."""
        return SinkStatistics(len(self._taken), 0, self._delivered, 0)
