"""Arrow types as Python can carry them: plain ones for passthrough columns, and those that values are read through."""

from __future__ import annotations

from collections.abc import Callable

import pyarrow as pa
from pyarrow import types as pat


def plain_type(kind: pa.DataType) -> pa.DataType:
    """Return `kind` without dictionaries, views and extensions, at every level: what the output file holds.

    Half floats become floats, which hold them exactly: pyarrow 18 without NumPy crashes when it makes a half.
    """
    return _map_leaves(kind, lambda leaf: leaf)


def carried_type(kind: pa.DataType) -> pa.DataType:
    """Return the type through which values travel as Python objects, of the plain type.

    Instants, dates, times and durations travel as integers in their own unit: Python's objects have no
    nanoseconds and no years beyond 9999. `pa.array(values, type=plain_type(kind))` takes these integers back.
    """
    return _map_leaves(kind, _carried_leaf)


def holds_binary(kind: pa.DataType) -> bool:
    """Whether any value in a plain type is bytes, which JSON has no text for."""
    if pat.is_binary(kind) or pat.is_large_binary(kind) or pat.is_fixed_size_binary(kind):
        return True
    return any(holds_binary(kind.field(index).type) for index in range(kind.num_fields))


def is_text(kind: pa.DataType) -> bool:
    """Whether a plain type is a string."""
    return bool(pat.is_string(kind) or pat.is_large_string(kind))


def is_bytes(kind: pa.DataType) -> bool:
    """Whether a plain type is binary."""
    return bool(pat.is_binary(kind) or pat.is_large_binary(kind) or pat.is_fixed_size_binary(kind))


def _carried_leaf(kind: pa.DataType) -> pa.DataType:
    if pat.is_date32(kind) or pat.is_time32(kind):
        return pa.int32()
    if pat.is_temporal(kind):
        return pa.int64()
    return kind


def _map_leaves(kind: pa.DataType, leaf: Callable[[pa.DataType], pa.DataType]) -> pa.DataType:
    """Return `kind` with `leaf` applied to every type in it that holds no other, wrappers taken off."""

    def inner(child: pa.Field) -> pa.Field:
        return child.with_type(_map_leaves(child.type, leaf))

    if isinstance(kind, pa.BaseExtensionType):
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
