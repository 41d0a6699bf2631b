"""Reads the columns that a selection needs of one Parquet file, each checked up front, as values row by row."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from typing import NamedTuple

import pyarrow as pa
from pyarrow import types as pat

from fanout.domain.records import Passthrough
from fanout.errors import InputError
from fanout.source.exact_json import Unfit
from fanout.source.parquet.arrow_json import Converter, json_converter, kept_converter
from fanout.source.parquet.arrow_types import (
    UUID,
    carried_type,
    holds_binary,
    is_bytes,
    is_text,
    kept_type,
    plain_type,
    stored_type,
)
from fanout.source.parquet.footers import Footer
from fanout.source.parquet.places import Place, place_of
from fanout.source.parquet.unify import retimed
from fanout.source.selection import Selection

_NOT_UTF8 = Unfit("is not valid UTF-8", code="InvalidUTF8")
_NOT_FITTING = Unfit("is too far from 1970 for the unit that other files have", code="OutOfRange")


class _Reading(NamedTuple):
    """How a column's values are read: cast to `timed`, if its units have to change, then to `carried`."""

    place: Place
    plain: pa.DataType
    carried: pa.DataType
    convert: Converter | None
    timed: pa.DataType | None = None


class RowValues(NamedTuple):
    """A row: its values by name, ready for JSON, and its passthrough values; either may hold an `Unfit`."""

    values: dict[str, object]
    passthrough: Passthrough


class Columns:
    """What is read of a file.

    Attributes:
        paths: Columns, and fields of structs, to decode; never none, so that there are batches to count rows by.
        passthrough_schema: Plain types of the passthrough columns, as this file has them.
    """

    def __init__(
        self,
        footer: Footer,
        selection: Selection,
        *,
        json_names: Collection[str],
        optional: Collection[str],
        text_columns: Collection[str],
    ) -> None:
        """Check the file against `selection`.

        Args:
            footer: Of the file.
            selection: What of a row becomes what.
            json_names: Columns that stand in the payload as JSON.
            optional: Names that the file may lack.
            text_columns: Binary columns whose bytes are UTF-8.

        Raises:
            InputError: A column is missing, or of an unfit type.
        """
        self._footer = footer
        self._text = text_columns
        self._optional = optional
        self._readings: dict[str, _Reading] = {}
        if selection.id_column is not None:  # before the payload, of which it may be a part
            self._check_id(selection.id_column)
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
        self._kept = [self._keep(name) for name in selection.keep]
        self.passthrough_schema = pa.schema(
            [
                pa.field(name, kept_type(one.plain))
                for name, one in zip(selection.keep, self._kept, strict=True)
            ]
        )
        paths = [
            ".".join(one.place.path) for one in (*self._readings.values(), *self._kept) if one.place.path
        ]
        self.paths = tuple(dict.fromkeys(paths)) or tuple(footer.schema.names[:1])

    def keep_as(self, passthrough_schema: pa.Schema) -> None:
        """Have passthrough values fit the types that hold those of all files."""
        for place, (one, field) in enumerate(zip(self._kept, passthrough_schema, strict=True)):
            timed = retimed(one.plain, field.type)
            if timed != one.plain:
                self._kept[place] = one._replace(carried=carried_type(timed), timed=stored_type(timed))

    def rows(self, batch: pa.RecordBatch) -> Iterator[RowValues]:
        """Return an iterator over the rows of `batch`; whatever can fail has been done when it is returned."""
        names = tuple(self._readings)
        lists = [_values(batch, one) for one in self._readings.values()]
        kept_lists = [_values(batch, one) for one in self._kept]
        values = zip(*lists, strict=True) if lists else iter([()] * batch.num_rows)
        passthrough = zip(*kept_lists, strict=True) if kept_lists else iter([()] * batch.num_rows)
        return (
            RowValues(dict(zip(names, row, strict=True)), kept_row)
            for row, kept_row in zip(values, passthrough, strict=True)
        )

    def plain(self, name: str) -> pa.DataType:
        """Return the plain type of a column: text where the user says so.

        Raises:
            InputError: There is no such column, or what is said to be text is not binary.
        """
        return self._find(name)[1]

    def path_of(self, name: str) -> tuple[str, ...]:
        """Return the column that a name means, and the fields within it; nothing for a constant."""
        return self._find(name)[0].path

    def _find(self, name: str) -> tuple[Place, pa.DataType]:
        place = place_of(self._footer, name, optional=name in self._optional)
        kind = plain_type(place.kind)
        if name in self._text and not is_text(kind) and not pat.is_null(kind):
            if not is_bytes(kind):
                raise InputError(
                    f"{self._footer.path}: column {name!r} is {kind}, not binary: it cannot be read as text"
                )
            kind = pa.string()
        return place, kind

    def _require(self, name: str, what: str, holds: Callable[[pa.DataType], bool]) -> None:
        kind = self.plain(name)
        if not holds(kind):
            raise InputError(f"{self._footer.path}: column {name!r} is {kind}, not {what}{_hint(kind)}")

    def _check_id(self, name: str) -> None:
        kind = self.plain(name)
        if holds_binary(kind):
            raise InputError(
                f"{self._footer.path}: id column {name!r} is {kind}, which cannot be an id: choose a column of text or "
                f"numbers{_hint(kind)}"
            )

    def _add_payload(self, name: str) -> None:
        place, kind = self._find(name)
        if not (_is_text_or_null(kind) or is_bytes(kind) or kind == UUID):
            step = _inner(name, kind) or "select it as a payload field, or by a template, to send it as JSON"
            raise InputError(
                f"{self._footer.path}: payload column {name!r} is {kind}, not bytes or text: {step}"
            )
        self._readings[name] = self._reading(place, kind, json_converter(kind))

    def _add_json(self, name: str) -> None:
        place, kind = self._find(name)
        if holds_binary(kind):
            raise InputError(
                f"{self._footer.path}: column {name!r} is {kind}, which JSON has no text for: "
                f"{_inner(name, kind) or f'send it alone (--payload-column {name})'}, or say which columns are sent "
                f"(--payload-fields a,b){_hint(kind)}"
            )
        self._readings[name] = self._reading(place, kind, json_converter(kind))

    def _keep(self, name: str) -> _Reading:
        place, kind = self._find(name)
        return self._reading(place, kind, kept_converter(kind))

    def _reading(self, place: Place, kind: pa.DataType, convert: Converter | None) -> _Reading:
        held = plain_type(place.kind)
        if is_bytes(held) and is_text(kind):
            return _Reading(place, kind, held, _decoded)
        return _Reading(place, kind, carried_type(kind), convert)


def _inner(name: str, kind: pa.DataType) -> str | None:
    """Return how to send the bytes in a column's field, `audio.bytes`; None where no field of it is bytes."""
    if not pat.is_struct(kind):
        return None
    fields = [kind.field(n) for n in range(kind.num_fields)]
    inner = next((f"{name}.{field.name}" for field in fields if is_bytes(plain_type(field.type))), None)
    return None if inner is None else f"send the bytes in it (--payload-column {inner})"


def _hint(kind: pa.DataType) -> str:
    return ", or name it in input.text_columns if its bytes are text" if is_bytes(kind) else ""


def _is_text_or_null(kind: pa.DataType) -> bool:
    return is_text(kind) or bool(pat.is_null(kind))


def _is_number(kind: pa.DataType) -> bool:
    return bool(pat.is_integer(kind) or pat.is_floating(kind) or pat.is_decimal(kind) or pat.is_null(kind))


def _decoded(value: object) -> object:
    try:
        return value.decode() if isinstance(value, bytes) else value
    except UnicodeDecodeError:
        return _NOT_UTF8


def _values(batch: pa.RecordBatch, reading: _Reading) -> list[object]:
    column = reading.place.values(batch)
    if reading.timed is None:
        values = _to_python(column, reading.carried)
    else:
        values = _retimed(column, reading.timed, reading.carried)
    convert = reading.convert
    if convert is None:
        return values
    return [value if value is None or isinstance(value, Unfit) else convert(value) for value in values]


def _retimed(column: pa.Array, timed: pa.DataType, carried: pa.DataType) -> list[object]:
    try:
        return _to_python(column.cast(timed), carried)
    except pa.ArrowInvalid:  # an instant does not fit: find the rows that it is about
        if len(column) == 1:
            return [_NOT_FITTING]
    return [value for row in range(len(column)) for value in _retimed(column.slice(row, 1), timed, carried)]


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
