"""Checks Signature Version 4 of a request, on the server's side, and says why it refuses one.

Built from the path and query as they were sent. S3 encodes the path once, every other service twice
(https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html).
"""

from __future__ import annotations

import hmac
import re
from calendar import timegm
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import Enum, unique
from functools import lru_cache
from hashlib import sha256
from typing import NamedTuple
from urllib.parse import quote, unquote_to_bytes

from fanout.simulator.http.messages import Request

MAX_SKEW_S = 300.0
"""Five minutes, as the refusals of SageMaker, SQS, SNS and STS say."""
S3_MAX_SKEW_S = 900.0
"""Fifteen, by S3's "Error responses"."""
UNSIGNED = "UNSIGNED-PAYLOAD"
UNSIGNED_TRAILER = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"

_ALGORITHM = "AWS4-HMAC-SHA256"
_EMPTY_SHA256 = sha256(b"").hexdigest()
_UNRESERVED_PATH = re.compile(r"[A-Za-z0-9/_.~-]*")
_SECONDS = re.compile(r"[0-9]{1,15}[.][0-9]{3}")
_SPACES = re.compile(r"[ \t]+")


@unique
class Refusal(Enum):
    """Why a request is refused; each service has its own words for it."""

    MISSING = "missing"
    INCOMPLETE = "incomplete"
    UNKNOWN_KEY = "unknown key"
    BAD_TOKEN = "bad token"  # noqa: S105 - a reason, not a secret
    EXPIRED = "expired"
    SCOPE = "scope"
    SKEWED = "skewed"
    MISMATCH = "mismatch"
    PAYLOAD_HEADER = "payload header"
    PAYLOAD = "payload"
    UNSUPPORTED = "unsupported"


class SignatureRefused(Exception):  # noqa: N818 - reads as what happened
    """The request is not signed as it must be."""

    def __init__(self, refusal: Refusal, message: str) -> None:
        super().__init__(message)
        self.refusal = refusal
        self.message = message


@dataclass(frozen=True, slots=True)
class Identity:
    """The one caller that the simulator knows.

    Attributes:
        session_s: How long a session token lives from its issue; None if there is one token, which lives for ever.
    """

    access_key_id: str
    secret_access_key: str
    session_token: str | None
    region: str
    session_s: float | None = None

    def issue(self, now: float) -> str | None:
        """Return a session token, issued at `now` (seconds since the epoch)."""
        return (
            self.session_token
            if self.session_s is None
            else f"{self.session_token}.{now + self.session_s:.3f}"
        )

    def check_token(self, token: str | None, *, now: float) -> None:
        """Return if the token is the caller's, and lives.

        Raises:
            SignatureRefused: It is not, or does not.
        """
        if self.session_s is not None and token is not None:
            token, _, expires_at = token.partition(".")
            ends_at = float(expires_at) if _SECONDS.fullmatch(expires_at) else 0.0
            if token == self.session_token and ends_at < now:
                raise SignatureRefused(
                    Refusal.EXPIRED, "The security token included in the request is expired"
                )
        if token != self.session_token:
            raise SignatureRefused(
                Refusal.BAD_TOKEN, "The security token included in the request is invalid."
            )


class _Claim(NamedTuple):
    """An Authorization header without its signature."""

    access_key_id: str
    date: str
    region: str
    service: str
    scope: str
    signed_headers: tuple[str, ...]
    signed_header_line: str


def verify(request: Request, identity: Identity, *, service: str, now: float) -> None:
    """Return if `request` is signed by `identity` for `service`, at `now` (seconds since the epoch) or near it.

    Raises:
        SignatureRefused: It is not.
    """
    headers = request.headers
    authorization = headers.get("authorization")
    if not authorization:
        raise SignatureRefused(Refusal.MISSING, "Missing Authentication Token")
    prefix, found, signature = authorization.rpartition("Signature=")
    claim = _parse_claim(prefix) if found else None
    if claim is None:
        raise SignatureRefused(
            Refusal.INCOMPLETE, "Authorization header is not a complete AWS4-HMAC-SHA256 one."
        )
    if claim.access_key_id != identity.access_key_id:
        raise SignatureRefused(Refusal.UNKNOWN_KEY, "The security token included in the request is invalid.")
    identity.check_token(headers.get("x-amz-security-token"), now=now)
    timestamp = _check_time(headers, claim, now, is_s3=service == "s3")
    _check_scope(claim, identity.region, service)
    _check_signed_headers(headers, claim)
    payload_hash = _payload_hash(request, is_s3=service == "s3")

    lines = [
        request.method,
        canonical_path(request.path, is_s3=service == "s3"),
        canonical_query(request.query),
    ]
    lines += [f"{name}:{_trimmed(headers.get(name, ''))}" for name in claim.signed_headers]
    lines += ["", claim.signed_header_line, payload_hash]
    digest = sha256("\n".join(lines).encode("latin-1")).hexdigest()
    to_sign = f"{_ALGORITHM}\n{timestamp}\n{claim.scope}\n{digest}"
    key = _signing_key(identity.secret_access_key, claim.date, claim.region, claim.service)
    expected = hmac.digest(key, to_sign.encode(), "sha256").hex()
    if not hmac.compare_digest(expected.encode(), signature.strip().encode("latin-1")):
        raise SignatureRefused(
            Refusal.MISMATCH,
            "The request signature we calculated does not match the signature you provided. "
            "Check your AWS Secret Access Key and signing method.",
        )


@lru_cache(maxsize=4096)
def canonical_path(path: str, *, is_s3: bool) -> str:
    """Return the canonical form of a path as it was sent: S3's encoded once, others' cleaned and encoded again."""
    if is_s3:
        if _UNRESERVED_PATH.fullmatch(path):
            return path
        return quote(unquote_to_bytes(path.encode("latin-1")), safe="/~")
    if "//" in path or "/." in path:
        path = _without_dot_segments(path)
    return quote(path.encode("latin-1"), safe="/~")


def canonical_query(query: str) -> str:
    """Return the canonical form of a query as it was sent: decoded, encoded strictly, and sorted."""
    if not query:
        return ""
    pairs = (pair.partition("=") for pair in query.split("&") if pair)
    return "&".join(
        f"{name}={value}"
        for name, value in sorted((_strict(name), _strict(value)) for name, _, value in pairs)
    )


def _strict(text: str) -> str:
    return quote(unquote_to_bytes(text.encode("latin-1")), safe="~")


def _without_dot_segments(path: str) -> str:
    """RFC 3986, 5.2.4, and AWS's own rule that repeated slashes count once."""
    kept: list[str] = []
    for segment in path.split("/"):
        if segment == "..":
            del kept[-1:]
        elif segment and segment != ".":
            kept.append(segment)
    return "/" + "/".join(kept) + ("/" if path.endswith("/") and kept else "")


def _trimmed(value: str) -> str:
    return _SPACES.sub(" ", value) if "  " in value or "\t" in value else value


@lru_cache(maxsize=256)
def _parse_claim(prefix: str) -> _Claim | None:
    """Parse `AWS4-HMAC-SHA256 Credential=…, SignedHeaders=…, `; one client's requests of one kind share it."""
    algorithm, _, rest = prefix.partition(" ")
    fields = dict(part.strip().partition("=")[::2] for part in rest.split(",") if part.strip())
    # An access key id may hold no slash, but be strict from the right all the same.
    credential = fields.get("Credential", "").rsplit("/", 4)
    line = fields.get("SignedHeaders", "")
    names = tuple(line.split(";"))
    if algorithm != _ALGORITHM or len(credential) != 5 or not line or list(names) != sorted(names):
        return None
    key, date, region, service, end = credential
    if end != "aws4_request":
        return None
    return _Claim(key, date, region, service, "/".join(credential[1:]), names, line)


def _check_time(headers: dict[str, str], claim: _Claim, now: float, *, is_s3: bool) -> str:
    """Return the timestamp that was signed."""
    timestamp = headers.get("x-amz-date") or _from_http_date(headers.get("date", ""))
    signed_at = _instant(timestamp)
    if signed_at is None:
        raise SignatureRefused(Refusal.INCOMPLETE, "The request has no valid X-Amz-Date or Date header.")
    if timestamp[:8] != claim.date:
        raise SignatureRefused(
            Refusal.SCOPE,
            f"Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: "
            f"'{claim.date}' != '{timestamp[:8]}'.",
        )
    if abs(now - signed_at) > (S3_MAX_SKEW_S if is_s3 else MAX_SKEW_S):
        text = "The difference between the request time and the current time is too large."
        raise SignatureRefused(Refusal.SKEWED, text if is_s3 else _out_of_date(timestamp, signed_at, now))
    return timestamp


def _out_of_date(timestamp: str, signed_at: float, now: float) -> str:
    """Return what services other than S3 say of a date that is too far off; their texts as seen in public logs."""
    if signed_at < now:
        bound = f"{_amz_date(now - MAX_SKEW_S)} ({_amz_date(now)} - 5 min.)"
        return f"Signature expired: {timestamp} is now earlier than {bound}"
    bound = f"{_amz_date(now + MAX_SKEW_S)} ({_amz_date(now)} + 5 min.)"
    return f"Signature not yet current: {timestamp} is still later than {bound}"


def _amz_date(instant: float) -> str:
    return datetime.fromtimestamp(instant, UTC).strftime("%Y%m%dT%H%M%SZ")


def _check_scope(claim: _Claim, region: str, service: str) -> None:
    if claim.region != region:
        raise SignatureRefused(Refusal.SCOPE, f"the region '{claim.region}' is wrong; expecting '{region}'")
    if claim.service != service:
        raise SignatureRefused(Refusal.SCOPE, f"incorrect service '{claim.service}'; expecting '{service}'")


def _check_signed_headers(headers: dict[str, str], claim: _Claim) -> None:
    """The host and everything that AWS itself reads (`x-amz-*`) must be signed, and what is signed must be there."""
    signed = set(claim.signed_headers)
    unsigned = [name for name in headers if name[:6] == "x-amz-" and name not in signed]
    missing = [name for name in claim.signed_headers if name not in headers]
    if missing:
        raise SignatureRefused(Refusal.MISMATCH, f"Signed headers are missing from the request: {missing}")
    if "host" not in signed or unsigned:
        raise SignatureRefused(
            Refusal.MISMATCH,
            f"There were headers present in the request which were not signed: {unsigned or 'host'}",
        )


def _payload_hash(request: Request, *, is_s3: bool) -> str:
    announced = request.headers.get("x-amz-content-sha256")
    if is_s3:
        if announced is None:
            raise SignatureRefused(
                Refusal.PAYLOAD_HEADER, "Missing required header for this request: x-amz-content-sha256"
            )
        if announced in {UNSIGNED, UNSIGNED_TRAILER}:
            return announced
        if announced.startswith("STREAMING-"):
            raise SignatureRefused(
                Refusal.UNSUPPORTED, f"x-amz-content-sha256 {announced!r}: signed chunks are not simulated"
            )
    actual = sha256(request.body).hexdigest() if request.body else _EMPTY_SHA256
    if announced is not None and announced != actual:
        raise SignatureRefused(
            Refusal.PAYLOAD, "The provided 'x-amz-content-sha256' header does not match what was computed."
        )
    return actual


@lru_cache(maxsize=64)
def _signing_key(secret: str, date: str, region: str, service: str) -> bytes:
    """Derive the key of one day, region and service; four HMACs that every request of that day shares."""
    key = f"AWS4{secret}".encode()
    for part in (date, region, service, "aws4_request"):
        key = hmac.digest(key, part.encode("latin-1"), "sha256")
    return key


@lru_cache(maxsize=64)
def _instant(timestamp: str) -> float | None:
    """Return `YYYYMMDDTHHMMSSZ` as seconds since the epoch; requests of one second share the answer."""
    if not re.fullmatch(r"\d{8}T\d{6}Z", timestamp, re.ASCII):
        return None
    year, month, day = int(timestamp[:4]), int(timestamp[4:6]), int(timestamp[6:8])
    hour, minute, second = int(timestamp[9:11]), int(timestamp[11:13]), int(timestamp[13:15])
    if not (1 <= month <= 12 and 1 <= day <= 31):
        return None
    return float(timegm((year, month, day, hour, minute, second)))


def _from_http_date(value: str) -> str:
    try:
        return parsedate_to_datetime(value).strftime("%Y%m%dT%H%M%SZ")
    except ValueError:
        return ""
