"""Virtual time for tests of single parts: trio's clock that jumps, as `ports.Clock`; nothing ever waits for real."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

import trio
import trio.testing

T = TypeVar("T")


class VirtualClock:
    """`ports.Clock` that counts trio's virtual seconds from 0."""

    def now(self) -> float:
        return trio.current_time()

    async def sleep_until(self, instant: float) -> None:
        await trio.sleep_until(instant)

    async def sleep(self, seconds: float) -> None:
        await trio.sleep(seconds)


def run_virtual(main: Callable[[], Awaitable[T]]) -> T:
    """Run `main` on a clock that starts at 0 and jumps whenever nothing else can happen."""
    return trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))
