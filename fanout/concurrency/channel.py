"""Passes items from one stage to the next, first in first out and bounded, for half a microsecond while it is in use.

anyio's memory stream passes through the scheduler on every receive and makes a task-info object for every wait,
3-11 us an item; a stage that is kept busy never waits here at all.
"""

from __future__ import annotations

from collections import deque
from typing import Generic, TypeVar

from fanout.concurrency.event import Event, make_event

T = TypeVar("T")


class Channel(Generic[T]):
    """Carries rows from one stage to the workers of the next.

    Args:
        capacity: Items that may wait; a `put` beyond that waits. It may be changed: added room is used from the
            next item that leaves on.
    """

    __slots__ = ("_event", "_getters", "_items", "_putters", "capacity")

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self._event = make_event()
        self._items: deque[T] = deque()
        self._getters: deque[Event] = deque()
        self._putters: deque[Event] = deque()

    def __len__(self) -> int:
        """Items that wait."""
        return len(self._items)

    async def put(self, item: T) -> None:
        """Add `item` at the end, once there is room."""
        while len(self._items) >= self.capacity:
            await self._turn(self._putters)
        self._items.append(item)
        if self._getters:
            self._getters.popleft().set()

    async def get(self) -> T:
        """Remove and return the first item, once there is one."""
        while not self._items:
            await self._turn(self._getters)
        return self._taken()

    def get_nowait(self) -> T | None:
        """Remove and return the first item, None if there is none."""
        return self._taken() if self._items else None

    def _taken(self) -> T:
        item = self._items.popleft()
        if self._putters:
            self._putters.popleft().set()
        return item

    async def _turn(self, waiters: deque[Event]) -> None:
        """Wait in line; a wake-up that reaches a task that is being cancelled goes to the next."""
        event = self._event()
        waiters.append(event)
        try:
            await event.wait()
        except BaseException:
            if event.is_set():
                if waiters:
                    waiters.popleft().set()
            else:
                waiters.remove(event)
            raise
