"""Runs blocking disk calls on a thread, or in place where time is virtual."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeVar

import anyio.to_thread

T = TypeVar("T")


class RunBlocking(Protocol):
    """Runs a blocking call without blocking the event loop."""

    async def __call__(self, call: Callable[[], T], /) -> T:
        """Return what `call` returns."""
        ...


async def run_in_thread(call: Callable[[], T], /) -> T:
    """Return what `call` returns, run on a thread: a disk that stalls must not stall requests."""
    return await anyio.to_thread.run_sync(call)
