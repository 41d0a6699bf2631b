"""Runs several awaitables at once and returns what they return, in their order."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any, TypeVar

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


async def beside(helper: Callable[[], Coroutine[Any, Any, object]], call: Callable[[], Awaitable[T]]) -> T:
    """Return what `call` returns; `helper` goes on meanwhile, and is cancelled then.

    Raises:
        BaseException: What the first of them raised, as it is; the other is cancelled.
    """
    with unwrapped():
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(helper)
            result = await call()
            tasks.cancel_scope.cancel()
    return result
