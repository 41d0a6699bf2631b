"""A world that moves by itself: one task wakes at its events, instead of every nap of every poller.

The ports in memory need no task of their own and wake all who nap at each event; with many pollers that was half of
a simulated run's time. `drive` is that one task, and `driven` a cloud whose long polls wake for their queue alone.
"""

from __future__ import annotations

import math

from support.loop import LoopClock

from fanout.simulator.ports.cloud import MemoryCloud
from fanout.simulator.world import World

GRID_HZ = 32.0  # a power of two, so that instants of the grid are exact


def driven(world: World, clock: LoopClock) -> MemoryCloud:
    """Return a cloud on a world that a test drives."""
    cloud = MemoryCloud(world, clock)
    wire = cloud._wire

    async def travel(seconds: float) -> None:
        await clock.sleep_until(clock.now() if seconds <= 0 else on_grid(clock.now() + seconds))

    wire.travel = travel  # type: ignore[method-assign]

    async def nap(until: float, *, queue: str | None = None) -> None:
        if queue is None:
            await _sleep(world, clock, until=min(until, _next(world)))
            return
        wait = clock.nap(until)
        wake = wait.wake  # one object, so that it can be taken back
        world.queues.watch(queue, wake)
        try:
            await wait.wait()
        finally:
            world.queues.unwatch(queue, wake)

    wire.nap = nap  # type: ignore[method-assign]
    return cloud


async def drive(world: World, clock: LoopClock) -> None:
    """Let the world's events happen when they are due, for ever."""
    while True:
        due_at = _next(world)
        if due_at <= clock.now():
            world.advance(clock.now())
            continue
        await _sleep(world, clock, until=due_at)


async def _sleep(world: World, clock: LoopClock, *, until: float) -> None:
    """Return at `until`, or as soon as something is to happen before that."""
    wait = clock.nap(on_grid(until))

    def reconsider() -> None:
        if _next(world) < until:
            wait.wake()

    world.watch(reconsider)
    try:
        await wait.wait()
    finally:
        world.unwatch(reconsider)


def on_grid(instant: float) -> float:
    """Return the next instant of a grid: whatever falls between two of them happens in one turn of the scheduler."""
    return instant if instant == math.inf else math.ceil(instant * GRID_HZ) / GRID_HZ


def _next(world: World) -> float:
    due_at = world.next_event_at()
    return math.inf if due_at is None else due_at
