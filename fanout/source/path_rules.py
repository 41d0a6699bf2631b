"""Decides which names below a path are data: suffixes, hidden names, globs, tables that only a log can read; pure."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterable, Sequence

from fanout.errors import InputError, NothingFound
from fanout.source.detect import format_of_name
from fanout.source.settings import InputSettings

GLOB = frozenset("*?[")
TABLES = {"_delta_log": "a Delta table", ".hoodie": "a Hudi table"}
"""Folders by which a table is known."""
LOGS = {**TABLES, "metadata/*.metadata.json": "an Iceberg table"}
"""The same as globs, with what an Iceberg table has instead of a folder of its own."""
_ICEBERG = re.compile(r"(?:.*/)?metadata/[^/]+\.metadata\.json")

Parts = Sequence[str]
"""A path, cut at its slashes."""


def wanted(names: Iterable[str], *, of: str, settings: InputSettings) -> tuple[list[str], list[str]]:
    """Return the files of a directory to read, in the order given, and those that their suffix leaves out.

    Args:
        names: Files below it, none in a hidden folder, as paths from it.
        of: The directory, for messages.
        settings: The format that is wanted.

    Raises:
        InputError: It is an Iceberg table, or has no file of the format.
    """
    taken: list[str] = []
    left_out: list[str] = []
    for name in names:
        if _ICEBERG.fullmatch(name):
            raise table(f"{of.rstrip('/')}/{name}".rpartition("/metadata/")[0], "an Iceberg table")
        last = name.rpartition("/")[2]
        if hides(last):
            continue
        kind = format_of_name(last)
        (taken if kind is not None and settings.format in {"auto", kind} else left_out).append(name)
    if not taken:
        kind_text = "JSON Lines or Parquet" if settings.format == "auto" else settings.format
        raise NothingFound(
            f"{of}: no {kind_text} file in this directory. "
            f"To read files of another suffix, name them by a glob, such as '{of}/*.txt'"
        )
    return taken, left_out


def tables_in(keys: Iterable[str]) -> dict[str, str]:
    """Return the folders among `keys` that are tables, with their kinds; the empty path is where the keys begin."""
    found: dict[str, str] = {}
    for key in keys:
        parts = key.split("/")
        for depth, part in enumerate(parts[:-1]):
            kind = TABLES.get(part)
            if kind is None and part == "metadata" and _ICEBERG.fullmatch("/".join(parts[depth:])):
                kind = "an Iceberg table"
            if kind is not None:
                found["/".join(parts[:depth])] = kind
    return found


def table(folder: str, kind: str) -> InputError:
    """Return the error about a folder whose files are not all part of its table."""
    return InputError(
        f"{folder}: is {kind}: some of its files are no longer part of it, and only its log tells which; "
        f"write the table's rows to Parquet first (DuckDB: COPY (FROM delta_scan('...')) TO 'rows.parquet', "
        f"or iceberg_scan), or name single files"
    )


def hides(name: str) -> bool:
    """Whether an entry is hidden, or marked by `_` as no data; `_day=1` is a partition, as Spark reads it.

    Keys in S3 may have a part that is a dot, or two.
    """
    if name.startswith("_"):
        return "=" not in name
    return name.startswith(".") and name not in {".", ".."}


def is_hidden(parts: Parts, *, pattern: Parts = ()) -> bool:
    """Whether an entry on a way is hidden, and no part of `pattern` asks for hidden ones."""
    asked = [part for part in pattern if part.startswith((".", "_"))]
    return any(hides(part) and not any(fnmatch.fnmatchcase(part, one) for one in asked) for part in parts)


def fixed_parts(pattern: Parts) -> int:
    """Return how many of the first parts of a pattern stand for themselves."""
    return next((index for index, part in enumerate(pattern) if GLOB & set(part)), len(pattern))


def matches(name: Parts, pattern: Parts) -> bool:
    """Whether a glob means a path: part by part, so that `*` stops at a slash; `**` is any depth."""
    if not pattern:
        return not name
    if pattern[0] == "**":
        return matches(name, pattern[1:]) or (bool(name) and matches(name[1:], pattern))
    return bool(name) and fnmatch.fnmatchcase(name[0], pattern[0]) and matches(name[1:], pattern[1:])
