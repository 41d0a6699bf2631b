"""Reads request bodies as their bytes arrive, by length or in chunks with trailers.

A body is collected as a list of pieces and joined once, so that a 1 GB upload is copied once, not quadratically.
"""

from __future__ import annotations

import re
from typing import Literal, Protocol

_MAX_LINE = 8192  # a chunk-size line or a trailer longer than this is an attack, not a client
_MAX_TRAILERS = 64
_HEX = re.compile(rb"[0-9a-fA-F]{1,16}")


class MalformedRequest(Exception):  # noqa: N818 - reads as what happened
    """The bytes are not an HTTP/1.1 request that this server takes; answered with 400, then closed."""


class Body(Protocol):
    """A body under way."""

    trailers: dict[str, str]

    def feed(self, data: bytes) -> bytes | None:
        """Take what belongs to the body; return what follows it, None while it is incomplete."""
        ...

    def whole(self) -> bytes:
        """Return the body, once complete."""
        ...


class SizedBody:
    """A body of `size_bytes`, announced by Content-Length."""

    def __init__(self, size_bytes: int) -> None:
        self.trailers: dict[str, str] = {}
        self._missing = size_bytes
        self._pieces: list[bytes] = []

    def feed(self, data: bytes) -> bytes | None:
        """Take what belongs to the body; return what follows it, None while it is incomplete."""
        if len(data) < self._missing:
            self._pieces.append(data)
            self._missing -= len(data)
            return None
        self._pieces.append(data[: self._missing])
        rest = data[self._missing :]
        self._missing = 0
        return rest

    def whole(self) -> bytes:
        """Return the body, once complete."""
        return self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)


class ChunkedBody:
    """A body in chunks (RFC 9112, 7.1): `size CRLF data CRLF`…, `0 CRLF`, trailers, an empty line.

    S3's `aws-chunked` content encoding has the same grammar, with signatures as chunk extensions.
    """

    def __init__(self) -> None:
        self.trailers: dict[str, str] = {}
        self._pieces: list[bytes] = []
        self._line = b""
        self._missing = 0
        self._expects: Literal["size", "ending", "trailer"] = "size"

    def feed(self, data: bytes) -> bytes | None:
        """Take what belongs to the body; return what follows it, None while it is incomplete.

        Raises:
            MalformedRequest: These are not chunks.
        """
        while True:
            if self._missing:
                piece, data = data[: self._missing], data[self._missing :]
                self._pieces.append(piece)
                self._missing -= len(piece)
                if self._missing:
                    return None
                self._expects = "ending"
            line, found, rest = (self._line + data).partition(b"\r\n")
            if len(line) > _MAX_LINE:
                msg = "a line of the chunked body is too long"
                raise MalformedRequest(msg)
            if not found:
                self._line = line
                return None
            self._line, data = b"", rest
            if self._expects == "trailer" and not line:
                return data
            self._take_line(line)

    def whole(self) -> bytes:
        """Return the body, once complete."""
        return b"".join(self._pieces)

    def _take_line(self, line: bytes) -> None:
        if self._expects == "ending":
            if line:
                msg = "a chunk is longer than it announced"
                raise MalformedRequest(msg)
            self._expects = "size"
        elif self._expects == "size":
            digits = line.partition(b";")[0].strip()
            if not _HEX.fullmatch(digits):
                msg = f"not a chunk size: {line[:40]!r}"
                raise MalformedRequest(msg)
            self._missing = int(digits, 16)
            if not self._missing:
                self._expects = "trailer"
        else:
            name, colon, value = line.decode("latin-1").partition(":")
            if not colon or len(self.trailers) >= _MAX_TRAILERS:
                msg = f"not a trailer: {line[:40]!r}"
                raise MalformedRequest(msg)
            self.trailers[name.strip().lower()] = value.strip()
