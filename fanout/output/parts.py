"""Writes part files: each is closed, verified and durable before anything in it is acknowledged.

A table of outcomes becomes `part-NNNNN.parquet` and the `Part` that describes it; `read_parts` finds the parts of
a directory after a crash. The write stage commits a part to the journal only when `write_part` has returned.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePath

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from fanout.errors import StorageError
from fanout.failpoints import failpoint
from fanout.files import make_directory, publish, readable, storage
from fanout.output.json_types import Kind, kinds_of
from fanout.output.large_page import LargeValues, set_aside
from fanout.output.parquet import PART, handed_over, open_file, read_back, row_span, write
from fanout.output.row_order import CorruptParts
from fanout.output.schema import current_names, is_json
from fanout.output.shift import Shift

_KINDS_KEY = b"fanout:kinds"
_NAME = re.compile(r"part-([0-9]{5,})\.parquet")

_LARGE_BYTES = 4 * 1024
"""Values of this size, on average, are put in order where they are: `take` copies a column twice."""

Kinds = Mapping[str, frozenset[Kind]]
"""The kinds of JSON value in each JSON column, by its output name."""


@dataclass(frozen=True, slots=True)
class Part:
    """A part file: sorted by row, each row at most once.

    Attributes:
        min_row: Its first row; `max_row` its last. Rows between them may be in other parts.
        size_bytes: Of the file.
        kinds: What its JSON columns hold; decides on their final type together with all other parts'.
        shift: What its rows are renumbered by when they are read; None for a part whose rows have their numbers.
            `min_row` and `max_row` are those after that.
    """

    path: Path
    number: int
    rows: int
    min_row: int
    max_row: int
    size_bytes: int
    kinds: Kinds = field(default_factory=dict, hash=False)
    shift: Shift | None = None

    def shifted(self, shift: Shift) -> Part:
        """Return the part of a shard as one of the whole run."""
        before = shift.rows_before
        return replace(self, min_row=self.min_row + before, max_row=self.max_row + before, shift=shift)


def write_part(directory: Path, number: int, table: pa.Table) -> Part:
    """Store `table` as part `number` of `directory`; on return it has survived a power cut.

    Args:
        directory: The run's `parts/`, created (0700) if it is not there.
        number: Never used before in this directory.
        table: At least one row, of `schema.output_schema`; in any order.

    Raises:
        StorageError: The disk is full or failed; what has the part's name, if anything, is whole.
        CorruptParts: A row is there twice, or the number is taken.
    """
    assert table.num_rows, "a part without rows would say nothing"
    table, large = set_aside(table)
    table = in_order(table)
    if pc.count_distinct(table.column("row")).as_py() != table.num_rows:
        raise CorruptParts(f"a row is twice in part {number}, which is a bug")
    make_directory(directory)
    path = directory / part_name(number)
    draft = path.with_name(f"{path.name}.tmp")
    kinds = {name: kinds_of(table.column(name)) for name in _json_columns(table.schema)}
    schema, tables = _with_kinds(table.schema, kinds), [table]
    del table  # it goes once it is written: reading it back takes as much memory again
    part = write_sorted(draft, handed_over(tables), number=number, schema=schema, large=large)
    failpoint("part.drafted")
    try:
        publish(draft, path)
    except FileExistsError as error:
        raise CorruptParts(f"{path} is there already: its number was used twice, which is a bug") from error
    finally:
        draft.unlink(missing_ok=True)
    failpoint("part.named")
    return replace(part, path=path)


def write_sorted(
    path: Path,
    tables: Iterable[pa.Table],
    *,
    number: int,
    schema: pa.Schema,
    large: LargeValues | None = None,
) -> Part:
    """Store sorted `tables` at `path`, read it all back, and return what it turned out to be.

    Raises:
        StorageError: The disk is full or failed, or did not give back what was written.
    """
    written = 0

    def counted() -> Iterable[pa.Table]:
        nonlocal written
        for table in tables:
            written += table.num_rows
            yield table
            del table

    write(path, schema, counted(), layout=PART, large=large)
    try:
        _expect(path, sum(len(rows) for rows in read_back(path)), written)
        return _read_part(path, number)
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def read_parts(directory: Path) -> list[Part]:
    """Return the parts of `directory` in the order of their numbers; drafts and other files are ignored.

    Reads footers only: a part has its name because all of it was read back before.

    Raises:
        StorageError: The directory or one of the parts cannot be read.
    """
    with storage(directory, "list"):
        names = {path: _NAME.fullmatch(path.name) for path in directory.iterdir()}
    parts = [_read_part(path, int(match[1])) for path, match in names.items() if match]
    return sorted(parts, key=lambda part: part.number)


def part_name(number: int) -> str:
    """Return the file name of part `number`."""
    return f"part-{number:05d}.parquet"


def is_part(path: PurePath) -> bool:
    """Whether the file has a part's name."""
    return _NAME.fullmatch(path.name) is not None


def _read_part(path: Path, number: int) -> Part:
    with readable(path), open_file(path) as file:
        groups = file.num_row_groups
        if groups == 0:
            raise pa.ArrowInvalid("it has no rows")
        first, last = row_span(file, 0)[0], row_span(file, groups - 1)[1]
        names = current_names(file.schema_arrow)
        kinds = {names[name]: found for name, found in _read_kinds(file).items()}
        return Part(path, number, file.metadata.num_rows, first, last, path.stat().st_size, kinds)


def in_order(table: pa.Table) -> pa.Table:
    """Return the table sorted by row, itself if it is already."""
    flat = table.column("row").combine_chunks()
    if pc.all(pc.greater_equal(flat[1:], flat[:-1]), min_count=0).as_py():
        return table
    order = pc.sort_indices(flat)
    large = {
        name for name in table.column_names if table.column(name).nbytes >= _LARGE_BYTES * table.num_rows
    }
    if not large:
        return table.take(order)
    places: list[int] = order.to_pylist()
    columns = [
        _picked(column, places) if name in large else column.take(order)
        for name, column in zip(table.column_names, table.columns, strict=True)
    ]
    return pa.Table.from_arrays(columns, schema=table.schema)


def _picked(column: pa.ChunkedArray, places: Sequence[int]) -> pa.ChunkedArray:
    """Return the values at `places`, each a chunk of its own, none of them copied."""
    return pa.chunked_array([column.slice(place, 1).chunk(0) for place in places], type=column.type)


def _expect(path: Path, found: int, written: int) -> None:
    if found != written:
        raise StorageError(f"{path} gave back {found} of {written} rows: the disk may be failing, look at it")


def _json_columns(schema: pa.Schema) -> list[str]:
    return [column.name for column in schema if is_json(column)]


def _with_kinds(schema: pa.Schema, kinds: Kinds) -> pa.Schema:
    text = json.dumps({name: sorted(found) for name, found in kinds.items()})
    return schema.with_metadata({**(schema.metadata or {}), _KINDS_KEY: text.encode()})


def _read_kinds(file: pq.ParquetFile) -> Kinds:
    text = (file.schema_arrow.metadata or {}).get(_KINDS_KEY, b"{}")
    return {name: frozenset(map(Kind, found)) for name, found in json.loads(text).items()}
