"""Reads and writes Thrift's compact protocol, in which Parquet's footers and page headers stand, as plain trees.

What was read and is written again has the same bytes. pyarrow does this for files that it writes itself; `footer` and
`large_page` need it for pages that pyarrow would hold in memory.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from typing import TypeAlias


class Kind(IntEnum):
    """A type on the wire; thrift-compact-protocol.md, "Struct encoding"."""

    TRUE = 1
    FALSE = 2
    BYTE = 3
    I16 = 4
    I32 = 5
    I64 = 6
    DOUBLE = 7
    BINARY = 8
    LIST = 9
    SET = 10
    MAP = 11
    STRUCT = 12


@dataclass(frozen=True, slots=True)
class List:
    """A list or a set: the kind of its items, and the items."""

    kind: Kind
    items: list[Value]


Struct: TypeAlias = "dict[int, tuple[Kind, Value]]"
"""The fields of a struct by their ids, in the order in which they stand."""
Value: TypeAlias = "int | bytes | List | Struct"
"""A double is its eight bytes; a boolean as a field is its kind, and as an item 1 or 2."""

_SHORT = (
    15  # the largest step between two field ids, and above the largest size of a list, that its head holds
)
_VARINT_BITS = 70  # ten bytes: a 64-bit number never takes more
_DEPTH = 32  # Parquet's footers are six deep


class DamagedError(Exception):
    """The bytes are not Thrift's compact protocol, or of a kind that Parquet does not have."""


class Reader:
    """Reads values from `data`, from `position` on; moves on as it reads."""

    def __init__(self, data: bytes, position: int = 0) -> None:
        self._data = data
        self.position = position

    def struct(self, depth: int = 0) -> Struct:
        """Return the struct that begins here.

        Raises:
            DamagedError: There is none.
        """
        return {number: (kind, self.value(kind, depth + 1)) for number, kind in self.fields()}

    def fields(self) -> Iterator[tuple[int, Kind]]:
        """Yield the number and the kind of each field of a struct; read its value before asking for the next."""
        number = 0
        while head := self._byte():
            step = head >> 4
            number = number + step if step else self._zigzag()
            yield number, _kind(head & 0xF)

    def items(self) -> tuple[Kind, int]:
        """Return the kind and the number of the items of the list that begins here; they follow."""
        head = self._byte()
        count = head >> 4
        return _kind(head & 0xF), self._varint() if count == _SHORT else count

    def value(self, kind: Kind, depth: int = 0) -> Value:
        """Return the value of a field, or of an item, which begins here."""
        if kind in {Kind.TRUE, Kind.FALSE}:
            return kind
        if kind is Kind.BYTE:
            return self._byte()
        if kind in {Kind.I16, Kind.I32, Kind.I64}:
            return self._zigzag()
        if kind is Kind.DOUBLE:
            return self._take(8)
        if kind is Kind.BINARY:
            return self._take(self._varint())
        if depth > _DEPTH:
            raise DamagedError("structs within structs without end")
        if kind in {Kind.LIST, Kind.SET}:
            inner, count = self.items()
            return List(inner, [self._item(inner, depth) for _ in range(count)])
        if kind is Kind.STRUCT:
            return self.struct(depth)
        raise DamagedError("a map, which Parquet has nowhere")

    def _item(self, kind: Kind, depth: int) -> Value:
        return self._byte() if kind in {Kind.TRUE, Kind.FALSE} else self.value(kind, depth + 1)

    def _byte(self) -> int:
        return self._take(1)[0]

    def _take(self, size: int) -> bytes:
        piece = self._data[self.position : self.position + size]
        if len(piece) != size:
            raise DamagedError("it ends in the middle of a value")
        self.position += size
        return piece

    def _varint(self) -> int:
        number = 0
        for shift in range(0, _VARINT_BITS, 7):
            byte = self._byte()
            number |= (byte & 0x7F) << shift
            if byte < 0x80:
                return number
        raise DamagedError("a number without end")

    def _zigzag(self) -> int:
        number = self._varint()
        return (number >> 1) ^ -(number & 1)


def encoded(struct: Struct) -> bytes:
    """Return the bytes of a struct."""
    out = bytearray()
    _put_struct(out, struct)
    return bytes(out)


def encoded_items(kind: Kind, count: int) -> bytes:
    """Return the head of a list; its items follow."""
    if count < _SHORT:
        return bytes([count << 4 | kind])
    return bytes([_SHORT << 4 | kind]) + _varint(count)


def _put_struct(out: bytearray, struct: Struct) -> None:
    before = 0
    for number, (kind, value) in struct.items():
        step = number - before
        if 0 < step <= _SHORT:
            out.append(step << 4 | kind)
        else:
            out.append(kind)
            out += _zigzag(number)
        _put(out, kind, value)
        before = number
    out.append(0)


def _put(out: bytearray, kind: Kind, value: Value) -> None:
    if isinstance(value, dict):
        _put_struct(out, value)
    elif isinstance(value, List):
        out += encoded_items(value.kind, len(value.items))
        for item in value.items:
            if value.kind in {Kind.TRUE, Kind.FALSE}:
                assert isinstance(item, int)
                out.append(item)
            else:
                _put(out, value.kind, item)
    elif isinstance(value, bytes):
        out += (_varint(len(value)) if kind is Kind.BINARY else b"") + value
    elif kind is Kind.BYTE:
        out.append(value)
    elif kind not in {Kind.TRUE, Kind.FALSE}:
        out += _zigzag(value)


def _kind(number: int) -> Kind:
    try:
        return Kind(number)
    except ValueError:
        raise DamagedError(f"a value of kind {number}, which there is not") from None


def _zigzag(number: int) -> bytes:
    return _varint((number << 1) ^ (number >> 63))


def _varint(number: int) -> bytes:
    out = bytearray()
    while number >= 0x80:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)
