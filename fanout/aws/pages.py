"""Walks through a listing page by page, whichever client makes the calls."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from fanout.ports import ObjectInfo

ListPage = Callable[[str | None], Awaitable[tuple[Sequence[ObjectInfo], str | None]]]
"""Returns the page that a token names, the first for None, and the token of the next, None behind the last."""


class Pages:
    """The pages of one listing that hold something; not a generator, so that an early stop leaves nothing open."""

    def __init__(self, list_page: ListPage) -> None:
        self._list_page = list_page
        self._token: str | None = None
        self._has_more = True

    def __aiter__(self) -> Pages:
        return self

    async def __anext__(self) -> Sequence[ObjectInfo]:
        while self._has_more:
            found, self._token = await self._list_page(self._token)
            self._has_more = self._token is not None
            if found:
                return found
        raise StopAsyncIteration
