"""Marks in an Arrow schema what only Parquet's own schema tells: UUIDs, for an older pyarrow, and intervals."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import types as pat

from fanout.source.parquet.arrow_types import INTERVAL, INTERVAL_BYTES, UUID


def marked_schema(parquet: pq.ParquetFile) -> pa.Schema:
    """Return the file's Arrow schema with UUIDs and intervals as types of their own, at every level."""
    schema: pa.Schema = parquet.schema_arrow
    leaves = [parquet.schema.column(index) for index in range(len(parquet.schema))]
    marks = [
        UUID if leaf.logical_type.type == "UUID" else INTERVAL if leaf.converted_type == "INTERVAL" else None
        for leaf in leaves
    ]
    if not any(marks) or sum(_leaves(field.type) for field in schema) != len(marks):
        return schema
    rest = iter(marks)
    return pa.schema([field.with_type(_marked(field.type, rest)) for field in schema], schema.metadata)


def _leaves(kind: pa.DataType) -> int:
    """Return how many columns of Parquet hold a type."""
    if isinstance(kind, pa.BaseExtensionType):
        return _leaves(kind.storage_type)
    return sum(_leaves(kind.field(index).type) for index in range(kind.num_fields)) or 1


def _marked(kind: pa.DataType, marks: Iterator[pa.DataType | None]) -> pa.DataType:
    def inner(child: pa.Field) -> pa.Field:
        return child.with_type(_marked(child.type, marks))

    if pat.is_struct(kind):
        return pa.struct([inner(kind.field(index)) for index in range(kind.num_fields)])
    if pat.is_map(kind):
        return pa.map_(inner(kind.key_field), inner(kind.item_field))
    if pat.is_fixed_size_list(kind):
        return pa.list_(inner(kind.value_field), kind.list_size)
    if pat.is_large_list(kind):
        return pa.large_list(inner(kind.value_field))
    if pat.is_list(kind):
        return pa.list_(inner(kind.value_field))
    found = [next(marks) for _ in range(_leaves(kind))]
    fits = {UUID: pa.binary(16), INTERVAL: INTERVAL_BYTES}
    return found[0] if found[0] is not None and kind == fits[found[0]] else kind
