"""Signs requests with Signature Version 4, most of it prepared once for many; pure, with `now` handed in.

botocore's signer takes 52 us, most of it for what does not change between two requests. Here that is done
once: a day's key, a second's date, and per `Template` the hash of everything before the first varying value.
What is left is the hash of the rest and one HMAC, 5 us. `tests/property/aws/http/test_sigv4.py` proves it.
"""

from __future__ import annotations

import hashlib
import hmac
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol
from urllib.parse import quote

from fanout.errors import CallError, Phase

EMPTY_SHA256 = hashlib.sha256(b"").hexdigest()
UNSIGNED = "UNSIGNED-PAYLOAD"
"""S3 takes this for the hash of the body where TLS protects it."""

_ALGORITHM = "AWS4-HMAC-SHA256"
_DATE, _TOKEN = "x-amz-date", "x-amz-security-token"
_BLOCK_BYTES = 64  # of SHA-256, to which HMAC pads its key (RFC 2104)


class _Hash(Protocol):
    def copy(self) -> _Hash: ...
    def update(self, data: bytes, /) -> None: ...
    def digest(self) -> bytes: ...
    def hexdigest(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Keys:
    """Credentials as they are now."""

    access_key_id: str
    secret_access_key: str = field(repr=False)
    session_token: str | None = field(default=None, repr=False)


class Template:
    """One kind of request: what all requests of that kind share, and which values vary.

    Date, session token and signature are added when signing. Values are given in the order of `slots`: path,
    query, then headers by name.

    Args:
        method: In capitals.
        host: As the Host header spells it.
        path: As it is sent, percent-encoded once; None when it varies (S3 only).
        headers: Constant headers that are signed, names in lower case.
        varying: Names of signed headers whose value varies, in lower case.
        unsigned: Constant headers that are not signed.
        is_s3: S3 signs the path as it is sent; every other service cleans it and encodes it again.
        has_query: The query varies and comes after the path; otherwise there is none.
        has_body: Whether a Content-Length is sent.

    Raises:
        CallError: A constant has a line break, as `Signer.head`'s.
    """

    __slots__ = ("_canonical_line", "_request_line", "has_body", "headers", "method", "slots", "unsigned")

    def __init__(
        self,
        method: str,
        *,
        host: str,
        path: str | None,
        headers: Mapping[str, str] | None = None,
        varying: Sequence[str] = (),
        unsigned: Mapping[str, str] | None = None,
        is_s3: bool = False,
        has_query: bool = False,
        has_body: bool = True,
    ) -> None:
        assert path is not None or is_s3, "a varying path is signed as it is sent"
        fixed = {"host": host, **(headers or {})}
        for value in (*fixed.values(), *(unsigned or {}).values()):
            _checked(value)
        self.method = method
        self.headers: dict[str, str | None] = fixed | dict.fromkeys(varying)
        self.unsigned = unsigned or {}
        self.has_body = has_body
        before = (("path",) if path is None else ()) + (("query",) if has_query else ())
        self.slots = before + tuple(sorted(varying))
        sent = "%s" if path is None else _literal(path)
        signed = sent if path is None or is_s3 else _literal(canonical_path(path))
        self._request_line = f"{method} {sent}{'?%s' if has_query else ''} HTTP/1.1\r\n"
        self._canonical_line = f"{method}\n{signed}\n{'%s' if has_query else ''}\n"

    def canonical(self, added: Mapping[str, str]) -> tuple[str, str]:
        """Return the canonical request up to the payload's hash, with `%s` for what varies, and the signed names."""
        headers = sorted({**self.headers, **added}.items())
        lines = "".join(f"{name}:{_slot(value)}\n" for name, value in headers)
        names = ";".join(name for name, _ in headers)
        return f"{self._canonical_line}{lines}\n{names}\n", names

    def sent(self, added: Mapping[str, str]) -> str:
        """Return the head up to the Authorization, with `%s` for what varies; constant headers come first."""
        headers = {**self.headers, **added}
        fixed = {name: value for name, value in headers.items() if value is not None} | dict(self.unsigned)
        lines = [f"{name}: {_literal(value)}\r\n" for name, value in fixed.items()]
        lines += [f"{name}: %s\r\n" for name in self.slots if name in headers]
        return self._request_line + "".join(lines)


@dataclass(frozen=True, slots=True)
class _Frame:
    """A template as it is for one second: bytes and a hash for the constant start, formats for the rest."""

    hashed: _Hash
    canonical: str
    start: bytes
    sent: str


class Signer:
    """Signs for one service in one region with one set of keys.

    Args:
        keys: The credentials.
        region: Of the credential scope.
        service: Signing name (`sagemaker`, `s3`, `sqs`).
    """

    def __init__(self, keys: Keys, *, region: str, service: str) -> None:
        self.keys = keys
        self._region = region
        self._service = service
        self._second = -1
        self._day = ""
        self._frames: dict[Template, _Frame] = {}

    def head(
        self, template: Template, values: Sequence[str], *, payload: str, length: int, now: float
    ) -> bytes:
        """Return the request's head, empty line included.

        Args:
            template: The kind of request.
            values: One for each of `template.slots`; path and query as they are sent, the query sorted.
            payload: SHA-256 of the body in hexadecimal, or `UNSIGNED`.
            length: Bytes of the body.
            now: Seconds since the epoch, by the server's clock.

        Raises:
            CallError: One of `values` has a line break, which would end its header and begin another, or cannot
                be encoded. As botocore's own: `ParamValidation`, a refusal, since nothing was sent.
        """
        if int(now) != self._second:
            self._turn(int(now))
        frame = self._frames.get(template) or self._framed(template)
        joined = "".join(values)
        # Rarely is there any white space, and looking at all values at once costs 0.3 us.
        signed = values if joined.split() == [joined] else map(_checked, values)
        request = frame.hashed.copy()
        try:
            request.update((frame.canonical % (*signed, payload)).encode())
        except UnicodeEncodeError as error:
            raise _refused("a header value has a lone surrogate") from error
        inner, outer = self._inner.copy(), self._outer.copy()
        inner.update(request.hexdigest().encode())
        outer.update(inner.digest())
        return frame.start + (frame.sent % (*values, outer.hexdigest(), length)).encode()

    def _turn(self, second: int) -> None:
        """Set what is the same for all requests of one second."""
        date = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(second))
        if date[:8] != self._day:
            self._day = date[:8]
            self._scope = f"{self._day}/{self._region}/{self._service}/aws4_request"
            key = signing_key(
                self.keys.secret_access_key, day=self._day, region=self._region, service=self._service
            )
            # HMAC as RFC 2104 writes it, its two keyed hashes kept: `hmac.digest` makes them anew each time.
            padded = key.ljust(_BLOCK_BYTES, b"\0")
            self._keyed: _Hash = hashlib.sha256(bytes(byte ^ 0x36 for byte in padded))
            self._outer: _Hash = hashlib.sha256(bytes(byte ^ 0x5C for byte in padded))
        self._second = second
        self._added = {_DATE: date}
        if self.keys.session_token:
            self._added[_TOKEN] = self.keys.session_token
        self._inner = self._keyed.copy()
        self._inner.update(f"{_ALGORITHM}\n{date}\n{self._scope}\n".encode())
        self._frames.clear()

    def _framed(self, template: Template) -> _Frame:
        canonical, names = template.canonical(self._added)
        fixed, varying = _split(f"{canonical}%s")
        credential = _literal(f"{self.keys.access_key_id}/{self._scope}")
        length = "content-length: %d\r\n" if template.has_body else "%.0s"  # takes the value, prints nothing
        start, rest = _split(
            f"{template.sent(self._added)}authorization: {_ALGORITHM} Credential={credential}, "
            f"SignedHeaders={names}, Signature=%s\r\n{length}\r\n"
        )
        frame = _Frame(hashlib.sha256(fixed.encode()), varying, start.encode(), rest)
        self._frames[template] = frame
        return frame


def signing_key(secret: str, *, day: str, region: str, service: str) -> bytes:
    """Return the key that signs for `day` (YYYYMMDD)."""
    key = f"AWS4{secret}".encode()
    for part in (day, region, service, "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    return key


def canonical_path(path: str) -> str:
    """Return a path as every service but S3 signs it: without dot and empty segments, encoded once more."""
    kept: list[str] = []
    for segment in path.split("/"):
        if segment == "..":
            del kept[-1:]
        elif segment not in {"", "."}:
            kept.append(segment)
    ending = "/" if kept and path.endswith("/") else ""
    return quote(f"/{'/'.join(kept)}{ending}", safe="/~")


def canonical_value(value: str) -> str:
    """Return a header's value as it is signed: trimmed, runs of white space as one space."""
    return " ".join(value.split())


def _checked(value: str) -> str:
    if "\n" in value or "\r" in value:
        raise _refused("a header value has a line break")
    if not value.isascii() and any("\ud800" <= char <= "\udfff" for char in value):
        raise _refused("a header value has a lone surrogate")
    return canonical_value(value)


def _refused(message: str) -> CallError:
    return CallError(Phase.REPLY, "ParamValidation", status=400, message=message)


def _slot(value: str | None) -> str:
    return "%s" if value is None else _literal(canonical_value(value))


def _literal(text: str) -> str:
    """Return `text` such that formatting gives it back."""
    return text.replace("%", "%%")


def _split(pattern: str) -> tuple[str, str]:
    """Return the constant text before the first slot, as it reads formatted, and the format from there on."""
    at = pattern.replace("%%", "\0\0").index("%")
    return pattern[:at].replace("%%", "%"), pattern[at:]
