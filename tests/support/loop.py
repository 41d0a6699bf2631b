"""The event loop that users run on, without its clock, its sockets and its order: time jumps, a seed shuffles.

Enters a coroutine function and a seed, leaves its result; the same seed gives the same run. asyncio wakes what is
ready in the order in which it became ready. Here every turn is shuffled, so that nothing can come to depend on it.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import math
import random
from asyncio import Handle
from collections.abc import Awaitable, Callable
from contextvars import Context, copy_context
from typing import Any, TypeVar

import anyio

T = TypeVar("T")
EPOCH = 1_700_000_000.0


class NothingLeftError(AssertionError):
    """Everything waits for something that no task will ever do."""


class Call(Handle):
    """What is to be called, and may be taken back; asyncio's own asks twice whether it is being debugged."""

    __slots__ = ()

    def __init__(
        self, callback: Callable[..., object], args: tuple[Any, ...], context: Context | None
    ) -> None:
        self._callback: Any = callback
        self._args: Any = args
        self._context = copy_context() if context is None else context
        self._cancelled = False

    def cancel(self) -> None:
        self._cancelled = True
        self._callback = self._args = None


class SeededLoop(asyncio.BaseEventLoop):
    """asyncio's loop on virtual seconds from 0; has no threads, no sockets, no signals.

    Timers are kept in a heap of tuples: asyncio's compares handles in Python, which was a tenth of a simulated run.
    """

    def __init__(self, seed: int) -> None:
        super().__init__()
        self._seconds = 0.0
        self._soon: list[Call] = []
        self._timers: list[tuple[float, int, Call]] = []
        self._order = itertools.count()
        self._shuffle = random.Random(seed).shuffle

    def time(self) -> float:
        return self._seconds

    def pass_time(self, seconds: float) -> None:
        """Let time go on while a callback runs."""
        self._seconds += seconds

    def call_soon(self, callback: Callable[..., object], *args: Any, context: Context | None = None) -> Call:
        handle = Call(callback, args, context)
        self._soon.append(handle)
        return handle

    def call_at(
        self, when: float, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> Call:
        timer = Call(callback, args, context)
        if when == math.inf:
            return timer  # never: time must not jump there
        heapq.heappush(self._timers, (when, next(self._order), timer))
        return timer

    def call_later(
        self, delay: float, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> Call:
        return self.call_at(self._seconds + delay, callback, *args, context=context)

    def _run_once(self) -> None:
        """Run what is ready, in an order of the seed's; if nothing is, let time jump to the next timer."""
        timers, soon = self._timers, self._soon
        if not soon and not self._stopping:
            while timers and timers[0][2]._cancelled:
                heapq.heappop(timers)
            if not timers:
                raise NothingLeftError(
                    f"nothing is left to happen after {self._seconds:,.3f} virtual seconds"
                )
            self._seconds = max(self._seconds, timers[0][0])
        while timers and timers[0][0] <= self._seconds:
            soon.append(heapq.heappop(timers)[2])
        self._soon = []
        if len(soon) > 1:
            self._shuffle(soon)
        for call in soon:
            if not call._cancelled:
                try:
                    call._context.run(call._callback, *call._args)
                except (SystemExit, KeyboardInterrupt):
                    raise
                except BaseException as error:
                    self.call_exception_handler({"message": f"{call._callback} failed", "exception": error})


class Nap:
    """A wait for an instant, or for a task that wakes it before; a third of what a cancel scope costs."""

    __slots__ = ("_over", "_timer")

    def __init__(self, loop: asyncio.AbstractEventLoop, until: float) -> None:
        self._over = loop.create_future()
        self._timer = loop.call_at(until, self.wake)

    def wake(self) -> None:
        """End it."""
        if not self._over.done():
            self._over.set_result(None)

    async def wait(self) -> None:
        """Return at its end."""
        try:
            await self._over
        finally:
            self._timer.cancel()


class LoopClock:
    """`ports.Clock` of the loop that runs now, from an epoch that looks like a date."""

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, SeededLoop)
        self._loop = loop

    def now(self) -> float:
        return EPOCH + self._loop._seconds

    async def sleep_until(self, instant: float) -> None:
        if instant <= self.now():
            await asyncio.sleep(0)
        else:
            await self.nap(instant).wait()

    async def sleep(self, seconds: float) -> None:
        await self.sleep_until(self.now() + seconds)

    def compute(self, seconds: float) -> None:
        """Let time pass within a turn of the loop, as a callback does that keeps the processor."""
        self._loop.pass_time(seconds)

    def nap(self, until: float) -> Nap:
        """Return a wait until `until`, which may be infinite."""
        return Nap(self._loop, until - EPOCH)


def run_seeded(main: Callable[[], Awaitable[T]], *, seed: int) -> T:
    """Run `main` on a loop of its own whose time jumps whenever nothing else can happen.

    Raises:
        NothingLeftError: It waits, and so does everything that it has started.
    """
    return anyio.run(main, backend_options={"loop_factory": lambda: SeededLoop(seed)})
