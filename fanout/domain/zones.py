"""Tells which day it is in a time zone; pure."""

from __future__ import annotations

from datetime import UTC, date, datetime, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError


def zone(name: str) -> tzinfo:
    """Return the time zone of an IANA name; UTC needs no database.

    Raises:
        ValueError: There is none of this name, or no database on this machine.
    """
    if name == "UTC":
        return UTC
    try:
        return ZoneInfo(name)
    except (OSError, ValueError, ZoneInfoNotFoundError):  # a folder's name is an OSError, a path a ValueError
        raise ValueError(
            "is not a time zone known here: write a name such as Europe/Berlin, or install tzdata"
        ) from None


def day_at(instant: float, *, timezone: str) -> date:
    """Return the day that it is in a time zone at `instant`, in seconds since the epoch.

    Raises:
        ValueError: There is no such zone.
    """
    return datetime.fromtimestamp(instant, zone(timezone)).date()
