"""Measures how late the event loop of the client is while an experiment runs."""

from __future__ import annotations

from collections.abc import Callable

from fanout.engine.snapshot import Snapshot
from fanout.ports import Clock

LOOK_EVERY_S = 0.02


class LoopWatch:
    """An observer that measures how late the event loop comes to what is due: a busy loop reads replies late, too."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.lags_ms: list[float] = []

    async def watch(self, look: Callable[[], Snapshot], *, now: Callable[[], float]) -> None:  # noqa: ARG002 - Observer's
        """Look every `LOOK_EVERY_S` seconds, until cancelled."""
        while True:
            due = self._clock.now() + LOOK_EVERY_S
            await self._clock.sleep_until(due)
            self.lags_ms.append((self._clock.now() - due) * 1e3)
