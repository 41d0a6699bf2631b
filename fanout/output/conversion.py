"""Converts a part's columns to the output's: the same, but JSON texts become values of one type, and responses text.

The output's types follow from all parts together, so they do not depend on which part held which row.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import pyarrow as pa

from fanout.domain.response_fields import Form
from fanout.output.json_types import Kind, decode, final_type
from fanout.output.parts import Part
from fanout.output.response_columns import RESPONSE, as_text
from fanout.output.row_order import CorruptParts
from fanout.output.schema import NO_FIELDS, is_json, output_schema


@dataclass(frozen=True, slots=True)
class Conversion:
    """Turns tables of parts into tables of the output.

    Attributes:
        schema: The output's, with its metadata.
        decoded: The type of each JSON column, by name; None for one that stays JSON texts.
        form: What responses are written as.
    """

    schema: pa.Schema
    decoded: Mapping[str, pa.DataType | None]
    form: Form = "bytes"

    @classmethod
    def of(
        cls,
        parts: Iterable[Part],
        passthrough_schema: pa.Schema,
        *,
        fields: pa.Schema = NO_FIELDS,
        form: Form = "bytes",
        metadata: Mapping[str, str],
    ) -> Conversion:
        """Return the conversion that suits all of `parts`; `metadata` goes into the file beside our own."""
        source = output_schema(passthrough_schema, fields)
        kinds: dict[str, set[Kind]] = {field.name: set() for field in source if is_json(field)}
        for part in parts:
            if part.kinds.keys() != kinds.keys():
                raise CorruptParts(_foreign(part.path))
            for name, found in part.kinds.items():
                kinds[name] |= found
        decoded = {name: final_type(found) for name, found in kinds.items()}
        columns = [
            pa.field(field.name, decoded[field.name] or pa.string()) if field.name in decoded else field
            for field in source
        ]
        if form != "bytes":
            place = source.get_field_index(RESPONSE)
            columns[place] = columns[place].with_type(pa.large_string())
        return cls(pa.schema(columns, metadata={**source.metadata, **metadata}), decoded, form)

    def __call__(self, table: pa.Table) -> pa.Table:
        """Return the rows of `table` with the output's columns."""
        if table.schema.names != self.schema.names:
            raise CorruptParts(_foreign("a part"))
        columns = [self._column(table.column(field.name), field) for field in self.schema]
        return pa.Table.from_arrays(columns, schema=self.schema)

    def _column(self, column: pa.ChunkedArray, field: pa.Field) -> pa.ChunkedArray:
        if field.name in self.decoded:
            return decode(column, self.decoded[field.name])
        if self.form != "bytes" and field.name == RESPONSE:
            return as_text(column)
        # Parquet has no time32[s], for one: what it gave back has another type than what was written.
        return column if column.type == field.type else column.cast(field.type)


def _foreign(where: object) -> str:
    return (
        f"{where} has other passthrough columns than this run: parts of two runs were mixed, which is a bug"
    )
