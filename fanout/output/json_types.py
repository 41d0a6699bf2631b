"""Finds the kinds of the JSON texts in a passthrough column, and the one Arrow type that holds them all.

A part carries the kinds of its own texts in its metadata; the union over all parts decides on the column's final
type. Pure, and independent of which rows went into which part.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from enum import StrEnum

import orjson
import pyarrow as pa
import pyarrow.compute as pc

_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?")
_EXACT = 2**53  # every integer up to here is a float64 (IEEE 754)
_INT64 = range(-(2**63), 2**63)
_INT64_DIGITS = 20  # the longest int64 with its sign; longer texts are never handed to int()


class Kind(StrEnum):
    """What one JSON text is, as far as a column's type depends on it."""

    NULL = "null"
    BOOL = "bool"
    INT53 = "int53"
    """An integer that float64 holds exactly."""
    INT64 = "int64"
    """A larger integer that int64 holds."""
    FLOAT = "float"
    STRING = "string"
    OTHER = "other"
    """Nested, or a number beyond int64 and float64: stays a text."""


_TYPES = (
    (frozenset({Kind.STRING}), pa.string()),
    (frozenset({Kind.BOOL}), pa.bool_()),
    (frozenset({Kind.INT53, Kind.INT64}), pa.int64()),
    (frozenset({Kind.INT53, Kind.FLOAT}), pa.float64()),
)


_PIECE_BYTES = 1 << 20
"""Texts that are Python's at a time: of a part at once, they took twice what it holds."""


def kinds_of(texts: pa.ChunkedArray) -> frozenset[Kind]:
    """Return the kinds that occur among JSON texts; a null is `Kind.NULL`."""
    return frozenset(
        _kind(text)
        for piece in _pieces(texts)
        for text in (piece.unique() if len(piece) > 1 else piece).to_pylist()
    )


def final_type(kinds: AbstractSet[Kind]) -> pa.DataType | None:
    """Return the type that holds values of all `kinds`; None if they are mixed and stay JSON texts."""
    return next((kind for members, kind in _TYPES if kinds - {Kind.NULL} <= members), None)


def decode(texts: pa.ChunkedArray, kind: pa.DataType | None) -> pa.ChunkedArray:
    """Return JSON texts as values of `kind`, which `final_type` gave for them; None keeps texts. Null is null."""
    decoded = [_decoded(piece, kind) for piece in _pieces(texts)]
    return pa.chunked_array(decoded, type=kind or texts.type)


def _decoded(texts: pa.Array, kind: pa.DataType | None) -> pa.Array:
    texts = pc.if_else(pc.equal(texts, "null"), pa.scalar(None, texts.type), texts)
    if kind is None:
        return texts
    if pa.types.is_string(kind):
        values = [None if text is None else orjson.loads(text) for text in texts.to_pylist()]
        return pa.array(values, type=kind)
    # pyarrow parses numbers as JSON writes them, floats correctly rounded: see the tests.
    return texts.cast(kind)


def _pieces(texts: pa.ChunkedArray) -> Iterator[pa.Array]:
    """Yield the texts in arrays of about `_PIECE_BYTES` at most, by halves; a single text is never cut."""
    waiting = texts.chunks[::-1]
    while waiting:
        piece = waiting.pop()
        if len(piece) > 1 and piece.nbytes > _PIECE_BYTES:
            half = len(piece) // 2
            waiting += (piece.slice(half), piece.slice(0, half))
        else:
            yield piece


def _kind(text: str | None) -> Kind:
    if text is None or text == "null":
        return Kind.NULL
    if text in {"true", "false"}:
        return Kind.BOOL
    if text.startswith('"'):
        return Kind.STRING if _is_string(text) else Kind.OTHER
    number = _NUMBER.fullmatch(text)
    if number is None:
        return Kind.OTHER
    if number[1] or number[2]:
        return Kind.FLOAT if math.isfinite(float(text)) else Kind.OTHER
    return _integer(text)


def _is_string(text: str) -> bool:
    """Whether the text decodes; a lone surrogate is valid JSON and yet no Unicode string."""
    try:
        return isinstance(orjson.loads(text), str)
    except orjson.JSONDecodeError:
        return False


def _integer(text: str) -> Kind:
    value = int(text) if len(text) <= _INT64_DIGITS else _INT64.stop
    if -_EXACT <= value <= _EXACT:
        return Kind.INT53
    return Kind.INT64 if value in _INT64 else Kind.OTHER
