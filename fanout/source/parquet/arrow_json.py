"""Turns carried Arrow values into JSON values: as they are where JSON has the type, else as text that is exact.

Instants, dates and times are ISO 8601 (with Z when the column has a time zone), durations `PT...S`, intervals
`P...M...DT...S`, decimals strings of all their digits, UUIDs 8-4-4-4-12, maps with string keys objects, other maps
arrays of pairs. NaN and infinities have no text.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from typing import cast
from uuid import UUID

import pyarrow as pa
from pyarrow import types as pat

from fanout.source.exact_json import DecimalText, Unfit
from fanout.source.parquet import arrow_types

Converter = Callable[[object], object]
Converters = Callable[[pa.DataType], Converter | None]

_PER_S = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}
_EPOCH = date(1970, 1, 1).toordinal()
_DAY_S = 86_400
_NOT_FINITE = Unfit("is NaN or infinite, which JSON has no text for")
_OUT_OF_RANGE = Unfit("is outside the years 1 to 9999")


def json_converter(kind: pa.DataType) -> Converter | None:
    """Return what makes JSON values of a plain type's carried values (never handed None), None if they are JSON."""
    for holds, make in _MAKERS:
        if holds(kind):
            return make(kind)
    return None


def kept_converter(kind: pa.DataType) -> Converter | None:
    """Return what makes texts of the intervals in a plain type's carried values, None where it holds none."""
    if kind == arrow_types.INTERVAL:
        return _interval(kind)
    if pat.is_map(kind):
        both = kept_converter(kind.key_type), kept_converter(kind.item_type)
        return _pairs(*both) if any(both) else None
    if pat.is_struct(kind):
        return _struct(kind, kept_converter)
    return _list(kind, kept_converter) if kind.num_fields == 1 else None


def _finite(_: pa.DataType) -> Converter:
    return lambda value: value if math.isfinite(cast("float", value)) else _NOT_FINITE


def _decimal(_: pa.DataType) -> Converter:
    return lambda value: DecimalText(format(cast("Decimal", value), "f"))


def _uuid(_: pa.DataType) -> Converter:
    return lambda value: str(UUID(bytes=cast("bytes", value)))


def _interval(_: pa.DataType) -> Converter:
    return lambda value: interval_text(cast("bytes", value))


def interval_text(value: bytes) -> str:
    """Return Parquet's INTERVAL, months, days and milliseconds in 12 bytes, as ISO 8601 says it."""
    months, days, millis = struct.unpack("<III", value)
    seconds, fraction = divmod(millis, 1_000)
    tail = f".{fraction:03d}" if fraction else ""
    return f"P{months}M{days}DT{seconds}{tail}S"


def _timestamp(kind: pa.DataType) -> Converter:
    per_s, suffix = _PER_S[kind.unit], "Z" if kind.tz else ""

    def convert(value: object) -> object:
        days, rest = divmod(cast("int", value), _DAY_S * per_s)
        day = _date(days)
        return day if isinstance(day, Unfit) else f"{day}T{_clock(rest, per_s)}{suffix}"

    return convert


def _date(days: int) -> str | Unfit:
    try:
        return date.fromordinal(_EPOCH + days).isoformat()
    except (ValueError, OverflowError):
        return _OUT_OF_RANGE


def _date_of(kind: pa.DataType) -> Converter:
    per_day = 1 if pat.is_date32(kind) else _DAY_S * 1_000
    return lambda value: _date(cast("int", value) // per_day)


def _clock(value: int, per_s: int) -> str:
    seconds, fraction = divmod(value, per_s)
    clock = f"{seconds // 3_600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"
    return f"{clock}.{fraction:0{len(str(per_s)) - 1}d}" if fraction else clock


def _time(kind: pa.DataType) -> Converter:
    per_s = _PER_S[kind.unit]
    return lambda value: _clock(cast("int", value), per_s)


def _duration(kind: pa.DataType) -> Converter:
    per_s = _PER_S[kind.unit]

    def convert(value: object) -> object:
        seconds, fraction = divmod(abs(cast("int", value)), per_s)
        sign = "-" if cast("int", value) < 0 else ""
        tail = f".{fraction:0{len(str(per_s)) - 1}d}" if fraction else ""
        return f"{sign}PT{seconds}{tail}S"

    return convert


def _list(kind: pa.DataType, converter: Converters = json_converter) -> Converter | None:
    inner = converter(kind.value_type)
    if inner is None:
        return None
    return lambda value: [None if one is None else inner(one) for one in cast("list[object]", value)]


def _struct(kind: pa.DataType, converter: Converters = json_converter) -> Converter | None:
    inner = {kind.field(index).name: converter(kind.field(index).type) for index in range(kind.num_fields)}
    special = [(name, convert) for name, convert in inner.items() if convert is not None]
    if not special:
        return None

    def convert(value: object) -> object:
        fields = cast("dict[str, object]", value)
        for name, inner_convert in special:
            if fields[name] is not None:
                fields[name] = inner_convert(fields[name])
        return fields

    return convert


def _map(kind: pa.DataType) -> Converter:
    pairs = _pairs(json_converter(kind.key_type), json_converter(kind.item_type))
    texts = pat.is_string(kind.key_type) or pat.is_large_string(kind.key_type)
    return (lambda value: dict(cast("list[tuple[str, object]]", pairs(value)))) if texts else pairs


def _pairs(key: Converter | None, item: Converter | None) -> Converter:
    def apply(convert: Converter | None, value: object) -> object:
        return value if convert is None or value is None else convert(value)

    def convert(value: object) -> object:
        return [
            (apply(key, one), apply(item, other)) for one, other in cast("list[tuple[object, object]]", value)
        ]

    return convert


_MAKERS: tuple[tuple[Callable[[pa.DataType], bool], Callable[[pa.DataType], Converter | None]], ...] = (
    (lambda kind: kind == arrow_types.UUID, _uuid),
    (lambda kind: kind == arrow_types.INTERVAL, _interval),
    (pat.is_floating, _finite),
    (pat.is_decimal, _decimal),
    (pat.is_timestamp, _timestamp),
    (pat.is_date, _date_of),
    (pat.is_time, _time),
    (pat.is_duration, _duration),
    (pat.is_struct, _struct),
    (pat.is_map, _map),
    (lambda kind: kind.num_fields == 1, _list),
)
