"""Advances the world's time by one timer, set to its next event, and wakes the requests that wait for it.

The application calls it around every request; it costs next to nothing while nothing is due.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable

from fanout.simulator.http.polls import Polls
from fanout.simulator.world import World

_TICK_S = 0.001  # uvloop's timers count whole milliseconds; asking for less would spin


class Clockwork:
    """Advances one world.

    Args:
        world: What is advanced.
        now: The server's clock, in seconds since the epoch.

    Attributes:
        polls: The long polls that wait for messages.
    """

    def __init__(self, world: World, *, now: Callable[[], float]) -> None:
        self._world = world
        self._now = now
        self._due_at = math.inf
        self._timer: asyncio.TimerHandle | None = None
        self._ticked: asyncio.Future[None] | None = None
        self.polls = Polls(world.queues, now=now, alarm=lambda: self._set(now()))

    def before(self, now: float) -> None:
        """Let the world do what is due before a request is served."""
        if self._due_at <= now:
            self._world.advance(now)

    def after(self, now: float) -> None:
        """Let the world do what a request caused, wake the requests that wait for it, and set the timer anew."""
        due_at = self._world.next_event_at()
        if due_at is not None and due_at <= now:
            self._world.advance(now)
        self.polls.look(now)
        if self._ticked is not None:
            self._ticked.set_result(None)
            self._ticked = None
        self._set(now)

    async def tick(self) -> None:
        """Return after the world may have changed."""
        if self._ticked is None:
            self._ticked = asyncio.get_running_loop().create_future()
        await asyncio.shield(self._ticked)

    def stop(self) -> None:
        """Let no more time pass."""
        if self._timer is not None:
            self._timer.cancel()

    def _set(self, now: float) -> None:
        event_at, visible_at = self._world.next_event_at(), self.polls.next_at(now)
        due_at = min(
            math.inf if event_at is None else event_at, math.inf if visible_at is None else visible_at
        )
        if due_at == self._due_at and self._timer is not None:
            return
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._due_at = due_at
        if due_at < math.inf:
            self._timer = asyncio.get_running_loop().call_later(max(_TICK_S, due_at - now), self._fire)

    def _fire(self) -> None:
        self._timer = None
        now = self._now()
        self.before(now)
        self.after(now)
