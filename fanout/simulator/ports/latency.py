"""Delays the calls of the in-memory ports, and reports their errors as an SDK would.

Owned by `cloud`; every call goes through one `Wire`. Time is the clock's that is handed in.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TypeVar

import anyio

from fanout.errors import CallError, Phase
from fanout.ports import Clock
from fanout.simulator.errors import ServiceError
from fanout.simulator.settings import Spread
from fanout.simulator.world import World

Answer = TypeVar("Answer")


class Wire:
    """Connects the ports to a world.

    Args:
        world: Whose services answer.
        clock: The run's clock; the world's time is what it says.
    """

    def __init__(self, world: World, clock: Clock) -> None:
        self.world = world
        self._clock = clock
        self._rng = world.rng("latency")

    def now(self) -> float:
        """Return the instant, once the world has done everything that was due until then."""
        now = self._clock.now()
        self.world.advance(now)
        return now

    def latency(self, spread: Spread) -> float:
        """Return the seconds that one call takes, there and back."""
        return spread.draw(self._rng)

    async def travel(self, seconds: float) -> None:
        """Return `seconds` later; at least let other tasks run."""
        await self._clock.sleep_until(self._clock.now() + seconds)

    async def call(self, operation: str, spread: Spread, work: Callable[[float], Answer]) -> Answer:
        """Return what `work(now)` returns, half of the latency after it; if cancelled in between, the effect remains.

        Raises:
            CallError: The service refused.
        """
        latency_s = self.latency(spread)
        await self.travel(latency_s / 2)
        now = self.now()
        refusal: ServiceError | None = None
        try:
            self.world.faults.permit(operation)
            answer = work(now)
        except ServiceError as error:
            refusal = error
        if latency_s:
            await self.travel(latency_s / 2)
        if refusal is not None:
            raise reply_error(refusal) from refusal
        return answer

    async def nap(self, until: float, *, queue: str | None = None) -> None:
        """Return at `until` or at the world's next event, or when a message has come into `queue`.

        An event that is scheduled during the nap, and earlier than these, ends it as well.
        """
        world = self.world
        wakes_at = min(until, _or_never(world.next_event_at()))
        with anyio.CancelScope() as scope:

            def reconsider() -> None:
                if _or_never(world.next_event_at()) < wakes_at:
                    scope.cancel()

            world.watch(reconsider)
            if queue is not None:
                world.queues.watch(queue, scope.cancel)
            try:
                await self._clock.sleep_until(wakes_at)
            finally:
                world.unwatch(reconsider)
                if queue is not None:
                    world.queues.unwatch(queue, scope.cancel)


def reply_error(error: ServiceError) -> CallError:
    """Return what an SDK makes of an error reply."""
    return CallError(
        Phase.REPLY,
        error.code,
        message=error.message,
        status=error.status,
        retry_after_s=error.retry_after_s,
    )


def _or_never(instant: float | None) -> float:
    return math.inf if instant is None else instant
