"""Decides how the rows of each Parquet file become records: from the footers, before the first row."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import pyarrow as pa

from fanout.errors import InputError
from fanout.source.assembler import Assembler, Payload, column_payload
from fanout.source.jsonl.template import Template
from fanout.source.parquet.arrow_types import is_text, plain_type
from fanout.source.parquet.columns import Columns
from fanout.source.parquet.footers import Footer
from fanout.source.selection import Selection
from fanout.source.suggest import nearest

_INDEX = re.compile(r"__index_level_\d+__")
"""What pandas calls the columns of an index without a name."""


class FilePlan(NamedTuple):
    """How the rows of one file are read and made into records."""

    columns: Columns
    assembler: Assembler
    payload: Payload
    rows: int


class Plans(NamedTuple):
    """How all files are read.

    Attributes:
        by_path: The plan of each file that has rows: one without has no say in columns or types.
        passthrough_schema: Plain types of the passthrough columns.
    """

    by_path: dict[str, FilePlan]
    passthrough_schema: pa.Schema


def make_plans(footers: Sequence[Footer], selection: Selection) -> Plans:
    """Return the plans of all files, after checking every footer against `selection`.

    Raises:
        InputError: A file lacks a column, has it with an unfit type, or keeps it with another type than the first.
    """
    with_rows = [footer for footer in footers if footer.rows]
    if not with_rows:
        return Plans({}, _kept_of_none(footers, selection))
    template = _template(with_rows, selection)
    by_path = {footer.path: _plan(footer, selection, template) for footer in with_rows}
    first = with_rows[0].path
    passthrough_schema = by_path[first].columns.passthrough_schema
    for path, plan in by_path.items():
        _check_kept(plan.columns.passthrough_schema, path, first, passthrough_schema)
    return Plans(by_path, passthrough_schema)


def _template(footers: Sequence[Footer], selection: Selection) -> Template | None:
    """Return what makes the payloads of all files; None where one column is the payload."""
    if selection.payload_column is not None:
        return None
    known = tuple(footers[0].schema.names)
    if not selection.whole_row:
        return Template.of(selection, known=known)
    if selection.location_column is not None:
        return Template.of_fields(())  # the object is the payload, the row is never one
    first = footers[0]
    for footer in footers:
        if not _sendable(footer):
            raise InputError(
                f"{footer.path}: has {footer.rows} rows and no column to send; name the payload's columns"
            )
        _check_whole(footer, first)
    return Template.of_fields(_sendable(first), known=known)


def _sendable(footer: Footer) -> tuple[str, ...]:
    """Return the columns of a whole row: all but pandas' index, which is sent where it is asked for by name."""
    return tuple(name for name in footer.schema.names if not _INDEX.fullmatch(name))


def _plan(footer: Footer, selection: Selection, template: Template | None) -> FilePlan:
    columns = Columns(
        footer.schema, selection, json_names=template.names if template else (), path=footer.path
    )
    payload = template.render if template else column_payload(selection.payload_column or "")
    defaults = replace(selection.defaults, content_type=_content_type(footer, selection))
    return FilePlan(columns, Assembler(selection, defaults), payload, footer.rows)


def _content_type(footer: Footer, selection: Selection) -> str:
    if selection.defaults.content_type is not None:
        return selection.defaults.content_type
    if selection.payload_column is None:
        return "application/json"
    kind = plain_type(footer.schema.field(selection.payload_column).type)
    return "text/plain; charset=utf-8" if is_text(kind) else "application/octet-stream"


def _check_whole(footer: Footer, first: Footer) -> None:
    """Refuse a file whose rows would say more than those of the first one; what it lacks is found by name."""
    known = _sendable(first)
    extra = [name for name in _sendable(footer) if name not in known]
    if extra:
        raise InputError(
            f"{footer.path}: column {extra[0]!r} is not in {first.path}"
            f"{nearest(extra[0], known)}; choose the payload's columns, or run the files apart"
        )


def _check_kept(passthrough: pa.Schema, path: str, first_path: str, first: pa.Schema) -> None:
    for mine, theirs in zip(passthrough, first, strict=True):
        if mine.type != theirs.type:
            raise InputError(
                f"{path}: passthrough column {mine.name!r} is {mine.type}, but {theirs.type} in {first_path}; "
                f"cast one of them, or run the files apart"
            )


def _kept_of_none(footers: Sequence[Footer], selection: Selection) -> pa.Schema:
    """Return the passthrough columns of an input without rows: their types where a file tells them."""

    def kind(name: str) -> pa.DataType:
        schemas = [footer.schema for footer in footers if footer.schema.get_all_field_indices(name)]
        return (
            plain_type(schemas[0].field(schemas[0].get_all_field_indices(name)[0]).type)
            if schemas
            else pa.null()
        )

    return pa.schema([pa.field(name, kind(name)) for name in selection.keep])
