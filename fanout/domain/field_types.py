"""Defines the types that a field of a response may have, by Arrow's names, and reads JSON values as them; pure.

A value is taken only if the type holds it exactly, but for floats, which are the nearest ones as always.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime

import orjson

from fanout.domain.zones import zone
from fanout.text import did_you_mean, shortened

SHOWN = 60  # characters of a value in a message

Place = str
"""Where a value stands, as a path below the field's own: empty, `[3]`, `.label`."""
Reader = Callable[[object, Place], object]
"""Returns a JSON value as a column takes it; raises `WrongTypeError` where it is none of the type."""


class WrongTypeError(ValueError):
    """The value at a place below the field is not of the type that it should have."""

    def __init__(self, value: object, place: Place, expected: str) -> None:
        super().__init__(f"{shown(value)} is not {expected}")
        self.place = place


@dataclass(frozen=True, slots=True)
class Plain:
    """A type without parts, by Arrow's name."""

    name: str

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True)
class Timestamp:
    """An instant in whole `unit`s (s, ms, us); with a zone it is shown in, or without any."""

    unit: str
    zone: str | None

    def __str__(self) -> str:
        return f"timestamp[{self.unit}{'' if self.zone is None else f', tz={self.zone}'}]"


@dataclass(frozen=True, slots=True)
class Member:
    """A member of a struct, or the elements of a list: null where it is missing, unless it is `required`."""

    name: str
    kind: FieldType
    required: bool


@dataclass(frozen=True, slots=True)
class ListOf:
    """A list."""

    item: Member

    def __str__(self) -> str:
        return f"list<{self.item.kind}{' not null' if self.item.required else ''}>"


@dataclass(frozen=True, slots=True)
class StructOf:
    """An object of named members; what it has beside them is left out."""

    members: tuple[Member, ...]

    def __str__(self) -> str:
        each = (f"{m.name}: {m.kind}{' not null' if m.required else ''}" for m in self.members)
        return f"struct<{', '.join(each)}>"


FieldType = Plain | Timestamp | ListOf | StructOf

_INTEGERS = {
    **{f"int{bits}": (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) for bits in (8, 16, 32, 64)},
    **{f"uint{bits}": (0, 2**bits - 1) for bits in (8, 16, 32, 64)},
}
_FLOAT_MAX = {
    "float32": float.fromhex("0x1.fffffep+127"),
    "float64": float.fromhex("0x1.fffffffffffffp+1023"),
}
_EXACT = 2.0**53  # every whole float up to here is one integer (IEEE 754)
_ALIASES: Mapping[str, str] = {
    "boolean": "bool",
    "float": "float32",
    "double": "float64",
    "utf8": "string",
    "large_utf8": "large_string",
    "date32[day]": "date32",
}
"""Arrow's other names of the same types."""
_PLAIN = ("string", "large_string", "bool", *_INTEGERS, *_FLOAT_MAX, "date32")
_OF_ONE_TYPE = {"float32": float, "float64": float, "bool": bool, "string": str, "large_string": str}
_DIGITS = {"s": 0, "ms": 3, "us": 6}
_TIMESTAMP = re.compile(r"timestamp\[\s*([a-z]+)\s*(?:,\s*tz\s*=\s*([^\]\s]+)\s*)?\]")
_NAMES = (*_PLAIN, *_ALIASES, "timestamp[us, tz=UTC]", "list<...>", "struct<name: ...>")
_NOT_NULL = re.compile(r"\s+not null\s*$")
_MEMBER = re.compile(r"\s*([^:<>,]+?)\s*:\s*(.+)", re.DOTALL)


def parse_type(text: str) -> FieldType:
    """Return the type that Arrow calls `text`.

    Raises:
        ValueError: There is no such type, or none that JSON values can be read as.
    """
    text = text.strip()
    found = _TIMESTAMP.fullmatch(text)
    if found:
        if found[1] not in _DIGITS:
            raise ValueError(f"{text!r} is not a type of a field: timestamps are in s, ms or us")
        if found[2] is not None:
            try:
                zone(found[2])
            except ValueError as error:
                raise ValueError(f"{found[2]!r} {error}") from None
        return Timestamp(found[1], found[2])
    name = _ALIASES.get(text, text)
    if name in _PLAIN:
        return Plain(name)
    head, opened, inner = text.partition("<")
    if opened and inner.endswith(">"):
        if head.strip() == "list":
            return ListOf(_item(inner[:-1]))
        if head.strip() == "struct":
            return StructOf(_members(inner[:-1]))
    raise ValueError(f"{text!r} is not a type of a field; {did_you_mean(text, _NAMES)}")


def reader_of(kind: FieldType) -> Reader:
    """Return what reads JSON values as this type."""
    match kind:
        case Plain(name) if name in _INTEGERS:
            return _integer(name)
        case Plain(name) if name in _FLOAT_MAX:
            return _float(name)
        case Plain("bool"):
            return _of(bool, "bool, true or false")
        case Plain("date32"):
            return _date
        case Plain(name):
            return _of(str, name)
        case Timestamp():
            return _timestamp(kind)
        case ListOf(item):
            return _list(item)
        case StructOf(members):
            return _struct(members)


def shown(value: object) -> str:
    """Return a JSON value as text, its middle left out where it is long."""
    if isinstance(value, str) and len(value) > 4 * SHOWN:  # a whole document need not become text to be cut
        value = shortened(value, 2 * SHOWN)
    return shortened(orjson.dumps(value).decode(), SHOWN)


def _item(text: str) -> Member:
    found = _MEMBER.fullmatch(text)
    # Arrow writes `list<item: int64>`; the name says nothing, and people leave it out.
    return _member("item", found[2] if found and found[1] in {"item", "element"} else text)


def _members(text: str) -> tuple[Member, ...]:
    members: dict[str, Member] = {}
    for each in _cut(text):
        found = _MEMBER.fullmatch(each)
        if not found:
            raise ValueError(f"{each.strip()!r} is not a member of a struct: write `name: type`")
        if found[1] in members:
            raise ValueError(f"the struct has {found[1]!r} twice")
        members[found[1]] = _member(found[1], found[2])
    return tuple(members.values())


def _member(name: str, text: str) -> Member:
    kind = _NOT_NULL.sub("", text)
    return Member(name, parse_type(kind), kind != text)


def _cut(text: str) -> list[str]:
    """Return the pieces of `text` between the commas that stand in no brackets."""
    pieces, depth = [""], 0
    for letter in text:
        depth += (letter in "<[") - (letter in ">]")
        if letter == "," and not depth:
            pieces.append("")
        else:
            pieces[-1] += letter
    return pieces


def _of(kind: type, expected: str) -> Reader:
    def read(value: object, place: Place) -> object:
        if type(value) is not kind:
            raise WrongTypeError(value, place, expected)
        return value

    return read


def _integer(name: str) -> Reader:
    least, most = _INTEGERS[name]

    def read(value: object, place: Place) -> object:
        # JSON has one kind of number, and 3.0 is a whole one; a larger float may stand for several integers.
        if type(value) is float and value.is_integer() and abs(value) <= _EXACT:
            value = int(value)
        if type(value) is not int:
            raise WrongTypeError(value, place, f"{name}, a whole number")
        if not least <= value <= most:
            raise WrongTypeError(value, place, f"{name}, from {least} to {most}")
        return value

    return read


def _float(name: str) -> Reader:
    most = _FLOAT_MAX[name]

    def read(value: object, place: Place) -> object:
        if type(value) is int:
            value = float(value)
        if type(value) is not float:
            raise WrongTypeError(value, place, f"{name}, a number")
        if abs(value) > most:
            raise WrongTypeError(value, place, f"{name}, at most {most:g}")
        return value

    return read


def _date(value: object, place: Place) -> object:
    try:
        if type(value) is str and len(value) == len("2026-11-30"):
            return date.fromisoformat(value)
    except ValueError:
        pass
    raise WrongTypeError(value, place, "date32, as 2026-11-30")


def _timestamp(kind: Timestamp) -> Reader:
    example = "2026-11-30T09:00:00" + ("Z" if kind.zone else "")
    digits = _DIGITS[kind.unit]

    def read(value: object, place: Place) -> object:
        try:
            instant = datetime.fromisoformat(value) if type(value) is str else None
        except ValueError:
            instant = None
        if instant is None or (instant.tzinfo is None) != (kind.zone is None) or _fraction(value) > digits:
            raise WrongTypeError(value, place, f"{kind}, as {example}")
        return instant

    return read


def _fraction(value: object) -> int:
    """Return how many digits of a second an instant has, zeros at its end left out."""
    found = re.search(r"[.,](\d+)", str(value))
    return len(found[1].rstrip("0")) if found else 0


def _list(item: Member) -> Reader:
    read_item = _nullable(item)
    # Most lists are of one type, an embedding of a thousand numbers: they are looked at as a whole.
    name = str(item.kind)
    whole = _OF_ONE_TYPE.get(name)
    most = _FLOAT_MAX.get(name, 0.0)

    def read(value: object, place: Place) -> object:
        if type(value) is not list:
            raise WrongTypeError(value, place, "a list")
        if whole is not None and set(map(type, value)) <= {whole}:  # noqa: SIM102 - two questions
            if whole is not float or max(map(abs, value), default=0.0) <= most:
                return value
        return [read_item(each, f"{place}[{index}]") for index, each in enumerate(value)]

    return read


def _struct(members: tuple[Member, ...]) -> Reader:
    readers = [(member.name, f".{member.name}", _nullable(member)) for member in members]

    def read(value: object, place: Place) -> object:
        if type(value) is not dict:
            raise WrongTypeError(value, place, "an object")
        return {name: reader(value.get(name), place + below) for name, below, reader in readers}

    return read


def _nullable(member: Member) -> Reader:
    read, required = reader_of(member.kind), member.required

    def read_or_null(value: object, place: Place) -> object:
        if value is None and not required:
            return None
        return read(value, place)

    return read_or_null
