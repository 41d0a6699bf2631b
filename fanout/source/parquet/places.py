"""Finds where in a Parquet file the column is that a name means: itself, a field of a struct, or a partition."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import types as pat

from fanout.errors import InputError
from fanout.source.names import splits
from fanout.source.parquet.footers import Footer
from fanout.text import did_you_mean


class Place(NamedTuple):
    """Where values come from.

    Attributes:
        kind: Their Arrow type, as the file has it.
        path: The column and the fields within it; empty where every row has the same `value`.
        value: Of every row: the partition's, or null for a column that the file may lack.
    """

    kind: pa.DataType
    path: tuple[str, ...]
    value: str | None = None

    def values(self, batch: pa.RecordBatch) -> pa.Array:
        """Return the column of a batch, null where an object around it is null."""
        if not self.path:
            return pa.repeat(pa.scalar(self.value, self.kind), batch.num_rows)
        column = batch.column(self.path[0])
        for name in self.path[1:]:
            column = pc.struct_field(column, [column.type.get_field_index(name)])
        return column


def place_of(footer: Footer, name: str, *, optional: bool) -> Place:
    """Return where `name` is: a column of that very name goes first.

    Raises:
        InputError: It is not there though it may not be lacking, or is there twice.
    """
    found = footer.schema.get_all_field_indices(name)
    if len(found) > 1:
        raise InputError(f"{footer.path}: column {name!r} is there {len(found)} times; rename one")
    if found:
        return Place(footer.schema.field(found[0]).type, (name,))
    nested = _within(dict(zip(footer.schema.names, footer.schema.types, strict=True)), name)
    if nested is not None:
        return nested
    if name in footer.partitions:
        return Place(pa.string(), (), footer.partitions[name])
    if optional:
        return Place(pa.null(), ())
    known = (*_names(footer.schema), *footer.partitions)
    raise InputError(f"{footer.path}: no column {name!r} ({did_you_mean(name, known)})")


def _within(types: Mapping[str, pa.DataType], name: str) -> Place | None:
    for head, rest in splits(name):
        kind = types.get(head)
        if kind is None or not pat.is_struct(kind):
            continue
        fields = {field.name: field.type for field in kind}
        if rest in fields:
            return Place(fields[rest], (head, rest))
        inner = _within(fields, rest)
        if inner is not None:
            return Place(inner.kind, (head, *inner.path))
    return None


def _names(schema: pa.Schema) -> Iterator[str]:
    """Yield the names that may have been meant: of columns, then of fields within them."""
    yield from schema.names
    for field in schema:
        yield from _inner_names(field)


def _inner_names(field: pa.Field) -> Iterator[str]:
    if pat.is_struct(field.type):
        for inner in field.type:
            yield f"{field.name}.{inner.name}"
            yield from (f"{field.name}.{name}" for name in _inner_names(inner))
