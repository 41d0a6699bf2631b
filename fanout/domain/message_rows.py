"""Spells where a rejected row stands in its file, and puts the row's number in the whole input in place later; pure.

A shard numbers its rows from 0, as it has not read those before it. Once all shards have ended, the rows before its own
are known.
"""

from __future__ import annotations

import re
from collections.abc import Collection

_ROW = re.compile(r"(: (?:byte [0-9]+, )?row )([0-9]+): ")


def at_row(path: str, row: int) -> str:
    """Return the place of a row of a file whose rows have no lines."""
    return f"{path}: row {row}"


def at_byte(path: str, byte: int, *, row: int) -> str:
    """Return the place of a row of a file that is read in parts, so that lines are not counted."""
    return f"{path}: byte {byte}, row {row}"


def renumbered(message: str, *, paths: Collection[str], rows_before: int) -> str:
    """Return the message of a shard's rejected row with the row's number in the whole input.

    Args:
        message: One that begins with a place; another is returned as it is.
        paths: The files that the shard read.
        rows_before: Rows of the shards before it.
    """
    # A path may hold what looks like a place: the longest one that the message begins with is the file's.
    path = max((path for path in paths if message.startswith(path)), key=len, default=None)
    found = _ROW.match(message, len(path)) if path is not None else None
    if path is None or found is None:
        return message
    return f"{path}{found[1]}{int(found[2]) + rows_before}: {message[found.end() :]}"
