"""Reads one reply after another from a connection's bytes, on httptools; pure.

httptools is llhttp, with which Node.js and aiohttp read, too: strict about where a reply ends, in a few callbacks.
This module adds what it leaves to its user: interim replies, HEAD, limits, and what stands behind a reply.
"""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO

import httptools

from fanout.aws.errors import UNREADABLE
from fanout.domain.object_faults import TOO_LARGE

MAX_HEAD_BYTES = 64 * 1024
"""Of a reply, interim ones included. AWS's heads are below 8 KiB."""
_ROOM_BYTES = 64 << 20
"""What is announced is not always sent: of a larger body, memory is taken as it comes."""
_NO_BODY = frozenset({204, 304})  # RFC 9110, 6.4.1


@dataclass(slots=True)
class Answer:
    """A whole reply.

    Attributes:
        status: 200 or above.
        headers: Names in lower case; of a name that comes twice, the last value.
        body: As it came, chunks joined.
        measured: Whether the reply said where its body ends; if not, the end of the stream was taken for it.
    """

    status: int
    headers: dict[bytes, bytes]
    body: bytes
    measured: bool = True


class BrokenReplyError(Exception):
    """The reply cannot be read, or is larger than allowed; `code` names it."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class Reader:
    """The replies of one connection, one at a time.

    Attributes:
        complete: Whether the reply is whole.
        reusable: Whether the next request may be sent on this connection, once the reply is whole.
        status: Of the reply, interim ones included; 0 before.
        begun: Whether the head of the reply proper is whole.
        length: Bytes of the body as announced; None if they were not.
        received: Bytes of the body so far.
    """

    def __init__(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self.length: int | None = None
        self._first = b""
        self._more: BytesIO | None = None
        self.expect(cap_bytes=0)

    def expect(self, *, cap_bytes: int, bodiless: bool = False) -> None:
        """Prepare for the next reply.

        Args:
            cap_bytes: Of its body.
            bodiless: It has none, whatever its Content-Length says (HEAD).
        """
        self._cap_bytes = cap_bytes
        self._bodiless = bodiless
        self._head_bytes = 0
        self.status = 0
        self.complete = False
        self.reusable = True
        self._start()

    def feed(self, data: bytes) -> None:
        """Read a part of the reply.

        Raises:
            BrokenReplyError: It is not HTTP, or too large.
        """
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            self.reusable = False
            if not self.complete:  # what stands behind a whole reply spoils the connection only
                raise BrokenReplyError(UNREADABLE, f"not an HTTP reply: {error}") from error
        if self.begun:
            if self.received > self._cap_bytes or (self.length or 0) > self._cap_bytes:
                raise BrokenReplyError(TOO_LARGE, f"more than {self._cap_bytes} bytes of body")
            return
        self._head_bytes += len(data)
        if self._head_bytes > MAX_HEAD_BYTES:
            raise BrokenReplyError(TOO_LARGE, f"more than {MAX_HEAD_BYTES} bytes of headers")

    def end(self) -> bool:
        """Take the end of the stream; return whether the reply ends with it, as nothing else marked its end."""
        self.reusable = False
        self.complete = self.complete or (self.begun and not self._measured)
        return self.complete

    def answer(self) -> Answer:
        """Return the reply, which is whole, and keep nothing of its body."""
        body = self._first if self._more is None else self._more.getvalue()
        self._first, self._more = b"", None
        return Answer(self.status, self._headers, body, self._measured)

    # -- the parser's side; an exception here would end as one of its own

    def on_message_begin(self) -> None:
        """Take note of bytes behind a whole reply."""
        if self.complete:
            self.reusable = False

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a header; what comes after the body (a trailer) is not one."""
        if not self.begun:
            self._headers[name.lower()] = value

    def on_headers_complete(self) -> None:
        """Learn how the body ends."""
        if self.complete:
            return
        self.begun = True
        self.status = status = self._parser.get_status_code()
        if not self._parser.should_keep_alive():
            self.reusable = False
        length = self._headers.get(b"content-length")
        if length is None:
            self._measured = b"transfer-encoding" in self._headers or status < 200 or status in _NO_BODY
        elif not self._bodiless:
            self.length = int(length)
        if self._bodiless and status >= 200:
            # The parser would wait for the body that Content-Length speaks of: the next reply gets a new one.
            self._parser = httptools.HttpResponseParser(self)
            self._measured = self.complete = True

    def on_body(self, data: bytes) -> None:
        """Keep a piece of the body, up to the cap."""
        if self.complete:
            self.reusable = False
            return
        self.received += len(data)
        if self.received > self._cap_bytes:
            return
        if self._more is not None:
            self._more.write(data)
        elif not self._first:
            self._first = data
        else:
            # BytesIO grows in place and gives its buffer away as bytes: a large body is in memory once, not twice.
            self._more = _room(self.length)
            self._more.write(self._first)
            self._more.write(data)
            self._first = b""

    def on_message_complete(self) -> None:
        """Take the reply for whole, unless it is an interim one (1xx), which no request asked for."""
        if self.status >= 200:
            self.complete = True
        else:
            self._start()

    def _start(self) -> None:
        self._headers: dict[bytes, bytes] = {}
        self._first = b""
        self._more = None
        self._measured = True
        self.begun = False
        self.length = None
        self.received = 0


def _room(length: int | None) -> BytesIO:
    """Return where a body goes, with room for all of it if its length is known: to grow cost more than to receive."""
    room = BytesIO()
    if length is not None and length <= _ROOM_BYTES:
        room.seek(length - 1)
        room.write(b"\0")
        room.seek(0)
    return room
