"""Finds the field that a name means: `a.b` reaches into objects, but a field of that very name goes first."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Final

from fanout.errors import UsageError

OPTIONAL = "?"
"""Ends the name of a field that a row may lack."""


class Missing:
    """Stands for a field that is not there."""


MISSING: Final = Missing()


def find(values: Mapping[str, object], name: str) -> object:
    """Return the value that `name` means in a row, None below an object that is null, `MISSING` if there is none."""
    if name in values:
        return values[name]
    for head, rest in splits(name):
        inner = values.get(head)
        if isinstance(inner, Mapping):
            found = find(inner, rest)
            if found is not MISSING:
                return found
        elif inner is None and head in values:
            return None
    return MISSING


def splits(name: str) -> Iterable[tuple[str, str]]:
    """Return the ways to cut a name at a dot, the longest head first: a name of its own may hold dots."""
    parts = name.split(".")
    return [(".".join(parts[:place]), ".".join(parts[place:])) for place in range(len(parts) - 1, 0, -1)]


def split_optional(name: str, known: Collection[str]) -> tuple[str, bool]:
    """Return `name` without its mark, and whether a row may lack it; a known name may end in the mark itself."""
    if name in known or not name.endswith(OPTIONAL) or name == OPTIONAL:
        return name, False
    return name.removesuffix(OPTIONAL), True


def keys_of(names: Sequence[str], known: Collection[str]) -> dict[str, str]:
    """Return the names by the keys that they have in a payload: of `a.b`, unless it is a name itself, `b`.

    Raises:
        UsageError: Two fields would have the same key.
    """
    keys: dict[str, str] = {}
    for name in names:
        key = name if name in known else name.rpartition(".")[2] or name
        if key in keys:
            raise UsageError(
                f"payload fields: {keys[key]!r} and {name!r} would both be sent as {key!r}: use a template"
            )
        keys[key] = name
    return keys
