"""Defines the output's columns, their types and order, and builds tables of outcomes in them.

Every duration is derived from the instants beside it. The write stage gathers and derives; the other modules of
`output` sort, store and merge.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from operator import attrgetter

import pyarrow as pa
import pyarrow.compute as pc

from fanout.domain.columns import OWN_COLUMNS
from fanout.domain.records import Outcome, Passthrough

SCHEMA_VERSION = 2
"""Of the columns; each version that is still read lacks columns of a later one, which are then null: see `current`."""
READABLE = frozenset({1, SCHEMA_VERSION})
_ADDED = {2: frozenset({"possible_attempts", "input_location", "ended_at"})}
"""The columns that each version added."""
VERSION_KEY = b"fanout:schema_version"
RUN_KEY = b"fanout:run"
CLOCK_KEY = b"fanout:clock"
JSON_KEY = b"fanout:json"
"""Field metadata of a passthrough column that holds JSON texts; its final type is decided when the run finishes."""

_VERSION = str(SCHEMA_VERSION).encode()

CLOCKS = (
    "due_at, sent_at, accepted_at, notified_at, collected_at, fetched_at, ended_at: the clock of the machine that "
    "ran fanout. received_at, completed_at: SageMaker's clock; where noticed_by is 'list', received_at is null and "
    "completed_at is the Last-Modified of S3, whole seconds. notify_ms spans two clocks and may be negative."
)

_INSTANT = pa.timestamp("us", tz="UTC")
# Plain strings rather than dictionaries: DuckDB, polars, pandas and datasets read them alike.
_BEFORE_KEPT = (pa.field("row", pa.int64(), nullable=False), pa.field("id", pa.string()))
_AFTER_KEPT = tuple(
    pa.field(name, kind)
    for name, kind in {
        "status": pa.string(),
        "transport": pa.string(),
        "payload_bytes": pa.int64(),
        "attempts": pa.int32(),
        "possible_attempts": pa.int32(),
        "resends": pa.int32(),
        "inference_id": pa.string(),
        "input_location": pa.string(),
        "output_location": pa.string(),
        "failure_location": pa.string(),
        "response": pa.large_binary(),
        "response_content_type": pa.string(),
        "error_code": pa.string(),
        "error_message": pa.string(),
        "due_at": _INSTANT,
        "sent_at": _INSTANT,
        "accepted_at": _INSTANT,
        "received_at": _INSTANT,
        "completed_at": _INSTANT,
        "notified_at": _INSTANT,
        "collected_at": _INSTANT,
        "fetched_at": _INSTANT,
        "ended_at": _INSTANT,
        "wait_ms": pa.float64(),
        "upload_ms": pa.float64(),
        "invoke_ms": pa.float64(),
        "service_ms": pa.float64(),
        "notify_ms": pa.float64(),
        "fetch_ms": pa.float64(),
        "total_ms": pa.float64(),
        "noticed_by": pa.string(),
    }.items()
)
_OURS = frozenset(OWN_COLUMNS)
assert tuple(field.name for field in chain(_BEFORE_KEPT, _AFTER_KEPT)) == OWN_COLUMNS

NO_FIELDS = pa.schema([])
"""Columns of fields of responses where none are wanted; `output.response_columns` makes them. They stand at the end."""

LARGE_BYTES = 1 << 20
"""Responses of this size are not copied into their column; below it, chunks would cost more than the copy."""

_PHASES = {
    "wait_ms": ("due_at", "sent_at"),
    "upload_ms": ("upload_started_at", "uploaded_at"),
    "invoke_ms": ("sent_at", "accepted_at"),
    "service_ms": ("received_at", "completed_at"),
    "notify_ms": ("completed_at", "notified_at"),
    "fetch_ms": ("collected_at", "fetched_at"),
}
"""Each duration's first and last instant; `total_ms` has its own rule, and `wait_ms` leaves out an upload."""

_INSTANTS = (
    *(field.name for field in _AFTER_KEPT if field.type == _INSTANT),
    *("upload_started_at", "uploaded_at"),  # not written: durations are derived from them
)
_GATHERED = (
    *(f for f in _BEFORE_KEPT + _AFTER_KEPT if f.name not in _INSTANTS and not f.name.endswith("_ms")),
    *(pa.field(name, pa.float64()) for name in _INSTANTS),
)
"""The columns that `gather` makes of an outcome's attributes; passthrough values follow them."""
# One getter for all attributes takes half as long as one for each.
_held = attrgetter(*(field.name for field in _GATHERED))


def kept_names(passthrough_schema: pa.Schema, fields: pa.Schema = NO_FIELDS) -> list[str]:
    """Return the output names of the passthrough columns, in their order, each unlike every other column's.

    A name that is ours, or was taken by a column before it, gets `input_` in front until it is free. Upper
    and lower case count as equal, since DuckDB, Spark and Athena look columns up that way.
    """
    wanted = [name.casefold() for name in passthrough_schema.names]
    taken = {*_OURS, *(name.casefold() for name in fields.names)}
    names: list[str] = []
    for place, name in enumerate(passthrough_schema.names):
        free = name
        # A later column that rightly owns the name `input_x` keeps it: only the colliding one moves.
        while free.casefold() in taken or (free != name and free.casefold() in wanted[place + 1 :]):
            free = f"input_{free}"
        taken.add(free.casefold())
        names.append(free)
    return names


def output_schema(passthrough_schema: pa.Schema, fields: pa.Schema = NO_FIELDS) -> pa.Schema:
    """Return the schema of a part file: the output's, but for JSON columns, which still hold their texts.

    Args:
        passthrough_schema: As the source gives it: plain types, which every reader of Parquet knows.
        fields: Columns of the fields of responses.
    """
    passthrough = [
        # Always nullable: a rejected row may have no passthrough values at all.
        pa.field(name, _written(field.type), metadata={JSON_KEY: b"1"} if is_json(field) else None)
        for name, field in zip(kept_names(passthrough_schema, fields), passthrough_schema, strict=True)
    ]
    metadata = {VERSION_KEY: _VERSION, CLOCK_KEY: CLOCKS.encode()}
    return pa.schema([*_BEFORE_KEPT, *passthrough, *_AFTER_KEPT, *fields], metadata=metadata)


def known_in(version: int) -> frozenset[str]:
    """Return the names of our own columns in a version that is read."""
    return _OURS.difference(*(added for since, added in _ADDED.items() if since > version))


def current_names(schema: pa.Schema) -> dict[str, str]:
    """Return by its name in a part, of any version that is read, what each passthrough column is called now.

    A name that a later version gave to a column of ours is a passthrough column's in an earlier part.
    """
    passthrough = passthrough_columns(schema)
    return dict(zip(passthrough.names, kept_names(passthrough, field_columns(schema)), strict=True))


def current(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Return rows of a part with all columns of this version; those that an earlier one lacks are null."""
    schema = batch.schema
    if (schema.metadata or {}).get(VERSION_KEY, _VERSION) == _VERSION:
        return batch
    first = schema.names.index("status")
    ours = dict(zip(schema.names[first:], batch.columns[first:], strict=True))
    columns = [
        *batch.columns[:first],
        *(ours.get(field.name, pa.nulls(batch.num_rows, field.type)) for field in _AFTER_KEPT),
        *(ours[name] for name in field_columns(schema).names),
    ]
    return pa.RecordBatch.from_arrays(columns, schema=current_schema(schema))


def current_schema(schema: pa.Schema) -> pa.Schema:
    """Return the schema that `current` gives to a part of `schema`."""
    names = current_names(schema)
    passthrough = [field.with_name(names[field.name]) for field in passthrough_columns(schema)]
    metadata = {**(schema.metadata or {}), VERSION_KEY: _VERSION}
    return pa.schema([*_BEFORE_KEPT, *passthrough, *_AFTER_KEPT, *field_columns(schema)], metadata=metadata)


def passthrough_columns(schema: pa.Schema) -> pa.Schema:
    """Return the passthrough columns of a part: they stand between `id` and `status`."""
    names = schema.names
    return pa.schema([schema.field(name) for name in names[len(_BEFORE_KEPT) : names.index("status")]])


def field_columns(schema: pa.Schema) -> pa.Schema:
    """Return the columns of a part that are fields of responses: they stand after `noticed_by`."""
    names = schema.names
    return pa.schema([schema.field(name) for name in names[names.index(OWN_COLUMNS[-1]) + 1 :]])


def is_json(field: pa.Field) -> bool:
    """Whether the column holds JSON texts."""
    return JSON_KEY in (field.metadata or {})


def gather(
    outcomes: Sequence[Outcome], passthrough_schema: pa.Schema, fields: pa.Schema = NO_FIELDS
) -> pa.Table:
    """Return the outcomes as columns: instants in seconds since the epoch, no durations yet.

    For `derive`, which takes several such tables as one.
    """
    held = list(map(_held, outcomes))
    found = zip(*held, strict=True) if held else [()] * len(_GATHERED)
    arrays = [
        _responses(values) if field.name == "response" else _column(values, field.type)
        for values, field in zip(found, _GATHERED, strict=True)
    ]
    passthrough = zip(
        passthrough_schema,
        _transposed([outcome.passthrough for outcome in outcomes], len(passthrough_schema)),
        strict=True,
    )
    arrays += [_restored(values, _written(field.type)) for field, values in passthrough]
    if fields.names:
        answers = _transposed([outcome.fields for outcome in outcomes], len(fields))
        arrays += [pa.array(values, type=field.type) for field, values in zip(fields, answers, strict=True)]
    names = [*(field.name for field in _GATHERED), *kept_names(passthrough_schema, fields), *fields.names]
    return pa.Table.from_arrays(arrays, names=names)


def derive(gathered: pa.Table, passthrough_schema: pa.Schema, fields: pa.Schema = NO_FIELDS) -> pa.Table:
    """Return what was gathered as a table of `output_schema(passthrough_schema, fields)`, with every duration.

    Instants are rounded to microseconds first and durations are differences of those, so that the file agrees
    with itself to the last digit.
    """
    schema = output_schema(passthrough_schema, fields)
    width = len(_GATHERED)
    columns = dict(zip(gathered.column_names[:width], gathered.columns, strict=False))
    instants = {name: _microseconds(columns[name]) for name in _INSTANTS}
    columns |= {name: instants[name].cast(_INSTANT) for name in _INSTANTS}
    for name, (first, last) in _PHASES.items():
        columns[name] = _milliseconds(instants[first], instants[last])
    columns["wait_ms"] = pc.subtract(columns["wait_ms"], _upload_while_due(instants))
    end = pc.coalesce(instants["fetched_at"], instants["notified_at"], instants["ended_at"])
    columns["total_ms"] = _milliseconds(_begin(instants), end)
    # Last: a passthrough column may have the name of an instant that is not ours to write.
    columns |= zip(gathered.column_names[width:], gathered.columns[width:], strict=True)
    return pa.Table.from_arrays([columns[name] for name in schema.names], schema=schema)


def _written(kind: pa.DataType) -> pa.DataType:
    """Return the type to write for a passthrough column of `kind`."""
    # pyarrow up to 22 cannot read a null fixed-size list from Parquet ("Expected all lists to be of size"), and
    # every rejected row may have one.
    return pa.list_(kind.value_type) if pa.types.is_fixed_size_list(kind) else kind


def _restored(values: Sequence[object], kind: pa.DataType) -> pa.Array:
    """Return passthrough values as a column; a UUID travels as its 16 bytes, also within lists and structs."""
    storage = _storage(kind)
    array = pa.array(values, type=storage)
    return array if storage == kind else array.cast(kind)


def _storage(kind: pa.DataType) -> pa.DataType:
    def inner(field: pa.Field) -> pa.Field:
        return field.with_type(_storage(field.type))

    if isinstance(kind, pa.BaseExtensionType):
        return kind.storage_type
    if pa.types.is_struct(kind):
        return pa.struct([inner(kind.field(index)) for index in range(kind.num_fields)])
    if pa.types.is_map(kind):
        return pa.map_(inner(kind.key_field), inner(kind.item_field))
    if pa.types.is_fixed_size_list(kind):
        return pa.list_(inner(kind.value_field), kind.list_size)
    if pa.types.is_large_list(kind):
        return pa.large_list(inner(kind.value_field))
    return pa.list_(inner(kind.value_field)) if pa.types.is_list(kind) else kind


def _responses(values: Sequence[bytes | None]) -> pa.ChunkedArray:
    """Return responses as a column; large ones stay where they are, each as a chunk, and are not copied."""
    chunks: list[pa.Array] = []
    small: list[bytes | None] = []
    for value in values:
        if value is None or len(value) < LARGE_BYTES:
            small.append(value)
            continue
        chunks += (pa.array(small, type=pa.large_binary()), _uncopied(value))
        small = []
    return pa.chunked_array([*chunks, pa.array(small, type=pa.large_binary())])


def _uncopied(response: bytes) -> pa.Array:
    offsets = pa.array([0, len(response)], type=pa.int64()).buffers()[1]
    return pa.Array.from_buffers(pa.large_binary(), 1, [None, offsets, pa.py_buffer(response)])


def _column(values: Sequence[object], kind: pa.DataType) -> pa.Array:
    try:
        return pa.array(values, type=kind)
    except UnicodeEncodeError:
        # A lone surrogate in one error message must not cost the rows around it.
        clean = [text.encode("utf-8", "replace") if isinstance(text, str) else text for text in values]
        return pa.array(clean, type=kind)


def _microseconds(seconds: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return instants as int64 microseconds since the epoch."""
    return pc.round(pc.multiply(seconds, 1e6)).cast(pa.int64())


def _upload_while_due(instants: dict[str, pa.ChunkedArray]) -> pa.ChunkedArray:
    """Return the milliseconds of each upload that began once its row was due, else 0: they are no wait.

    Only an experiment has rows due before their upload; elsewhere the request is due when the payload is there.
    """
    began, ended = instants["upload_started_at"], instants["uploaded_at"]
    within = pc.greater_equal(began, instants["due_at"])
    return pc.fill_null(pc.if_else(within, _milliseconds(began, ended), 0.0), 0.0)


def _begin(instants: dict[str, pa.ChunkedArray]) -> pa.ChunkedArray:
    """Return the instant from which each row's latency counts, as `Outcome.began_at` does."""
    due, uploading = instants["due_at"], instants["upload_started_at"]
    idle = pc.subtract(due, pc.min_element_wise(due, pc.coalesce(instants["uploaded_at"], due)))
    return pc.min_element_wise(due, pc.add(uploading, pc.coalesce(idle, 0)))


def _milliseconds(first: pa.ChunkedArray, last: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.divide(pc.subtract(last, first).cast(pa.float64()), 1000.0)


def _transposed(rows: Sequence[Passthrough], width: int) -> list[list[object]]:
    """Return the values of each row as columns; a row without any, which was rejected or failed, has nulls."""
    missing: Passthrough = (None,) * width
    held = [row or missing for row in rows]
    return [[row[place] for row in held] for place in range(width)]
