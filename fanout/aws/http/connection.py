"""Sends one request at a time over one connection and reads its reply.

An asyncio Protocol on httptools (`reply_parser`): signed and on uvloop a round trip of 1 KB took 18 us of CPU, where
aiohttp's client, with its streams, timers and redirects, took 100 in the same run. httptools' part is 3.4 us; a
parser made of `split`s took 3 to 5, and is laxer. `pool` lends connections out.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from fanout.aws.http.reply_parser import Answer, BrokenReplyError, Reader
from fanout.aws.timeouts import TIMED_OUT, transfer_s
from fanout.domain.object_faults import INCOMPLETE
from fanout.errors import CallError, Phase

CLOSED = "ConnectionClosed"
_JOIN_BYTES = 16 * 1024
"""Below this, copying a body behind its head costs less than writing two buffers."""


class Connection(asyncio.Protocol):
    """An open connection to one server.

    Args:
        loop: The running loop.
        on_free: Called when a reply was whole and the next request may be sent.
        on_closed: Called once, when no further request may be sent.

    Attributes:
        closed: Whether no further request may be sent.
        idle_since: When the last reply was whole, by the loop's clock.
        lost: Done when the transport is gone.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        *,
        on_free: Callable[[Connection], None],
        on_closed: Callable[[Connection], None],
    ) -> None:
        self._loop = loop
        self._on_free = on_free
        self._on_closed = on_closed
        self._reader = Reader()
        self._waiting: asyncio.Future[Answer] | None = None
        self._large = self._prolonged = False
        self._timer: asyncio.TimerHandle | None = None
        self._alarm_at = self._deadline = 0.0
        self.closed = False
        self.idle_since = 0.0
        self.lost: asyncio.Future[None] = loop.create_future()

    def __repr__(self) -> str:
        state = "closed" if self.closed else "idle" if self._waiting is None else "busy"
        return f"<Connection {state}>"

    def send(
        self,
        head: bytes,
        body: bytes | memoryview,
        *,
        deadline: float,
        cap_bytes: int,
        bodiless: bool = False,
    ) -> asyncio.Future[Answer]:
        """Write a request and return what its reply will be; call `abandon` to stop waiting.

        Args:
            head: The request up to its empty line.
            body: What follows it.
            deadline: When to give up, by the loop's clock; a large reply gets more, by its size.
            cap_bytes: A reply with a larger body is a failure.
            bodiless: The reply has no body, whatever its Content-Length says (HEAD).

        Raises:
            CallError: `Phase.CONNECT`: the connection had ended before anything was written.
        """
        if self.closed:
            message = "the server closed the connection before it was used"
            raise CallError(Phase.CONNECT, CLOSED, message=message)
        self._reader.expect(cap_bytes=cap_bytes, bodiless=bodiless)
        self._prolonged = False
        self._waiting = future = self._loop.create_future()
        self._deadline = deadline
        # One timer serves many requests: it stays where it is while that is early enough, and looks at the
        # deadline then in force when it fires. Setting and cancelling one for each request costs 2 us.
        if self._timer is None or self._alarm_at > deadline:
            self._set_alarm()
        self._large = len(body) >= _JOIN_BYTES
        if self._large:
            self._transport.writelines((head, body))
        else:
            self._transport.write(head + body)
        return future

    def abandon(self, future: asyncio.Future[Answer]) -> None:
        """Close the connection if it still waits for the reply that `future` stands for."""
        if self._waiting is future:
            self._waiting = None
            self.abort()

    def close(self) -> None:
        """End an idle connection politely."""
        self._end()
        self._transport.close()

    def abort(self) -> None:
        """End the connection at once."""
        self._end()
        self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the transport."""
        self._transport: asyncio.Transport = transport  # type: ignore[assignment]  # uvloop's is its own class

    def data_received(self, data: bytes) -> None:
        """Read a part of the reply."""
        if self._waiting is None:  # a 408, or the rest of a reply longer than it said: belongs to no request
            self.abort()
            return
        reader = self._reader
        try:
            reader.feed(data)
        except BrokenReplyError as error:
            self._fail(error.code, str(error))
            return
        if reader.complete:
            self._finish()
        elif reader.length is not None and not self._prolonged:
            # A server that announces much gets the time for it; the cap bounds that.
            self._prolonged = True
            self._deadline += transfer_s(reader.length)

    def eof_received(self) -> None:
        """Take the end of the stream: of the reply, too, if nothing else marks its end."""
        if self._waiting is not None and self._reader.end():
            self._finish()
        else:
            self._lose(None)
            self._transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """Fail what is under way."""
        self._lose(exc)
        if not self.lost.done():
            self.lost.set_result(None)

    def _finish(self) -> None:
        """Hand over the reply, then the connection."""
        future, self._waiting = self._waiting, None
        if future is not None and not future.done():  # else cancelled: the reply is whole all the same
            future.set_result(self._reader.answer())
        # A server may answer before it has read everything; the rest is then still on its way out.
        unsent = self._large and self._transport.get_write_buffer_size() > 0
        if unsent:
            self.abort()
        elif self._reader.reusable:
            self.idle_since = self._loop.time()
            self._on_free(self)
        else:
            self.close()

    def _lose(self, reason: Exception | None) -> None:
        if self._waiting is None:
            self._end()
        elif self._reader.begun:
            length = "an unknown number of" if self._reader.length is None else str(self._reader.length)
            self._fail(INCOMPLETE, f"{self._reader.received} of {length} bytes arrived")
        elif reason is not None:
            self._fail(type(reason).__name__, str(reason))
        else:
            self._fail(CLOSED, "the connection ended before the reply")

    def _fail(self, code: str, message: str) -> None:
        """Give up the exchange: its request may have been read."""
        future, self._waiting = self._waiting, None
        if future is not None and not future.done():
            future.set_exception(CallError(Phase.EXCHANGE, code, message=message))
        self.abort()

    def _set_alarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._alarm_at = self._deadline
        self._timer = self._loop.call_at(self._deadline, self._ring)

    def _ring(self) -> None:
        self._timer = None
        if self._waiting is None:
            return
        if self._loop.time() < self._deadline:
            self._set_alarm()
        else:
            self._fail(TIMED_OUT, "the call as a whole took too long")

    def _end(self) -> None:
        if self.closed:
            return
        self.closed = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._on_closed(self)
