"""Formats instants as AWS writes them in JSON: ISO 8601, UTC, milliseconds."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache


def iso_ms(instant: float) -> str:
    """Return seconds since the epoch as `2022-01-25T22:46:00.608Z`, rounded to the millisecond."""
    seconds, milliseconds = divmod(round(instant * 1000), 1000)
    return f"{_second(seconds)}.{milliseconds:03d}Z"


@lru_cache(maxsize=256)
def _second(seconds: int) -> str:
    # Thousands of notifications share a second; formatting it is most of the cost.
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")
