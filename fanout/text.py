"""Text for people: instants in ISO 8601, and strings that no terminal can take for commands."""

from __future__ import annotations

import re
from datetime import UTC, datetime


def iso(instant: float) -> str:
    """Return an instant, in seconds since the epoch, as `2026-11-20T09:00:00.123Z`."""
    text = datetime.fromtimestamp(instant, UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")


# Beside C0 and C1: the line ends of Unicode, what turns the direction of text, and lone surrogates.
_UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def escape(text: str) -> str:
    """Return `text` in one line that a terminal takes for nothing but text."""
    return _UNSAFE.sub(lambda found: found.group().encode("unicode_escape").decode(), text)
