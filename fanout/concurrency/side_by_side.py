"""Runs several awaitables at once and returns what they return, in their order."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

import anyio

from fanout.errors import unwrapped

T = TypeVar("T")


async def side_by_side(calls: Sequence[Callable[[], Awaitable[T]]]) -> list[T]:
    """Return what `calls` return, all begun at once, in the order of `calls`.

    Raises:
        BaseException: What the first of them raised, as it is; the others are cancelled.
    """
    results: dict[int, T] = {}

    async def keep(place: int, call: Callable[[], Awaitable[T]]) -> None:
        results[place] = await call()

    with unwrapped():
        async with anyio.create_task_group() as tasks:
            for place, call in enumerate(calls):
                tasks.start_soon(keep, place, call)
    return [results[place] for place in range(len(calls))]
