"""A world that moves by itself: one task wakes at its events, instead of every nap of every poller.

The ports in memory need no task of their own and wake all who nap at each event; with many pollers that was half of
a simulated run's time. `drive` is that one task, and `driven` a cloud whose long polls wake for their queue alone.
"""

from __future__ import annotations

import math

import trio

from fanout.ports import Clock
from fanout.simulator.memory import MemoryCloud
from fanout.simulator.world import World

GRID_HZ = 32.0  # a power of two, so that instants of the grid are exact


def driven(world: World, clock: Clock) -> MemoryCloud:
    """Return a cloud on a world that somebody drives."""
    cloud = MemoryCloud(world, clock)
    wire = cloud._wire
    nap = wire.nap

    async def travel(seconds: float) -> None:
        await clock.sleep_until(clock.now() if seconds <= 0 else on_grid(clock.now() + seconds))

    wire.travel = travel  # type: ignore[method-assign]

    async def nap_for_queue(until: float, *, queue: str | None = None) -> None:
        if queue is None:
            await nap(until)
            return
        with trio.CancelScope() as scope:
            world.queues.watch(queue, scope.cancel)
            try:
                await clock.sleep_until(until)
            finally:
                world.queues.unwatch(queue, scope.cancel)

    wire.nap = nap_for_queue  # type: ignore[method-assign]
    return cloud


async def drive(world: World, clock: Clock) -> None:
    """Let the world's events happen when they are due, for ever."""
    while True:
        due_at = _next(world)
        if due_at <= clock.now():
            world.advance(clock.now())
            continue
        with trio.CancelScope() as scope:

            def reconsider(scope: trio.CancelScope = scope, due_at: float = due_at) -> None:
                if _next(world) < due_at:
                    scope.cancel()

            world.watch(reconsider)
            try:
                if due_at == math.inf:
                    await trio.sleep_forever()
                await clock.sleep_until(on_grid(due_at))
            finally:
                world.unwatch(reconsider)


def on_grid(instant: float) -> float:
    """Return the next instant of a grid: whatever falls between two of them happens in one turn of the scheduler."""
    return math.ceil(instant * GRID_HZ) / GRID_HZ


def _next(world: World) -> float:
    due_at = world.next_event_at()
    return math.inf if due_at is None else due_at
