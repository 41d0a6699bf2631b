"""Reads the wall clock once and then advances it by the monotonic clock: the run's clock.

Implements `ports.Clock`. A wall clock that is stepped (NTP, an administrator) changes no latency and no
deadline of a run that is under way. On Linux the monotonic clock stands still while the machine is suspended.
"""

from __future__ import annotations

import time
from math import ceil

import anyio
import anyio.lowlevel

from fanout.concurrency.timer import sleep_until_ns

SHORTEST_SLEEP_S = 0.001
"""uvloop's timers count whole milliseconds; asking for less would spin until the instant has come."""
EXACT_S = 0.005
"""The end of a longer wait, which a timer of the kernel's takes: no wait holds a descriptor for longer."""


def uptime_s() -> float:
    """Return seconds since this machine started, those that it was suspended included (CLOCK_BOOTTIME, Linux).

    Elsewhere the monotonic clock: that of macOS goes on as well.
    """
    boottime = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic() if boottime is None else time.clock_gettime(boottime)


class SystemClock:
    """Seconds since the epoch that never jump back."""

    __slots__ = ("_monotonic_anchor_ns", "_wall_anchor_s")

    def __init__(self) -> None:
        self._wall_anchor_s = time.time()
        self._monotonic_anchor_ns = time.monotonic_ns()

    def __repr__(self) -> str:
        return f"SystemClock(now={self.now():.6f})"

    def now(self) -> float:
        """Return the instant, in seconds since the epoch; about a microsecond of it is rounding."""
        return self._wall_anchor_s + (time.monotonic_ns() - self._monotonic_anchor_ns) * 1e-9

    async def sleep_until(self, instant: float) -> None:
        """Return at `instant` or soon after; at once, but with a checkpoint, if it has passed."""
        remaining_s = instant - self.now()
        if remaining_s <= 0.0:
            await anyio.lowlevel.checkpoint()
            return
        while remaining_s > 0.0:  # an event loop may wake a little early
            if remaining_s > EXACT_S:
                await anyio.sleep(max(remaining_s - EXACT_S, SHORTEST_SLEEP_S))
            elif not await sleep_until_ns(time.monotonic_ns() + ceil(remaining_s * 1e9)):
                await anyio.sleep(max(remaining_s, SHORTEST_SLEEP_S))
            remaining_s = instant - self.now()

    async def sleep(self, seconds: float) -> None:
        """Return after about `seconds`, by the event loop's own timer."""
        await anyio.sleep(seconds)
