"""Finds the one type that holds the values of a column in all files, if nothing is lost by it."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import pyarrow as pa
from pyarrow import types as pat

from fanout.source.parquet.arrow_types import is_bytes, is_list, is_text

_SIGNED = (pa.int8(), pa.int16(), pa.int32(), pa.int64())
_UNSIGNED = (pa.uint8(), pa.uint16(), pa.uint32(), pa.uint64())
_UNITS = ("s", "ms", "us", "ns")
# Integers that a float holds exactly: 24 and 53 bits (IEEE 754).
_EXACT = {pa.float32(): 16, pa.float64(): 32}
_DIGITS_128, _DIGITS_256 = 38, 76


def unified(one: pa.DataType, other: pa.DataType) -> pa.DataType | None:
    """Return the plain type that holds all values of both, each exactly; None if there is none.

    Strings, binaries and lists of either width, whether nulls are allowed, and the names of list items make no
    difference. Numbers, decimals, times and the fields of structs are widened. Instants are not widened to
    nanoseconds, which end in 2262.
    """
    if one == other or pat.is_null(other):
        return one
    if pat.is_null(one):
        return other
    return next(filter(None, (rule(one, other) for rule in _RULES)), None)


def retimed(kind: pa.DataType, wanted: pa.DataType) -> pa.DataType:
    """Return `kind` with the units of `wanted`, which `unified` gave for it: what its values have to be cast to.

    All else that `unified` widens is one and the same Python object.
    """
    if pat.is_temporal(kind) and pat.is_temporal(wanted):
        return wanted
    if pat.is_struct(kind) and pat.is_struct(wanted):
        fields = [kind.field(index) for index in range(kind.num_fields)]
        return pa.struct(
            [field.with_type(retimed(field.type, wanted.field(field.name).type)) for field in fields]
        )
    if pat.is_map(kind) and pat.is_map(wanted):
        key, item = kind.key_field, kind.item_field
        return pa.map_(
            key.with_type(retimed(key.type, wanted.key_type)),
            item.with_type(retimed(item.type, wanted.item_type)),
        )
    if is_list(kind) and is_list(wanted):
        value = kind.value_field
        return _list_like(kind, value.with_type(retimed(value.type, wanted.value_type)))
    return kind


def _list_like(kind: pa.DataType, value: pa.Field) -> pa.DataType:
    if pat.is_fixed_size_list(kind):
        return pa.list_(value, kind.list_size)
    return pa.large_list(value) if pat.is_large_list(kind) else pa.list_(value)


def _texts(one: pa.DataType, other: pa.DataType) -> pa.DataType | None:
    return pa.large_string() if is_text(one) and is_text(other) else None


def _bytes(one: pa.DataType, other: pa.DataType) -> pa.DataType | None:
    if not (is_bytes(one) and is_bytes(other)):
        return None
    return pa.large_binary() if pa.large_binary() in (one, other) else pa.binary()


def _integers(one: pa.DataType, other: pa.DataType) -> pa.DataType | None:
    for kinds in (_SIGNED, _UNSIGNED):
        if one in kinds and other in kinds:
            return max(one, other, key=kinds.index)
    if not (pat.is_integer(one) and pat.is_integer(other)):
        return None
    signed, unsigned = (one, other) if one in _SIGNED else (other, one)
    bits = max(signed.bit_width, 2 * unsigned.bit_width)
    return next((kind for kind in _SIGNED if kind.bit_width >= bits), None)


def _floats(one: pa.DataType, other: pa.DataType) -> pa.DataType | None:
    if pat.is_floating(one) and pat.is_floating(other):
        return pa.float64()
    number, whole = (one, other) if pat.is_floating(one) else (other, one)
    if not (pat.is_floating(number) and pat.is_integer(whole)):
        return None
    return next(
        (k for k, bits in _EXACT.items() if whole.bit_width <= bits and k.bit_width >= number.bit_width), None
    )


def _decimals(one: pa.DataType, other: pa.DataType) -> pa.DataType | None:
    if not (pat.is_decimal(one) and pat.is_decimal(other)):
        return None
    scale = max(one.scale, other.scale)
    digits = scale + max(one.precision - one.scale, other.precision - other.scale)
    if digits > _DIGITS_256:
        return None
    wide = digits > _DIGITS_128 or pat.is_decimal256(one) or pat.is_decimal256(other)
    return pa.decimal256(digits, scale) if wide else pa.decimal128(digits, scale)


def _instants(one: pa.DataType, other: pa.DataType) -> pa.DataType | None:
    same = pat.is_timestamp(one) and pat.is_timestamp(other) and (one.tz is None) == (other.tz is None)
    unit = _finest(one, other) if same else None
    # Of two time zones the instants are the same; they are shown in UTC.
    return None if unit is None else pa.timestamp(unit, one.tz if one.tz == other.tz else "UTC")


def _durations(one: pa.DataType, other: pa.DataType) -> pa.DataType | None:
    unit = _finest(one, other) if pat.is_duration(one) and pat.is_duration(other) else None
    return None if unit is None else pa.duration(unit)


def _finest(one: pa.DataType, other: pa.DataType) -> str | None:
    """Return the finer of two units; None where it would be nanoseconds, of which 64 bits hold 584 years."""
    unit = max(one.unit, other.unit, key=_UNITS.index)
    return None if unit == "ns" and one.unit != other.unit else str(unit)


def _times(one: pa.DataType, other: pa.DataType) -> pa.DataType | None:
    if not (pat.is_time(one) and pat.is_time(other)):
        return None
    unit = max(one.unit, other.unit, key=_UNITS.index)
    return pa.time64(unit) if unit in {"us", "ns"} else pa.time32(unit)


def _dates(one: pa.DataType, other: pa.DataType) -> pa.DataType | None:
    return pa.date64() if pat.is_date(one) and pat.is_date(other) else None


def _lists(one: pa.DataType, other: pa.DataType) -> pa.DataType | None:
    if not (is_list(one) and is_list(other)):
        return None
    value = unified(one.value_type, other.value_type)
    if value is None:
        return None
    field = pa.field("element", value)
    if pat.is_large_list(one) or pat.is_large_list(other):
        return pa.large_list(field)
    fixed = pat.is_fixed_size_list(one) and pat.is_fixed_size_list(other) and one.list_size == other.list_size
    return pa.list_(field, one.list_size) if fixed else pa.list_(field)


def _maps(one: pa.DataType, other: pa.DataType) -> pa.DataType | None:
    if not (pat.is_map(one) and pat.is_map(other)):
        return None
    key, item = unified(one.key_type, other.key_type), unified(one.item_type, other.item_type)
    return None if key is None or item is None else pa.map_(key, item)


def _structs(one: pa.DataType, other: pa.DataType) -> pa.DataType | None:
    """Return a struct of the fields of both, in the order of the first; what one lacks is null there."""
    if not (pat.is_struct(one) and pat.is_struct(other)):
        return None
    fields: dict[str, pa.DataType] = {}
    for kind in (one, other):
        names = sorted(field.name for field in kind)
        if any(name == following for name, following in pairwise(names)):
            return None  # which of the two is meant?
        for field in kind:
            found = unified(fields.get(field.name, pa.null()), field.type)
            if found is None:
                return None
            fields[field.name] = found
    return pa.struct(list(fields.items()))


_RULES: tuple[Callable[[pa.DataType, pa.DataType], pa.DataType | None], ...] = (
    _texts,
    _bytes,
    _integers,
    _floats,
    _decimals,
    _instants,
    _durations,
    _times,
    _dates,
    _lists,
    _maps,
    _structs,
)
