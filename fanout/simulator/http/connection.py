"""Reads requests from one client connection and writes the replies in order.

Faults of the connection (reset, cut off, dribbled, no reply) are applied here. A plain asyncio Protocol:
`aiohttp.web.Server` served 38,000 requests/s where this serves 68,000, and it hides the path as it was sent and
the socket to reset.
"""

from __future__ import annotations

import asyncio
import socket
import struct
import time
from collections.abc import Awaitable, Callable
from email.utils import formatdate
from http import HTTPStatus
from typing import cast

from fanout.simulator.http.bodies import Body, MalformedRequest
from fanout.simulator.http.head import MAX_HEAD_BYTES, body_of, parse_head
from fanout.simulator.http.messages import Reply, Request, Wire

Answer = Callable[[Request], Reply | Awaitable[Reply]]
"""Turns a request into its reply: at once where it need not wait, so that the common case needs no task."""

DRIBBLE_S = 0.5  # between two bytes of a dribbled reply; no client's read timeout is that short
_MAX_PIPELINED_BYTES = 1 << 20  # read ahead while a request is being answered; then the socket waits
_RESET = struct.pack("ii", 1, 0)  # SO_LINGER, zero seconds: close() sends RST, not FIN

_status_lines = {s.value: f"HTTP/1.1 {s.value} {s.phrase}\r\n" for s in HTTPStatus}
_date: tuple[int, str] = (0, "")


class Connection(asyncio.Protocol):
    """Serves one connection.

    Args:
        answer: Turns requests into replies.
        open_connections: The server's register of connections that are open.

    Attributes:
        closed: Done once the connection is lost.
    """

    def __init__(self, answer: Answer, *, open_connections: set[Connection]) -> None:
        self.closed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._answer = answer
        self._open = open_connections
        self._transport: asyncio.Transport
        self._unread = b""
        self._head: Request | None = None
        self._body: Body | None = None
        self._stays_open = True
        self._busy = False
        self._writable = True
        self._method = ""
        self._timer: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the transport."""
        self._transport = cast("asyncio.Transport", transport)
        self._open.add(self)

    def connection_lost(self, _exc: Exception | None) -> None:
        """Stop what is still being answered: the client that would read it has gone."""
        self._open.discard(self)
        self.closed.set_result(None)
        self._busy = True
        if self._timer is not None:
            self._timer.cancel()
        if self._task is not None:
            self._task.cancel()

    def abort(self) -> None:
        """Close at once, whatever is under way."""
        self._transport.abort()

    def pause_writing(self) -> None:
        """Answer nothing more until the client has read what it has been sent."""
        self._writable = False

    def resume_writing(self) -> None:
        """Go on with what the client has pipelined."""
        self._writable = True
        self._serve()

    def data_received(self, data: bytes) -> None:
        """Take bytes; answer every request that they complete."""
        self._unread = self._unread + data if self._unread else data
        self._serve()
        if len(self._unread) > _MAX_PIPELINED_BYTES:
            self._transport.pause_reading()

    def _serve(self) -> None:
        try:
            while self._unread and not self._busy and self._writable:
                request = self._next_request()
                if request is None:
                    return
                self._dispatch(request)
        except MalformedRequest as error:
            self._busy = True  # what follows on this connection means nothing any more
            body = str(error).encode("utf-8", "replace")
            self._stays_open = False
            self._send(Reply(400, [("Content-Type", "text/plain")], body))

    def _next_request(self) -> Request | None:
        """Return the next request if all of it is here."""
        if self._head is None:
            end = self._unread.find(b"\r\n\r\n")
            if end < 0:
                if len(self._unread) > MAX_HEAD_BYTES:
                    msg = f"a head of more than {MAX_HEAD_BYTES} bytes"
                    raise MalformedRequest(msg)
                return None
            request, self._stays_open = parse_head(self._unread[:end])
            self._unread = self._unread[end + 4 :]
            body = body_of(request)
            if body is None:
                return request
            self._head, self._body = request, body
            if "expect" in request.headers and not self._unread:
                self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        request, body = self._head, cast("Body", self._body)
        rest = body.feed(self._unread)
        self._unread = rest or b""
        if rest is None:
            return None
        request.body, request.trailers = body.whole(), body.trailers
        self._head = self._body = None
        return request

    def _dispatch(self, request: Request) -> None:
        self._method = request.method
        answer = self._answer(request)
        if isinstance(answer, Reply):
            self._deliver(answer)
        else:
            self._busy = True
            self._task = asyncio.get_running_loop().create_task(self._await(answer))

    async def _await(self, answer: Awaitable[Reply]) -> None:
        reply = await answer
        self._task = None
        self._busy = False
        self._deliver(reply)
        self._go_on()

    def _deliver(self, reply: Reply) -> None:
        """Send the reply when its time has come, with the fault that it has on the wire, if any."""
        if reply.after_s > 0:
            self._busy = True
            self._later(reply.after_s, lambda: self._send(reply))
        else:
            self._send(reply)

    def _later(self, seconds: float, act: Callable[[], None]) -> None:
        def go() -> None:
            self._timer = None
            self._busy = False
            act()
            self._go_on()

        self._timer = asyncio.get_running_loop().call_later(seconds, go)

    def _go_on(self) -> None:
        if not self._busy:
            self._transport.resume_reading()
            self._serve()

    def _send(self, reply: Reply) -> None:
        if reply.wire is not None:
            self._busy = True
            self._send_badly(reply, reply.wire)
            return
        head, body = self._encode(reply)
        if len(body) < 65_536:
            self._transport.write(head + body)
        else:
            self._transport.write(head)
            self._transport.write(body)
        if not self._stays_open:
            self._busy = True
            self._transport.close()

    def _send_badly(self, reply: Reply, wire: Wire) -> None:
        head, body = self._encode(reply)
        if wire is Wire.RESET:
            sock = self._transport.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            self._transport.abort()
        elif wire is Wire.TRUNCATE:
            # Half of the body, or half of the head where there is no body: never something complete.
            self._transport.write(head + body[: len(body) // 2] if len(body) > 1 else head[: len(head) // 2])
            self._transport.close()
        elif wire is Wire.DRIBBLE:
            self._dribble(head + body, 0)

    def _dribble(self, data: bytes, sent: int) -> None:
        self._transport.write(data[sent : sent + 1])
        if sent + 1 < len(data):
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(DRIBBLE_S, self._dribble, data, sent + 1)
        else:
            self._transport.close()

    def _encode(self, reply: Reply) -> tuple[bytes, bytes]:
        lines = [_status_lines[reply.status], f"Date: {_http_date()}\r\n"]
        lines += [f"{name}: {value}\r\n" for name, value in reply.headers]
        if reply.status != 204:
            lines.append(f"Content-Length: {len(reply.body)}\r\n")
        if not self._stays_open:
            lines.append("Connection: close\r\n")
        lines.append("\r\n")
        body = b"" if self._method == "HEAD" else reply.body
        return "".join(lines).encode("utf-8", "surrogateescape"), body


def _http_date() -> str:
    """Return the time as an HTTP date, made once a second."""
    global _date  # noqa: PLW0603 - one cached value a process
    second = int(time.time())
    if _date[0] != second:
        _date = (second, formatdate(second, usegmt=True))
    return _date[1]
