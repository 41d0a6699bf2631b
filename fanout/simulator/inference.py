"""Defines one request from acceptance to its end: what the 202 says, what the log keeps, what its end needs."""

from __future__ import annotations

from typing import Literal, NamedTuple

from fanout.domain.location import Location
from fanout.simulator.notifications import Parameters


class Accepted(NamedTuple):
    """What a 202 says."""

    inference_id: str
    output_location: str
    failure_location: str | None


class LogLine(NamedTuple):
    """One accepted request; `bytes` and `sha256` are None when its input object was not there on arrival.

    Attributes:
        arrived_at: Seconds since the epoch.
        transport: Whether the payload came in the body or stands in S3.
        bytes: Size of the payload.
        sha256: Hex digest of the payload.
        row: The row that the inference id names, None if the id does not look like one of fanout's.
    """

    inference_id: str
    arrived_at: float
    transport: Literal["inline", "s3"]
    bytes: int | None
    sha256: str | None
    row: int | None


class Inference(NamedTuple):
    """A request under way: what its end needs, without its payload."""

    parameters: Parameters
    accepted: Accepted
    line: LogLine
    input: Location | None


def row_of(inference_id: str) -> int | None:
    """Return the row in `<run>.<row>.<generation>.<attempt>`; looser and quicker than `identity` is."""
    parts = inference_id.split(".")
    return int(parts[1]) if len(parts) == 4 and parts[1].isdigit() else None
