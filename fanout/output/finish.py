"""Merges a run's parts into the output: one file or a dataset directory, complete or absent.

The output is verified and durable before it gets its name. It is a pure function of the parts, the passthrough
columns and the number of input rows: after a kill at any point it is made again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from fanout.domain.response_fields import Form
from fanout.failpoints import failpoint
from fanout.files import BY_UMASK, ensure_space, make_directory, sync_directory
from fanout.output.conversion import Conversion
from fanout.output.destination import OUTPUT, claim, place, workspace
from fanout.output.large_page import LargeValues
from fanout.output.merge import FAN_IN, merge, narrow, overlap
from fanout.output.parquet import FINAL, read_back, write
from fanout.output.parts import Part, part_name
from fanout.output.response_columns import let_go_of_no_text
from fanout.output.row_order import climb, complete, follow
from fanout.output.schema import NO_FIELDS, RUN_KEY

_FILE_BYTES = 1 << 30  # of a dataset's file, before compression


@dataclass(frozen=True, slots=True)
class OutputFile:
    """What the output holds: rows, bytes on disk, and how many rows ended how."""

    rows: int
    size_bytes: int
    by_status: Mapping[str, int]


def finish(
    parts: Sequence[Part],
    output: str | Path,
    *,
    run_id: str,
    passthrough_schema: pa.Schema,
    fields: pa.Schema = NO_FIELDS,
    form: Form = "bytes",
    expected_rows: int | None,
    metadata: Mapping[str, str] | None = None,
    overwrite: bool = False,
    mode: int | None = BY_UMASK,
) -> OutputFile:
    """Merge `parts` into `output` and say what it holds.

    Args:
        parts: Every part of the run, in any order.
        output: The file; with a slash at its end a directory of files, each sorted and following the one before.
        run_id: Goes into the metadata. An output that names the same run is replaced: it was made by a `finish` that
            was killed before it could report success.
        passthrough_schema: As given to the write stage, and likewise `fields`.
        fields: Columns of the fields of responses.
        form: What responses are written as.
        expected_rows: Rows of the input; None for an output of the rows that there are, whichever they be.
        metadata: More key-value pairs for the file's metadata.
        overwrite: Replace a file, or a directory that holds nothing but such output.
        mode: Permissions of the output's files, as `files.durable_file` takes them.

    Raises:
        CorruptParts: The parts do not hold the rows 0 to `expected_rows` - 1, each once.
        UsageError: The output exists and may not be replaced.
        StorageError: The disk is full or failed, or a part is damaged.
    """
    target = claim(output, run_id=run_id, overwrite=overwrite)
    convert = Conversion.of(
        parts,
        passthrough_schema,
        fields=fields,
        form=form,
        metadata={RUN_KEY.decode(): run_id, **(metadata or {})},
    )
    by_status: Counter[str] = Counter()
    with workspace(target) as directory:
        # Parts are compressed like the output; merging them in two steps needs twice the room.
        steps = 1 if overlap(parts) <= FAN_IN else 2
        ensure_space(directory, steps * sum(part.size_bytes for part in parts))
        large = LargeValues()
        tables = merge(narrow(parts, directory), large=large)
        tables = _tallied(_checked(tables, expected_rows), by_status)
        if form != "bytes":
            tables = map(partial(let_go_of_no_text, large=large), tables)
        tables = map(convert, tables)
        files = _write(
            directory / OUTPUT, convert.schema, tables, large=large, dataset=target.dataset, mode=mode
        )
        _verify(files, expected_rows)
        size_bytes = sum(file.stat().st_size for file in files)
        failpoint("finish.written")
        place(directory, target)
        failpoint("finish.placed")
    return OutputFile(sum(by_status.values()), size_bytes, dict(by_status))


def _checked(tables: Iterable[pa.Table], expected_rows: int | None) -> Iterator[pa.Table]:
    check = _Order(expected_rows)
    for table in tables:
        check.take(table.column("row"))
        yield table
        del table  # before the next is read: rows may be large
    check.end()


class _Order:
    """Checks that rows come in order: all of `expected_rows`, or any if that is None."""

    def __init__(self, expected_rows: int | None) -> None:
        self._expected_rows = expected_rows
        self._next = 0

    def take(self, rows: pa.Array | pa.ChunkedArray) -> None:
        self._next = climb(rows, self._next) if self._expected_rows is None else follow(rows, self._next)

    def end(self) -> None:
        if self._expected_rows is not None:
            complete(self._next, self._expected_rows)


def _tallied(tables: Iterable[pa.Table], by_status: Counter[str]) -> Iterator[pa.Table]:
    for table in tables:
        for count in pc.value_counts(table.column("status")).to_pylist():
            by_status[count["values"]] += count["counts"]
        yield table
        del table


def _write(
    path: Path,
    schema: pa.Schema,
    tables: Iterator[pa.Table],
    *,
    large: LargeValues,
    dataset: bool,
    mode: int | None,
) -> list[Path]:
    """Write one file at `path`, or a directory of files there; return the files in row order."""
    if not dataset:
        write(path, schema, tables, layout=FINAL, large=large, mode=mode)
        return [path]
    make_directory(path, mode=mode)
    files: list[Path] = []
    for content in _rolled(tables, large):
        files.append(path / part_name(len(files)))
        write(files[-1], schema, content, layout=FINAL, large=large, mode=mode)
    if not files:  # a dataset without rows still has its columns
        files.append(path / part_name(0))
        write(files[0], schema, (), layout=FINAL, mode=mode)
    sync_directory(path)
    return files


def _rolled(tables: Iterator[pa.Table], large: LargeValues) -> Iterator[Iterator[pa.Table]]:
    """Yield the tables of one file after the other; read each to its end before asking for the next."""
    for first in tables:
        yield chain([first], _until_full(tables, large, room_bytes=_FILE_BYTES - large.size_bytes(first)))


def _until_full(tables: Iterator[pa.Table], large: LargeValues, *, room_bytes: int) -> Iterator[pa.Table]:
    while room_bytes > 0:
        table = next(tables, None)
        if table is None:
            return
        room_bytes -= large.size_bytes(table)
        yield table
        del table


def _verify(files: Iterable[Path], expected_rows: int | None) -> None:
    """Read back every page of what was written, and check that the rows are all there, each once, in order."""
    check = _Order(expected_rows)
    for file in files:
        for rows in read_back(file):
            check.take(rows)
    check.end()
