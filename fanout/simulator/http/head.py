"""Parses the head of a request: the method, the target and the headers before the empty line."""

from __future__ import annotations

from fanout.simulator.http.bodies import Body, ChunkedBody, MalformedRequest, SizedBody
from fanout.simulator.http.messages import Request

MAX_HEAD_BYTES = 65_536
MAX_BODY_BYTES = 5 * 1024**3  # S3's largest single PUT
_MAX_HEADERS = 200

_lower_names: dict[str, str] = {}
"""Header names as clients spell them -> lower case. A dict look-up is half of what `lower` costs; bounded."""


def parse_head(head: bytes) -> tuple[Request, bool]:
    """Return the request, without its body, and whether the connection stays open after it.

    Raises:
        MalformedRequest: This is not the head of an HTTP/1.x request.
    """
    lines = head.decode("latin-1").split("\r\n")
    method, _, rest = lines[0].partition(" ")
    target, _, version = rest.rpartition(" ")
    if not method.isupper() or not target.startswith("/") or not version.startswith("HTTP/1."):
        msg = f"not a request line: {lines[0][:80]!r}"
        raise MalformedRequest(msg)
    if len(lines) > _MAX_HEADERS:
        msg = f"more than {_MAX_HEADERS} headers"
        raise MalformedRequest(msg)
    headers: dict[str, str] = {}
    for line in lines[1:]:
        name, colon, value = line.partition(":")
        key = _lower_names.get(name) or _lower(name)
        if not colon or "\n" in value or "\r" in value:
            msg = f"not a header: {line[:80]!r}"
            raise MalformedRequest(msg)
        value = value.strip(" \t")
        headers[key] = f"{headers[key]},{value}" if key in headers else value
    path, _, query = target.partition("?")
    connection = headers.get("connection", "").lower()
    stays = connection != "close" if version == "HTTP/1.1" else connection == "keep-alive"
    return Request(method, path, query, headers), stays


def body_of(request: Request) -> Body | None:
    """Return the reader of the body that the head announces, None if there is none.

    Raises:
        MalformedRequest: Length and transfer coding contradict each other, or are not what this server takes.
    """
    headers = request.headers
    coding, length = headers.get("transfer-encoding"), headers.get("content-length")
    if coding is not None:
        # Both together is how requests are smuggled past a proxy (RFC 9112, 6.1).
        if coding.lower() != "chunked" or length is not None:
            msg = f"transfer coding {coding!r} with Content-Length {length!r}"
            raise MalformedRequest(msg)
        return ChunkedBody()
    if length is None or length == "0":
        return None
    if not length.isascii() or not length.isdigit() or int(length) > MAX_BODY_BYTES:
        msg = f"Content-Length {length[:40]!r}"
        raise MalformedRequest(msg)
    return SizedBody(int(length))


def _lower(name: str) -> str:
    lower = name.lower()
    # A token per RFC 9110, 5.6.2, near enough: no spaces, no controls, not empty.
    if not name or not name.isascii() or not name.isprintable() or " " in name:
        msg = f"not a header name: {name[:40]!r}"
        raise MalformedRequest(msg)
    if len(_lower_names) < 1000:
        _lower_names[name] = lower
    return lower
