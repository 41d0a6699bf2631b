"""The name that was probably meant, for messages about a missing column."""

from __future__ import annotations

import difflib
from functools import lru_cache


@lru_cache(maxsize=256)  # a misspelt field is missing in every row, and difflib takes 30 µs
def nearest(name: str, known: tuple[str, ...]) -> str:
    """Return ` (nearest: 'x')`, or the first known names when none is near, to be put behind a message."""
    close = difflib.get_close_matches(name, known, n=1)
    if close:
        return f" (nearest: {close[0]!r})"
    if not known:
        return " (there is none)"
    more = ", ..." if len(known) > 8 else ""
    return f" (there are: {', '.join(repr(one) for one in known[:8])}{more})"
