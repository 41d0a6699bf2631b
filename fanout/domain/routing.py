"""Decides how a row travels: in the request, via S3, or not at all; pure, and before anything is sent.

botocore checks no maximum and no pattern of InvokeEndpointAsync, so every documented limit is checked here.
Limits: service model of botocore 1.43.117, sagemaker-runtime, InvokeEndpointAsync.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from fanout.domain.ids import input_key
from fanout.domain.limits import (
    HEADER_MAX,
    LOCATION_MAX,
    STAGED_MAX_BYTES,
    TIMEOUT_S,
    TTL_S,
)
from fanout.domain.location import Location
from fanout.domain.records import Inline, Options, Record, Rejected, Routed, Staged, Upload

_LOCATION = re.compile(r"(https|s3)://([^/]+)/?(.*)", re.ASCII)
_VISIBLE = re.compile(r"[\x20-\x7e]*\Z")

Mode = Literal["auto", "inline", "s3"]


@dataclass(frozen=True, slots=True)
class Routing:
    """What routing needs to know of the run.

    Attributes:
        mode: `auto` goes inline as far as that is allowed; `inline` and `s3` force one way.
        inline_max_bytes: Largest payload that may go inline; -1 where inline is not supported.
        uploads: Where payloads are uploaded to (`key` is the prefix); None when the user named no place.
    """

    run_id: str
    mode: Mode
    inline_max_bytes: int
    uploads: Location | None = None


class Router:
    """Routes records; remembers the last options that it found valid, since rows mostly share them.

    Args:
        routing: What is known of the run.
        inline_refused: Whether the endpoint turned out to take no payload in the request, though the region may.
    """

    __slots__ = ("_inline_refused", "_routing", "_valid")

    def __init__(self, routing: Routing, *, inline_refused: Callable[[], bool] = lambda: False) -> None:
        self._routing = routing
        self._inline_refused = inline_refused
        self._valid: Options | None = None

    def route(self, record: Record) -> Routed | Rejected:
        """Return how `record` travels."""
        if record.options is not self._valid:
            problem = options_problem(record.options)
            if problem is not None:
                return _reject(record, "InvalidOption", problem)
            self._valid = record.options
        if record.location is not None:
            return _existing(record, record.location)
        size = len(record.payload)
        routing = self._routing
        mode = record.transport or routing.mode
        if mode == "inline" and size > routing.inline_max_bytes:
            return _reject(
                record,
                "PayloadTooLarge",
                f"the payload has {size:,} bytes, inline takes at most {routing.inline_max_bytes:,}; "
                "use transport auto or s3 for this row",
            )
        if mode == "inline":
            return Inline(record.options, record.payload, only=True)
        if mode != "s3" and size <= routing.inline_max_bytes and not self._inline_refused():
            return Inline(record.options, record.payload)
        if size > STAGED_MAX_BYTES:
            return _reject(
                record,
                "PayloadTooLarge",
                f"the payload has {size:,} bytes, S3 inputs may have {STAGED_MAX_BYTES:,}",
            )
        if routing.uploads is None:
            return _reject(
                record,
                "NoInputPrefix",
                f"the payload has {size:,} bytes and must go via S3; name a place for it: --input-prefix s3://bucket/prefix",
            )
        return Upload(record.options, record.payload, self._place(routing.uploads, record.row))

    def via_s3(self, row: int, item: Inline) -> Upload | None:
        """Return how the payload of `row` travels if not in the request; None if it may not, or has no place."""
        uploads = self._routing.uploads
        if item.only or uploads is None:
            return None
        return Upload(item.options, item.payload, self._place(uploads, row))

    def _place(self, uploads: Location, row: int) -> Location:
        return Location(uploads.bucket, input_key(uploads.key, self._routing.run_id, row))


def options_problem(options: Options) -> str | None:
    """Return what is wrong with `options` by the API's documented limits, None if nothing is."""
    texts = (
        ("content type", options.content_type),
        ("accept", options.accept),
        ("custom attributes", options.custom_attributes),
    )
    for name, text in texts:
        if text is None:
            continue
        if len(text) > HEADER_MAX:
            return f"{name} has {len(text):,} characters, at most {HEADER_MAX:,} are allowed"
        if not _VISIBLE.match(text):
            return f"{name} {text[:80]!r} has characters other than visible US-ASCII"
    numbers = (
        ("ttl", options.ttl_s, TTL_S),
        ("invocation timeout", options.invocation_timeout_s, TIMEOUT_S),
    )
    for name, seconds, (least, most) in numbers:
        if seconds is not None and not least <= seconds <= most:
            return f"{name} of {seconds} s is outside {least}..{most} s"
    return None


def _existing(record: Record, location: str) -> Staged | Rejected:
    """Route a row that names an object which is in S3 already."""
    if (
        not 1 <= len(location) <= LOCATION_MAX
        or not _VISIBLE.match(location)
        or not _LOCATION.fullmatch(location)
    ):
        return _reject(
            record,
            "InvalidLocation",
            f"{location[:80]!r} is not an s3:// or https:// location of at most {LOCATION_MAX:,} ASCII characters",
        )
    return Staged(record.options, location)


def _reject(record: Record, code: str, message: str) -> Rejected:
    return Rejected(
        record.row,
        record.id,
        code,
        f"row {record.row}: {message}",
        passthrough=record.passthrough,
        payload_bytes=len(record.payload),
    )
