"""Renders payloads from a JSON template, compiled once to literal bytes with holes for a row's values."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from fanout.errors import UsageError
from fanout.source import exact_json as exact
from fanout.source.bad_row import BadRow
from fanout.source.names import keys_of, split_optional
from fanout.source.selection import JsonValue, Selection

# `$$`, `${any name}`, or `$name` and `$a.b`; a dot that no letter follows ends a sentence.
_HOLE = re.compile(r"\$(?:(\$)|\{([^{}]+)\}|(\w+(?:\.\w+)*))")
_ALONE = re.compile(r"\$(?:\{([^{}]+)\}|(\w+(?:\.\w+)*))")


class _Hole(NamedTuple):
    """Where a column's value goes; `null` stands for a null, None refuses it."""

    name: str
    optional: bool
    write: Callable[[object], bytes]
    null: bytes | None


class Template:
    """A payload with holes.

    Attributes:
        names: The columns that it needs, each once, in order of appearance.
        optional: Those among them that a row may lack wherever they stand.
    """

    def __init__(self, parts: Iterable[bytes | _Hole]) -> None:
        # Literal bytes, then the hole that follows them, its fields beside it: looking them up would cost more.
        self._holes: list[tuple[bytes, str, Callable[[object], bytes], _Hole]] = []
        literal = b""
        for part in parts:
            if isinstance(part, _Hole):
                self._holes.append((literal, part.name, part.write, part))
                literal = b""
            else:
                literal += part
        self._tail = literal
        holes = [hole for _, _, _, hole in self._holes]
        self.names = tuple(dict.fromkeys(hole.name for hole in holes))
        self.optional = frozenset(self.names) - {hole.name for hole in holes if not hole.optional}

    @classmethod
    def compile(cls, template: JsonValue, *, known: Collection[str] = ()) -> Template:
        """Return `template` with a hole for every `$name` and `${name}` in the texts among its values.

        A text that is one hole becomes the column's value, of any JSON type; a hole inside a text becomes text.
        A template that is itself the text of a JSON value, as from an environment variable, is that value.

        Args:
            template: The template.
            known: Names of columns, for those that other characters than letters, digits, `_` and dots are part of.

        Raises:
            UsageError: It has no hole, is a broken JSON object, or holds what JSON has no text for.
        """
        compiled = cls(_parts(_read(template), known))
        if not compiled.names:
            raise UsageError(
                'template: uses no column, so every row would be sent the same: write "$name" where a column '
                'goes ("$$" for a dollar)'
            )
        return compiled

    @classmethod
    def of_fields(
        cls, names: Sequence[str], *, known: Collection[str] = (), optional: Collection[str] = ()
    ) -> Template:
        """Return the template of a JSON object with exactly the fields `names`.

        Raises:
            UsageError: Two of them would have the same key.
        """
        return cls(
            _members(
                (exact.dumps(key), [_alone(name, optional=name in optional)])
                for key, name in keys_of(names, known).items()
            )
        )

    @classmethod
    def of(cls, selection: Selection, *, known: Collection[str] = ()) -> Template | None:
        """Return the template of the payloads that `selection` means, None where it has none.

        Raises:
            UsageError: As `compile` and `of_fields`.
        """
        if selection.template is not None:
            return cls.compile(selection.template, known=known)
        if not selection.payload_fields:
            return None
        return cls.of_fields(selection.payload_fields, known=known, optional=selection.optional)

    def render(self, values: Mapping[str, object]) -> bytes:
        """Return the payload of a row.

        Raises:
            BadRow: A column is missing, is null inside a text, or holds what JSON has no text for.
        """
        parts: list[bytes] = []
        name = ""
        try:
            for literal, name, write, hole in self._holes:
                value = values.get(name)
                parts += (literal, _null(hole, values) if value is None else write(value))
        except exact.NotJSONError as error:
            raise BadRow("NotJSON", f"column {name!r} {error}") from None
        parts.append(self._tail)
        return b"".join(parts)


def _read(template: JsonValue) -> JsonValue:
    """Return the JSON value that a text says; any other template, and any other text, as it is."""
    if not isinstance(template, str) or template.lstrip()[:1] not in {"{", "[", '"'}:
        return template
    try:
        value: JsonValue = exact.parse_exact(template.encode())  # type: ignore[assignment]
    except BadRow as bad:
        if template.lstrip().startswith("{"):
            raise UsageError(f"template: begins like a JSON object, and is {bad.message}") from None
        return template
    return value


def _parts(template: JsonValue, known: Collection[str]) -> Iterator[bytes | _Hole]:
    if isinstance(template, str):
        yield from _text(template, known)
    elif isinstance(template, Mapping):
        yield from _members((exact.dumps(key), _parts(value, known)) for key, value in template.items())
    elif isinstance(template, Sequence):
        yield b"["
        for index, value in enumerate(template):
            yield b"," if index else b""
            yield from _parts(value, known)
        yield b"]"
    elif isinstance(template, float) and not math.isfinite(template):
        raise UsageError(f"template: JSON has no text for {template}")
    else:
        yield exact.dumps(template)


def _text(text: str, known: Collection[str]) -> Iterator[bytes | _Hole]:
    alone = _ALONE.fullmatch(text)
    name = (alone[1] or alone[2]) if alone else text[1:] if text[:1] == "$" and text[1:] in known else None
    if name is not None:
        _check_sum(alone[2] or "" if alone else "", known)
        bare, optional = split_optional(name, known)
        yield _alone(bare, optional=optional)
        return
    yield b'"'
    end = 0
    for found in _HOLE.finditer(text):
        yield _inner(text[end : found.start()])
        end = found.end()
        if found[1]:
            yield b"$"
        else:
            _check_sum(found[3] or "", known)
            hole, optional = split_optional(found[2] or found[3], known)
            yield _Hole(hole, optional, _inside, b"" if optional else None)
    yield _inner(text[end:]) + b'"'


def _check_sum(name: str, known: Collection[str]) -> None:
    """Refuse `$5`, which is a sum of money as a rule, unless a column has that name."""
    if name[:1].isdecimal() and name not in known and name.partition(".")[0] not in known:
        raise UsageError(
            f'template: ${name} would be the column {name!r}: write "$${name}" for a sum in dollars, '
            f'or "${{{name}}}" for the column'
        )


def _alone(name: str, *, optional: bool) -> _Hole:
    return _Hole(name, optional, exact.dumps, b"null")


def _inside(value: object) -> bytes:
    """Return what stands for `value` inside a JSON text: a text as it is, all else as its JSON text."""
    return _inner(value if isinstance(value, str) else exact.dumps(value).decode())


def _null(hole: _Hole, values: Mapping[str, object]) -> bytes:
    if not hole.optional and hole.name not in values:
        raise BadRow.missing(hole.name, tuple(values))
    if hole.null is None:
        raise BadRow(
            "NullPayload",
            f"column {hole.name!r} is null inside a text of the template: ${{{hole.name}?}} leaves it out",
        )
    return hole.null


def _inner(text: str) -> bytes:
    return exact.dumps(text)[1:-1]


def _members(members: Iterable[tuple[bytes, Iterable[bytes | _Hole]]]) -> Iterator[bytes | _Hole]:
    yield b"{"
    for index, (key, value) in enumerate(members):
        yield (b"," if index else b"") + key + b":"
        yield from value
    yield b"}"
