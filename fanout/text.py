"""Makes text for people: instants, strings that no terminal takes for commands, the name that was probably meant."""

from __future__ import annotations

import difflib
import re
import shlex
from datetime import UTC, datetime
from functools import lru_cache

NAMES_SHOWN = 16


def iso(instant: float) -> str:
    """Return an instant, in seconds since the epoch, as `2026-11-20T09:00:00.123Z`."""
    text = datetime.fromtimestamp(instant, UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")


def count(number: int, noun: str) -> str:
    """Return `1 row`, `2,000 rows`, for a noun whose plural ends in s."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def shortened(text: str, most: int) -> str:
    """Return `text`, its middle left out where it has more than `most` characters."""
    return text if len(text) <= most else f"{text[: most - 12]} ... {text[-7:]}"


def quoted(path: object) -> str:
    """Return a path or a uri as a shell takes it for one argument, for commands that a person copies."""
    return shlex.quote(str(path))


# Beside C0, DEL and C1: the line ends of Unicode, what turns the direction of text, and lone surrogates.
_UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def escape(text: str) -> str:
    """Return `text` in one line that a terminal takes for nothing but text."""
    return _UNSAFE.sub(lambda found: found.group().encode("unicode_escape").decode(), text)


def nearest(name: str, known: tuple[str, ...], *, cutoff: float = 0.6) -> str | None:
    """Return the one of `known` that is most like `name`; None if none shares `cutoff` of its letters with it."""
    close = difflib.get_close_matches(name, known, n=1, cutoff=cutoff)
    return close[0] if close else None


@lru_cache(maxsize=256)  # a misspelt field is missing in every row, and difflib takes 30 µs
def did_you_mean(name: str, known: tuple[str, ...]) -> str:
    """Return `did you mean 'x'?`, or which names are known where none is near; the end of a message on `name`."""
    meant = nearest(name, known)
    if meant is not None:
        return f"did you mean {meant!r}?"
    if not known:
        return "there is none"
    more = ", ..." if len(known) > NAMES_SHOWN else ""
    return f"known are {', '.join(map(repr, known[:NAMES_SHOWN]))}{more}"
