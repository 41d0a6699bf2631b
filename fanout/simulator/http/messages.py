"""Defines a request as it was sent, and the reply to it.

`connection` makes a `Request` from bytes and turns a `Reply` into bytes; the modules between them know no sockets.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum, unique
from urllib.parse import unquote_to_bytes

Header = tuple[str, str]


@unique
class Wire(Enum):
    """What goes wrong with the bytes of a reply, whatever it says."""

    HANG = "hang"
    """Nothing is sent, and the connection stays open."""
    DRIBBLE = "dribble"
    """One byte every half second: no read timeout of a client ever trips."""
    RESET = "reset"
    """The connection is reset (RST) instead of a reply."""
    TRUNCATE = "truncate"
    """The head and half of the announced body, then the connection ends."""


@dataclass(slots=True)
class Request:
    """One HTTP request; not frozen, because a frozen one costs a microsecond more to make.

    Attributes:
        path: The path as it was sent, still percent-encoded: signatures are over these bytes.
        query: What follows the `?`, as it was sent; empty without one.
        headers: Lower-case names; values of repeated headers joined by commas, as SigV4 signs them. Latin-1.
        body: The whole body, transfer coding removed.
        trailers: Headers after a chunked body, lower-case names.
    """

    method: str
    path: str
    query: str
    headers: dict[str, str]
    body: bytes = b""
    trailers: dict[str, str] = field(default_factory=dict)

    @property
    def host(self) -> str:
        """The Host header, with its port; empty without one."""
        return self.headers.get("host", "")

    def parameters(self) -> dict[str, str]:
        """Return the decoded query, names as they are; a name without `=` has the value ''."""
        if not self.query:
            return {}
        pairs = (pair.partition("=") for pair in self.query.split("&") if pair)
        return {decode(name): decode(value) for name, _, value in pairs}


@dataclass(slots=True)
class Reply:
    """One HTTP reply; the connection adds Date and Content-Length, and leaves out the body of a HEAD.

    Attributes:
        after_s: Seconds to wait before it is sent: the network's latency.
        wire: The fault of its bytes on the connection, None for none.
    """

    status: int
    headers: Sequence[Header] = ()
    body: bytes = b""
    after_s: float = 0.0
    wire: Wire | None = None


def decode(text: str) -> str:
    """Return `text` with `%XX` and `+` decoded as UTF-8; invalid UTF-8 survives as surrogates."""
    if "%" not in text and "+" not in text:
        return text
    return unquote_to_bytes(text.replace("+", " ")).decode("utf-8", "surrogateescape")


def decode_path(text: str) -> str:
    """Return `text` with `%XX` decoded as UTF-8; a `+` in a path is a plus."""
    if "%" not in text:
        return text.encode("latin-1").decode("utf-8", "surrogateescape") if not text.isascii() else text
    return unquote_to_bytes(text.encode("latin-1")).decode("utf-8", "surrogateescape")
