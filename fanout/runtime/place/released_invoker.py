"""Sends a request only while this process has shown, a moment ago, that the run is its own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from fanout.domain.records import Invocation, Reply
from fanout.errors import not_released
from fanout.ports import Invoker


class ReleasedInvoker:
    """`ports.Invoker` that sends nothing once a new owner may have taken the run over.

    It stands nearest to the network: whatever else keeps a request waiting comes before. The senders look at the same
    release before they give a request its turn, so that it is seldom refused here.

    Args:
        invoker: Sends.
        is_released: Whether a request may leave now.
    """

    def __init__(self, invoker: Invoker, is_released: Callable[[], bool]) -> None:
        self._invoker = invoker
        self._is_released = is_released

    async def invoke(self, invocation: Invocation) -> Reply:
        """Return the checked 202; see `ports.Invoker`.

        Raises:
            CallError: `NOT_RELEASED`: nothing was sent.
        """
        if not self._is_released():
            raise not_released()
        return await self._invoker.invoke(replace(invocation, may_leave=self._is_released))
