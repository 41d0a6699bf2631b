"""Folds rows, as they would be sent, into counts, sizes, and the first of them; nothing of it grows with the rows."""

from __future__ import annotations

import base64
import codecs
from collections import Counter
from dataclasses import dataclass, field
from typing import Literal

from fanout.analysis.sizes import Sizes
from fanout.aws.parts import put_requests
from fanout.domain.records import Inline, Options, Record, Rejected, Routed, Transport, Upload

TEXT_SHOWN = 2_000
"""Bytes of a payload that are kept to be shown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One row as it would be sent.

    Attributes:
        payload: The first `TEXT_SHOWN` bytes; empty for an object that is in S3 already.
        location: Where the payload stands in S3, or would; None for one that travels in the request.
    """

    row: int
    id: str | None
    transport: Transport
    payload_bytes: int
    payload: bytes
    location: str | None
    options: Options

    def text(self) -> tuple[str, Literal["utf-8", "base64"]]:
        """Return the payload as far as it is kept: as text where it is some, else in base64."""
        whole = len(self.payload) == self.payload_bytes
        try:
            # A character may have been cut in two.
            decoder = codecs.getincrementaldecoder("utf-8")()
            return decoder.decode(self.payload, final=whole), "utf-8"
        except UnicodeDecodeError:
            return base64.b64encode(self.payload).decode(), "base64"


@dataclass(slots=True, kw_only=True)
class PlannedRows:
    """What a run would find in its input.

    Attributes:
        show: Rows to keep as samples, the first that would be sent.
        payload_bytes: Of all rows, those that are rejected included, as a summary counts them.
        by_transport: Rows that would be sent.
        bytes_by_transport: Their payloads; those of objects that are in S3 already are not known.
        rejected: Rows that would not, by error code.
        examples: The message of the first of each.
        parts: Requests that uploads in parts take beyond one each.
        sizes: Of the payloads that would be sent, without objects that are in S3 already.
    """

    show: int = 0
    rows: int = 0
    payload_bytes: int = 0
    by_transport: Counter[str] = field(default_factory=Counter)
    bytes_by_transport: Counter[str] = field(default_factory=Counter)
    rejected: Counter[str] = field(default_factory=Counter)
    examples: dict[str, str] = field(default_factory=dict)
    parts: int = 0
    sizes: Sizes = field(default_factory=Sizes)
    samples: list[Sample] = field(default_factory=list)

    @property
    def sendable(self) -> int:
        """Rows that would be sent."""
        return self.by_transport.total()

    def ranked(self) -> list[tuple[str, int]]:
        """Return the error codes with their rows, the most frequent first, as a summary has them."""
        return sorted(self.rejected.items(), key=lambda item: (-item[1], item[0]))

    def reject(self, rejected: Rejected) -> None:
        """Count a row that would not be sent."""
        self.rows += 1
        self.payload_bytes += rejected.payload_bytes
        self.rejected[rejected.code] += 1
        self.examples.setdefault(rejected.code, rejected.message)

    def add(self, record: Record, item: Routed) -> None:
        """Count a row that would be sent as `item`."""
        size = len(record.payload)
        way: Transport = (
            "inline" if isinstance(item, Inline) else "s3" if isinstance(item, Upload) else "existing"
        )
        self.rows += 1
        self.payload_bytes += size
        self.by_transport[way] += 1
        self.bytes_by_transport[way] += size
        if way != "existing":
            self.sizes.add(size)
        if way == "s3":
            self.parts += put_requests(size) - 1
        if len(self.samples) < self.show:
            location = None
            if not isinstance(item, Inline):
                location = item.location.uri if isinstance(item, Upload) else item.location
            self.samples.append(
                Sample(
                    row=record.row,
                    id=record.id,
                    transport=way,
                    payload_bytes=size,
                    payload=bytes(record.payload[:TEXT_SHOWN]),
                    location=location,
                    options=record.options,
                )
            )
