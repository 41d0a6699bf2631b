"""A JSON template, compiled once to literal bytes with holes; rendering a row writes only the holes' values."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from fanout.errors import UsageError
from fanout.source import exact_json as exact
from fanout.source.bad_row import BadRow
from fanout.source.selection import JsonValue


class _Hole(NamedTuple):
    name: str


class Template:
    """A payload with holes.

    Attributes:
        names: The columns that it needs, each once, in order of appearance.
    """

    def __init__(self, parts: Iterable[bytes | _Hole]) -> None:
        self._holes: list[tuple[bytes, str]] = []  # literal bytes, then the column that follows them
        literal = b""
        for part in parts:
            if isinstance(part, _Hole):
                self._holes.append((literal, part.name))
                literal = b""
            else:
                literal += part
        self._tail = literal
        self.names = tuple(dict.fromkeys(name for _, name in self._holes))

    @classmethod
    def compile(cls, template: JsonValue) -> Template:
        """Return `template` with a hole for every string `"$name"` among its values.

        Raises:
            UsageError: It holds what JSON has no text for.
        """
        return cls(_parts(template))

    @classmethod
    def of_fields(cls, names: Sequence[str]) -> Template:
        """Return the template of a JSON object with exactly the fields `names`."""
        return cls(_members((exact.dumps(name), [_Hole(name)]) for name in names))

    def render(self, values: Mapping[str, object]) -> bytes:
        """Return the payload of a row.

        Raises:
            BadRow: A column is missing, or holds what JSON has no text for.
        """
        parts: list[bytes] = []
        for literal, name in self._holes:
            if name not in values:
                raise BadRow.missing(name, tuple(values))
            try:
                parts += (literal, exact.dumps(values[name]))
            except exact.NotJSONError as error:
                raise BadRow("NotJSON", f"column {name!r} {error}") from None
        parts.append(self._tail)
        return b"".join(parts)


def _parts(template: JsonValue) -> Iterator[bytes | _Hole]:
    if isinstance(template, str) and template.startswith("$") and len(template) > 1:
        yield exact.dumps(template[1:]) if template[1] == "$" else _Hole(template[1:])
    elif isinstance(template, Mapping):
        yield from _members((exact.dumps(key), _parts(value)) for key, value in template.items())
    elif isinstance(template, Sequence) and not isinstance(template, str):
        yield b"["
        for index, value in enumerate(template):
            yield b"," if index else b""
            yield from _parts(value)
        yield b"]"
    elif isinstance(template, float) and not math.isfinite(template):
        raise UsageError(f"template: JSON has no text for {template}")
    else:
        yield exact.dumps(template)


def _members(members: Iterable[tuple[bytes, Iterable[bytes | _Hole]]]) -> Iterator[bytes | _Hole]:
    yield b"{"
    for index, (key, value) in enumerate(members):
        yield (b"," if index else b"") + key + b":"
        yield from value
    yield b"}"
