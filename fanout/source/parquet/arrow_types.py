"""Maps Arrow types to plain ones for passthrough columns, and to those through which Python carries their values."""

from __future__ import annotations

from collections.abc import Callable

import pyarrow as pa
from pyarrow import types as pat

UUID = pa.uuid()
INTERVAL = pa.month_day_nano_interval()
"""Stands for Parquet's INTERVAL, of which pyarrow tells only that it has 12 bytes."""
INTERVAL_BYTES = pa.binary(12)


def plain_type(kind: pa.DataType) -> pa.DataType:
    """Return `kind` without dictionaries, views and extensions but UUIDs, at every level.

    Half floats become floats, which hold them exactly: pyarrow 18 without NumPy crashes when it makes a half.
    """
    return _map_leaves(kind, lambda leaf: leaf)


def carried_type(kind: pa.DataType) -> pa.DataType:
    """Return the type through which values travel as Python objects, of the plain type.

    Instants, dates, times and durations travel as integers in their own unit: Python's objects have no
    nanoseconds and no years beyond 9999. `pa.array(values, type=plain_type(kind))` takes these integers back.
    """
    return _map_leaves(kind, _carried_leaf)


def stored_type(kind: pa.DataType) -> pa.DataType:
    """Return the type as which a file's columns of a plain type can be had by a cast."""
    bare = {UUID: UUID.storage_type, INTERVAL: INTERVAL_BYTES}
    return _map_leaves(kind, lambda leaf: bare.get(leaf, leaf))


def kept_type(kind: pa.DataType) -> pa.DataType:
    """Return the type that a passthrough column of a plain type has in the output, where no interval can be written."""
    return _map_leaves(kind, lambda leaf: pa.string() if leaf == INTERVAL else leaf)


def holds_binary(kind: pa.DataType) -> bool:
    """Whether any value in a plain type is bytes, which JSON has no text for."""
    return is_bytes(kind) or any(holds_binary(kind.field(index).type) for index in range(kind.num_fields))


def is_text(kind: pa.DataType) -> bool:
    """Whether a plain type is a string."""
    return bool(pat.is_string(kind) or pat.is_large_string(kind))


def is_bytes(kind: pa.DataType) -> bool:
    """Whether a plain type is binary."""
    return bool(pat.is_binary(kind) or pat.is_large_binary(kind) or pat.is_fixed_size_binary(kind))


def is_list(kind: pa.DataType) -> bool:
    """Whether a plain type is a list, whatever its size and the width of its offsets."""
    return bool(pat.is_list(kind) or pat.is_large_list(kind) or pat.is_fixed_size_list(kind))


def _carried_leaf(kind: pa.DataType) -> pa.DataType:
    if kind == UUID:
        return kind.storage_type
    if kind == INTERVAL:
        return INTERVAL_BYTES
    if pat.is_date32(kind) or pat.is_time32(kind):
        return pa.int32()
    if pat.is_temporal(kind):
        return pa.int64()
    return kind


def _map_leaves(kind: pa.DataType, leaf: Callable[[pa.DataType], pa.DataType]) -> pa.DataType:
    """Return `kind` with `leaf` applied to every type in it that holds no other, wrappers taken off."""

    def inner(child: pa.Field) -> pa.Field:
        return child.with_type(_map_leaves(child.type, leaf))

    if kind == UUID:
        mapped = leaf(kind)
    elif isinstance(kind, pa.BaseExtensionType):
        mapped = _map_leaves(kind.storage_type, leaf)
    elif pat.is_dictionary(kind):
        mapped = _map_leaves(kind.value_type, leaf)
    elif pat.is_struct(kind):
        mapped = pa.struct([inner(kind.field(index)) for index in range(kind.num_fields)])
    elif pat.is_map(kind):
        mapped = pa.map_(inner(kind.key_field), inner(kind.item_field))
    elif pat.is_fixed_size_list(kind):
        mapped = pa.list_(inner(kind.value_field), kind.list_size)
    elif pat.is_large_list(kind) or pat.is_large_list_view(kind):
        mapped = pa.large_list(inner(kind.value_field))
    elif kind.num_fields == 1:
        mapped = pa.list_(inner(kind.value_field))
    else:
        mapped = leaf(_PLAIN.get(kind, kind))
    return mapped


_PLAIN = {pa.string_view(): pa.string(), pa.binary_view(): pa.binary(), pa.float16(): pa.float32()}
