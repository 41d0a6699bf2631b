"""Decides how the rows of each Parquet file become records: from the footers, before the first row."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import pyarrow as pa
from pyarrow import types as pat

from fanout.errors import InputError
from fanout.source.assembler import Assembler, Payload, column_payload
from fanout.source.files import partitions_of
from fanout.source.jsonl.template import Template
from fanout.source.known import Known
from fanout.source.parquet.arrow_types import is_bytes, kept_type, plain_type
from fanout.source.parquet.columns import Columns
from fanout.source.parquet.footers import Footer
from fanout.source.parquet.instants import in_nanoseconds
from fanout.source.parquet.places import place_of
from fanout.source.parquet.unify import unified
from fanout.source.selection import Selection
from fanout.text import did_you_mean

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
        known: What a shard has to know of the files that it does not read.
    """

    by_path: dict[str, FilePlan]
    passthrough_schema: pa.Schema
    known: Known


def make_plans(
    footers: Sequence[Footer],
    selection: Selection,
    *,
    text_columns: Sequence[str],
    known: Known | None = None,
) -> Plans:
    """Return the plans of all files, after checking every footer against `selection`.

    Args:
        footers: Of all files that are read.
        selection: What of a row becomes what.
        text_columns: Binary columns whose bytes are UTF-8.
        known: Of the whole input, if these are not all of its files.

    Raises:
        InputError: A file lacks a column, has it with an unfit type, or keeps it with a type that no other type
            holds together with that of a file before it.
        UsageError: The selection contradicts itself, or its template is none.
    """
    with_rows = [footer for footer in footers if footer.rows]
    path, names = (known.path, known.names) if known else _first(with_rows or footers)
    selection = selection.resolved((*names, *partitions_of(path)))
    if not with_rows:
        passthrough_schema = known.passthrough_schema if known else _kept_of_none(footers, selection)
        return Plans({}, passthrough_schema, Known(path, names, passthrough_schema))
    if known is None:
        for name in text_columns:
            place_of(
                with_rows[0], name, optional=False
            )  # a typo would change nothing, and nothing would say so
    template = _template(with_rows, selection, names, path=path)
    by_path = {
        footer.path: _plan(footer, selection, template, text_columns=text_columns) for footer in with_rows
    }
    if known is not None:
        passthrough_schema = known.passthrough_schema
    else:
        passthrough_schema = pa.schema(
            [pa.field(name, _common_type(name, with_rows, by_path)) for name in selection.keep]
        )
    for plan in by_path.values():
        plan.columns.keep_as(passthrough_schema)
    return Plans(by_path, passthrough_schema, Known(path, names, passthrough_schema))


def _first(footers: Sequence[Footer]) -> tuple[str, tuple[str, ...]]:
    return footers[0].path, tuple(footers[0].schema.names)


def _template(
    footers: Sequence[Footer], selection: Selection, names: tuple[str, ...], *, path: str
) -> Template | None:
    """Return what makes the payloads of all files; None where one column is the payload.

    Args:
        footers: Of the files that are read and have rows.
        selection: Resolved.
        names: Columns of the input's first file that has rows, `path`.
        path: See `names`.
    """
    if selection.payload_column is not None:
        return None
    if not selection.whole_row:
        return Template.of(selection, known=names)
    if selection.location_column is not None:
        return Template.of_fields(())  # the object is the payload, the row is never one
    sendable = _sendable(names)
    for footer in footers:
        if not _sendable(footer.schema.names):
            raise InputError(
                f"{footer.path}: has {footer.rows} rows and no column to send; name the payload's columns"
            )
        _check_whole(footer, sendable, first=path)
    return Template.of_fields(sendable, known=names)


def _plan(
    footer: Footer, selection: Selection, template: Template | None, *, text_columns: Sequence[str]
) -> FilePlan:
    columns = Columns(
        footer,
        selection,
        json_names=template.names if template else (),
        optional=_optional(selection, template),
        text_columns=text_columns,
    )
    payload = template.render if template else column_payload(selection.payload_column or "")
    defaults = replace(selection.defaults, content_type=_content_type(columns, selection))
    return FilePlan(columns, Assembler(selection, defaults), payload, footer.read_rows)


def _optional(selection: Selection, template: Template | None) -> frozenset[str]:
    """Return the names that a file may lack, wherever they stand."""
    if template is None:
        return selection.optional
    required = (set(selection.named) - selection.optional) | (set(template.names) - template.optional)
    return (selection.optional | template.optional) - required


def _content_type(columns: Columns, selection: Selection) -> str:
    if selection.defaults.content_type is not None:
        return selection.defaults.content_type
    if selection.payload_column is None:
        return "application/json"
    kind = columns.plain(selection.payload_column)
    return "application/octet-stream" if is_bytes(kind) else "text/plain; charset=utf-8"


def _common_type(name: str, footers: Sequence[Footer], plans: Mapping[str, FilePlan]) -> pa.DataType:
    """Return the type that holds a passthrough column of all files."""
    kinds = {path: plan.columns.passthrough_schema.field(name).type for path, plan in plans.items()}
    if any(pat.is_timestamp(kind) and kind.unit == "ns" for kind in kinds.values()):
        kinds = {
            footer.path: in_nanoseconds(kinds[footer.path], footer, plans[footer.path].columns.path_of(name))
            for footer in footers
        }
    found, where = pa.null(), ""
    for path, kind in kinds.items():
        wider = unified(found, kind)
        if wider is None:
            raise InputError(
                f"{path}: passthrough column {name!r} is {kind}, but {found} in {where}; no type holds both "
                f"without loss: cast one of them, or run the files apart"
            )
        if wider != found:
            found, where = wider, path
    return found


def _sendable(names: Sequence[str]) -> tuple[str, ...]:
    """Return the columns of a whole row: all but pandas' index, which is sent where it is asked for by name."""
    return tuple(name for name in names if not _INDEX.fullmatch(name))


def _check_whole(footer: Footer, known: Sequence[str], *, first: str) -> None:
    """Refuse a file whose rows would say more than those of the first one; what it lacks is found by name."""
    extra = [name for name in _sendable(footer.schema.names) if name not in known]
    if extra:
        meant = did_you_mean(extra[0], known)
        raise InputError(
            f"{footer.path}: column {extra[0]!r} is not in {first} ({meant}); "
            "choose the payload's columns, or run the files apart"
        )


def _kept_of_none(footers: Sequence[Footer], selection: Selection) -> pa.Schema:
    """Return the passthrough columns of an input without rows: their types where a file tells them."""

    def kind(name: str) -> pa.DataType:
        schemas = [footer.schema for footer in footers if footer.schema.get_all_field_indices(name)]
        return kept_type(plain_type(schemas[0].field(name).type)) if schemas else pa.null()

    return pa.schema([pa.field(name, kind(name)) for name in selection.keep])
