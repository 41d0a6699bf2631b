"""Tells a server that cannot be reached from one that is away for a moment: it gives up on a network that never worked.

Once anything has answered, the network is there, and the patience of the callers holds.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar
from urllib.parse import urlsplit

from fanout.domain.failures import UNREACHABLE, UNTRUSTED
from fanout.errors import CallError, Phase

_log = logging.getLogger(__name__)
GIVE_UP_AFTER_S = 15.0
"""From the first failure on. With the longest pause between two tries (10 s) and the time that a connection is given
(5 s by default) a run that reaches nothing ends within 30 s."""

P = TypeVar("P")
C = TypeVar("C")


class Reach:
    """What is known of the servers of one account; every client of it shares one.

    Args:
        monotonic: Seconds, never going back.
    """

    def __init__(self, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._answered: set[str] = set()
        self._said: set[str] = set()
        self._missed_at: float | None = None

    def answered(self, server: str) -> None:
        """Take note that a connection to `server` was opened."""
        self._answered.add(server)

    def missed(self, server: str, error: CallError) -> CallError:
        """Return the error to raise for a connection to `server` that could not be opened.

        The first failure of a server that never answered is logged at once: who watches need not wait for the last.
        """
        if server in self._answered or error.code in UNTRUSTED:
            return error
        now = self._monotonic()
        if self._missed_at is None:
            self._missed_at = now
        if not self._answered and now - self._missed_at >= GIVE_UP_AFTER_S:
            tried_s = now - self._missed_at
            message = f"{error.code}: {error.message}; tried for {tried_s:.0f} s"
            return CallError(Phase.CONNECT, UNREACHABLE, message=message)
        if server not in self._said:
            self._said.add(server)
            _log.warning("%s cannot be reached: %s; trying again", server, error.message or error.code)
        return error

    def watched(
        self, dial: Callable[[P, float], Awaitable[C]], server: str
    ) -> Callable[[P, float], Awaitable[C]]:
        """Return `dial`, which opens a connection to `server`, with what comes of it taken note of."""

        async def watched(protocol: P, deadline: float) -> C:
            try:
                connection = await dial(protocol, deadline)
            except CallError as error:
                raise self.missed(server, error) from error
            self.answered(server)
            return connection

        return watched


def server_of(url: str) -> str:
    """Return the host and, if it is named, the port of `url`."""
    return urlsplit(url).netloc.rpartition("@")[2]
