"""Gives the fields of responses their columns, and turns responses that are texts into them."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

from fanout.domain.field_types import FieldType, ListOf, Member, Plain, StructOf, Timestamp
from fanout.domain.response_fields import NOT_TEXT, ResponseField
from fanout.output.large_page import LargeValues

PATH_KEY = b"fanout:path"
"""Field metadata of such a column: where in the response its values stood (RFC 9535)."""
RESPONSE = "response"


def response_columns(fields: Sequence[ResponseField]) -> pa.Schema:
    """Return the columns of `fields`; all may be null, as a row that failed has none of them."""
    return pa.schema(
        [
            pa.field(field.name, arrow_type(field.kind), metadata={PATH_KEY: field.path.encode()})
            for field in fields
        ]
    )


def arrow_type(kind: FieldType) -> pa.DataType:
    """Return the Arrow type of a field."""
    match kind:
        case Plain(name):
            return pa.type_for_alias(name)
        case Timestamp(unit, zone):
            return pa.timestamp(unit, tz=zone)
        case ListOf(item):
            return pa.list_(_field(item))
        case StructOf(members):
            return pa.struct([_field(member) for member in members])


def as_text(responses: pa.ChunkedArray) -> pa.ChunkedArray:
    r"""Return responses as text; a byte that is no UTF-8, which an `invalid` row may have, becomes `\xNN`."""
    try:
        return responses.cast(pa.large_string())
    except pa.ArrowInvalid:
        return pa.chunked_array([_escaped(chunk) for chunk in responses.chunks], type=pa.large_string())


def let_go_of_no_text(table: pa.Table, *, large: LargeValues) -> pa.Table:
    """Return the table, whose large responses that are no text are taken out of `large`: they stay null.

    What is copied as a page cannot be escaped; the object that it was read from stays in S3.
    """
    if large:
        no_text = table.filter(pc.equal(table.column("error_code"), NOT_TEXT))
        for row in no_text.column("row").to_pylist():
            large.pop(row, None)
    return table


def _escaped(responses: pa.Array) -> pa.Array:
    try:
        return responses.cast(pa.large_string())
    except pa.ArrowInvalid:
        texts = (
            None if body is None else body.decode(errors="backslashreplace") for body in responses.to_pylist()
        )
        return pa.array(texts, type=pa.large_string())


def _field(member: Member) -> pa.Field:
    return pa.field(member.name, arrow_type(member.kind), nullable=not member.required)
