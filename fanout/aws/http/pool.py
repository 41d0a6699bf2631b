"""Lends the connections to one server to one call at a time, last one back first, and opens them when needed.

Calls wait in order of arrival once all are lent out. No call waits for a connection that another call opens, and
none looks at the others: taking and giving back cost a `pop` and an `append`.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from fanout.aws.http.connection import CLOSED, Connection
from fanout.aws.timeouts import TIMED_OUT
from fanout.errors import CallError, Phase

IDLE_S = 5.0
"""An idle connection is closed after this, before the server does it: how long S3 and SageMaker wait is not
documented, and a request that crosses the server's close leaves the row uncertain."""
CLOSE_WITHIN_S = 1.0
"""How long closing the pool waits for transports to end."""

Dial = Callable[[Callable[[], Connection], float], Awaitable[Connection]]
"""Opens a connection, given a factory of protocols and a deadline by the loop's clock; raises `CallError`."""


@dataclass(frozen=True, slots=True)
class PoolStatistics:
    """What a pool holds now.

    Attributes:
        open: Connections, those being opened included.
        idle: Those of them that no call has.
        waiting: Calls that wait for one.
        opened: Connections opened so far.
    """

    open: int
    idle: int
    waiting: int
    opened: int


class Pool:
    """The connections to one server.

    Args:
        dial: Opens one.
        limit: Connections at most; as many as there are concurrent calls, so that none waits.
    """

    def __init__(self, dial: Dial, *, limit: int) -> None:
        self._dial = dial
        self._limit = limit
        self._loop = asyncio.get_running_loop()
        self._idle: list[Connection] = []
        # A waiter gets a connection, or None: the right to open one, already counted in `_open`.
        self._waiters: deque[asyncio.Future[Connection | None]] = deque()
        self._all: set[Connection] = set()
        self._open = 0
        self._opened = 0
        self._shut = False
        self._sweeper: asyncio.TimerHandle | None = None

    def __repr__(self) -> str:
        return f"Pool({self.statistics()})"

    def statistics(self) -> PoolStatistics:
        """Return what the pool holds now."""
        return PoolStatistics(self._open, len(self._idle), len(self._waiters), self._opened)

    def take_nowait(self, now: float) -> Connection | None:
        """Return an idle connection that the server has not closed, None if there is none.

        Args:
            now: The loop's time.
        """
        while self._idle:
            connection = self._idle.pop()
            if now - connection.idle_since <= IDLE_S:
                return connection
            connection.close()
        return None

    async def take(self, deadline: float) -> Connection:
        """Return a connection, opened if need be.

        Args:
            deadline: When to give up, by the loop's clock.

        Raises:
            CallError: `Phase.CONNECT`: none could be had.
        """
        while True:
            if self._open < self._limit and not self._waiters:
                self._open += 1
                return await self._new(deadline)
            connection = await self._turn(deadline)
            if connection is None:
                return await self._new(deadline)
            if not connection.closed:
                return connection

    def give_back(self, connection: Connection) -> None:
        """Take back a connection that is fit for the next request."""
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                waiter.set_result(connection)
                return
        self._idle.append(connection)
        if self._sweeper is None:
            self._sweeper = self._loop.call_later(IDLE_S, self._sweep)

    async def aclose(self) -> None:
        """Close all connections; calls under way fail."""
        self._shut = True
        if self._sweeper is not None:
            self._sweeper.cancel()
        for waiter in self._waiters:
            _refuse(waiter, CLOSED, "the pool is closed")
        connections = list(self._all)
        for connection in connections:
            connection.abort()
        if connections:
            await asyncio.wait([connection.lost for connection in connections], timeout=CLOSE_WITHIN_S)

    async def _new(self, deadline: float) -> Connection:
        """Return a new connection; the place for it is taken already, and given up if there is none."""
        try:
            connection = await self._dial(self._protocol, deadline)
        except BaseException:
            self._vacate()
            raise
        if self._shut or connection.closed:
            connection.abort()
            self._vacate()
            message = "the server closed the connection at once"
            raise CallError(Phase.CONNECT, CLOSED, message=message)
        self._opened += 1
        self._all.add(connection)
        connection.lost.add_done_callback(lambda _: self._all.discard(connection))
        return connection

    def _protocol(self) -> Connection:
        return Connection(self._loop, on_free=self.give_back, on_closed=self._closed)

    async def _turn(self, deadline: float) -> Connection | None:
        """Wait for a connection, or for the right to open one."""
        waiter: asyncio.Future[Connection | None] = self._loop.create_future()
        self._waiters.append(waiter)
        alarm = self._loop.call_at(deadline, _give_up, waiter)
        try:
            return await waiter
        except asyncio.CancelledError:
            if waiter.done() and not waiter.cancelled() and waiter.exception() is None:
                self._pass_on(waiter.result())  # it came in the moment of the cancellation
            raise
        finally:
            alarm.cancel()

    def _pass_on(self, connection: Connection | None) -> None:
        if connection is None:
            self._vacate()
        elif not connection.closed:
            self.give_back(connection)

    def _vacate(self) -> None:
        """Give up one place, to the first that waits."""
        self._open -= 1
        while self._waiters and self._open < self._limit:
            waiter = self._waiters.popleft()
            if not waiter.done():
                self._open += 1
                waiter.set_result(None)

    def _closed(self, connection: Connection) -> None:
        if connection not in self._all:
            return  # it ended while it was opened, and its opener gives up its place
        if connection in self._idle:
            self._idle.remove(connection)
        self._vacate()

    def _sweep(self) -> None:
        """Close what no call has had for a while; the stack's bottom is its oldest."""
        now = self._loop.time()
        for connection in [idle for idle in self._idle if now - idle.idle_since > IDLE_S]:
            connection.close()
        self._sweeper = self._loop.call_later(IDLE_S, self._sweep) if self._idle else None


def _give_up(waiter: asyncio.Future[Connection | None]) -> None:
    _refuse(waiter, TIMED_OUT, "no connection was free in time")


def _refuse(waiter: asyncio.Future[Connection | None], code: str, message: str) -> None:
    if not waiter.done():
        waiter.set_exception(CallError(Phase.CONNECT, code, message=message))
