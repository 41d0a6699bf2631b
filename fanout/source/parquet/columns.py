"""The columns of one Parquet schema that a selection needs, checked up front, and their values row by row."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import pyarrow as pa
from pyarrow import types as pat

from fanout.domain.records import Passthrough
from fanout.errors import InputError
from fanout.source.exact_json import Unfit
from fanout.source.parquet.arrow_json import Converter, json_converter
from fanout.source.parquet.arrow_types import carried_type, holds_binary, is_bytes, is_text, plain_type
from fanout.source.selection import Selection
from fanout.text import did_you_mean

_NOT_UTF8 = Unfit("is not valid UTF-8")


class _Reading(NamedTuple):
    name: str
    carried: pa.DataType
    convert: Converter | None


class RowValues(NamedTuple):
    """A row: its values by name, ready for JSON, and its passthrough values; either may hold an `Unfit`."""

    values: dict[str, object]
    passthrough: Passthrough


class Columns:
    """What is read of a schema.

    Attributes:
        names: Columns to decode, never none, so that there are batches to count rows by.
        passthrough_schema: Plain types of the passthrough columns.
    """

    def __init__(
        self, schema: pa.Schema, selection: Selection, *, json_names: tuple[str, ...], path: str
    ) -> None:
        self._schema = schema
        self._path = path
        self._readings: dict[str, _Reading] = {}
        for name in json_names:
            self._add_json(name)
        if selection.payload_column is not None:
            self._add_payload(selection.payload_column)
        if selection.id_column is not None:
            self._add_json(selection.id_column)
        for text in filter(None, (*selection.text_options, selection.location_column)):
            self._require(text, "text", _is_text_or_null)
            self._add_json(text)
        for number in filter(None, selection.number_options):
            self._require(number, "a number", _is_number)
            self._add_json(number)
        plain = [(name, plain_type(self._field(name).type)) for name in selection.keep]
        self.passthrough_schema = pa.schema([pa.field(name, kind) for name, kind in plain])
        self._kept = [(name, carried_type(kind)) for name, kind in plain]
        needed = (*self._readings, *selection.keep)
        self.names = tuple(dict.fromkeys(needed)) or tuple(schema.names[:1])

    def rows(self, batch: pa.RecordBatch) -> Iterator[RowValues]:
        """Return an iterator over the rows of `batch`; whatever can fail has been done when it is returned."""
        names = tuple(self._readings)
        lists = [_converted(batch.column(one.name), one) for one in self._readings.values()]
        kept_lists = [_to_python(batch.column(name), carried) for name, carried in self._kept]
        values = zip(*lists, strict=True) if lists else iter([()] * batch.num_rows)
        passthrough = zip(*kept_lists, strict=True) if kept_lists else iter([()] * batch.num_rows)
        return (
            RowValues(dict(zip(names, row, strict=True)), kept_row)
            for row, kept_row in zip(values, passthrough, strict=True)
        )

    def _field(self, name: str) -> pa.Field:
        found = self._schema.get_all_field_indices(name)
        if not found:
            raise InputError(
                f"{self._path}: no column {name!r} ({did_you_mean(name, tuple(self._schema.names))})"
            )
        if len(found) > 1:
            raise InputError(f"{self._path}: column {name!r} is there {len(found)} times; rename one")
        return self._schema.field(found[0])

    def _require(self, name: str, what: str, holds: Callable[[pa.DataType], bool]) -> None:
        kind = plain_type(self._field(name).type)
        if not holds(kind):
            raise InputError(f"{self._path}: column {name!r} is {kind}, not {what}")

    def _add_payload(self, name: str) -> None:
        kind = plain_type(self._field(name).type)
        if not is_text(kind) and not is_bytes(kind):
            raise InputError(
                f"{self._path}: payload column {name!r} is {kind}, not bytes or text; "
                f"select it as a payload field, or by a template, to send it as JSON"
            )
        self._readings[name] = _Reading(name, carried_type(kind), None)

    def _add_json(self, name: str) -> None:
        kind = plain_type(self._field(name).type)
        if holds_binary(kind):
            raise InputError(
                f"{self._path}: column {name!r} is {kind}, which JSON has no text for: "
                f"use it as the payload column or leave it out"
            )
        self._readings[name] = _Reading(name, carried_type(kind), json_converter(kind))


def _is_text_or_null(kind: pa.DataType) -> bool:
    return is_text(kind) or bool(pat.is_null(kind))


def _is_number(kind: pa.DataType) -> bool:
    return bool(pat.is_integer(kind) or pat.is_floating(kind) or pat.is_null(kind))


def _converted(column: pa.Array, reading: _Reading) -> list[object]:
    values = _to_python(column, reading.carried)
    convert = reading.convert
    if convert is None:
        return values
    return [value if value is None or isinstance(value, Unfit) else convert(value) for value in values]


def _to_python(column: pa.Array, carried: pa.DataType) -> list[object]:
    if column.type != carried:
        column = column.cast(carried)
    try:
        values: list[object] = column.to_pylist()
    except UnicodeDecodeError:  # pyarrow does not check strings when reading: find the rows that it is about
        return [_one(value) for value in column]
    return values


def _one(value: pa.Scalar) -> object:
    try:
        result: object = value.as_py()
    except UnicodeDecodeError:
        return _NOT_UTF8
    return result
