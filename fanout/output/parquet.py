"""Writes and reads Parquet files with page checksums, bounded pages and row groups, and reads back every byte.

`write` makes a durable file of tables and of the large responses that belong into them; `batches` reads one in bounded
memory. Used by `parts`, `merge` and `finish`, which decide on names and on what the rows must be.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from fanout.files import PRIVATE, durable_file, readable
from fanout.output.footer import Inserted, rewrite
from fanout.output.large_page import COLUMN, LargeValue, LargeValues, stored_page

_ENUMS = ("status", "transport", "error_code", "noticed_by")
_REPEATED = (*_ENUMS, "response_content_type", "error_message", "failure_location")
_READ_BUFFER_BYTES = 16 * 1024  # for each column of each open file
_BATCH_BYTES = 256 * 1024
_BATCH_ROWS = 512
_PAGE_VALUES = 1024  # pyarrow's default for write_batch_size


@dataclass(frozen=True, slots=True)
class Layout:
    """How large the pieces of a file are, in bytes before compression.

    Attributes:
        page_bytes: A reader holds one page of each column.
        group_bytes: A row group; a larger row makes a group of its own.
        dictionary: Columns whose repeated values are worth a dictionary.
    """

    page_bytes: int
    group_bytes: int
    dictionary: tuple[str, ...]


# A merge holds one page a column of many parts, so pages are small. Nothing long has a dictionary: the sizes in
# the footer are then those that a batch takes in memory, by which `batches` bounds it.
PART = Layout(page_bytes=64 * 1024, group_bytes=4 << 20, dictionary=_ENUMS)
FINAL = Layout(page_bytes=1 << 20, group_bytes=16 << 20, dictionary=_REPEATED)


def write(
    path: Path,
    schema: pa.Schema,
    tables: Iterable[pa.Table],
    *,
    layout: Layout,
    large: LargeValues | None = None,
    mode: int | None = PRIVATE,
) -> None:
    """Write `tables` to `path`, durably; it is removed again if anything fails.

    Args:
        path: The file.
        schema: Of the tables.
        tables: What it holds, in the order of its rows.
        layout: Its pieces.
        large: Responses that have a null in their tables; each is taken out as it is written.
        mode: Its permissions, as `files.durable_file` takes them.

    Raises:
        StorageError: Writing or fsync failed.
    """
    large = LargeValues() if large is None else large
    stream = iter(tables)
    first = next(stream, None)
    # The schema's own empty_table() knows no lists of UUIDs.
    ahead = [pa.Table.from_batches([], schema) if first is None else first]
    del first
    with durable_file(path, mode=mode) as file:
        writer = pq.ParquetWriter(
            file,
            schema,
            compression="zstd",
            use_dictionary=[*layout.dictionary],
            # Statistics of responses would cost a comparison a byte and serve no query.
            write_statistics=[name for name in schema.names if name != "response"],
            data_page_size=layout.page_bytes,
            write_batch_size=_page_values(ahead[0], layout),
            write_page_checksum=True,
            sorting_columns=[pq.SortingColumn(schema.get_field_index("row"))],
        )
        inserted: list[Inserted] = []
        groups = moved_bytes = 0
        try:
            for table in chain(handed_over(ahead), stream):
                for group, value in _groups(table, layout.group_bytes, large):
                    writer.write_table(group, row_group_size=max(1, group.num_rows))
                    if value is not None:
                        inserted.append(_insert(value, file, group=groups, moved_bytes=moved_bytes))
                        moved_bytes += inserted[-1].length
                    groups += 1
                    del group, value  # what is written goes before the next is read: rows may be large
                del table
            writer.close()
            if inserted:
                rewrite(file, path, inserted)
        except BaseException:
            # Otherwise its finalizer writes a footer into a closed file long after, which shows as a warning.
            with suppress(Exception):
                writer.close()
            raise


def _groups(
    table: pa.Table, group_bytes: int, large: LargeValues
) -> Iterator[tuple[pa.Table, LargeValue | None]]:
    """Yield the table's row groups; a row with a large response is one of its own, and comes with that."""
    begin = 0
    for place, row in enumerate(table.column("row").to_pylist() if large else ()):
        if row in large:
            yield from ((group, None) for group in cut(table.slice(begin, place - begin), group_bytes))
            yield table.slice(place, 1), large.pop(row)
            begin = place + 1
    yield from ((group, None) for group in cut(table.slice(begin), group_bytes))


def _insert(value: LargeValue, file: BinaryIO, *, group: int, moved_bytes: int) -> Inserted:
    """Write the response of the row group that was just written; `moved_bytes` were written past pyarrow before."""
    begin = file.tell()
    page = value.write(file)
    return Inserted(
        group=group,
        column=COLUMN.encode(),
        start=begin - moved_bytes,
        length=file.tell() - begin,
        page_at=page.page_at,
        packed_bytes=page.packed_bytes,
        plain_bytes=page.plain_bytes,
    )


def handed_over(tables: list[pa.Table]) -> Iterator[pa.Table]:
    """Yield the tables of a list and let go of each."""
    while tables:
        yield tables.pop(0)


def cut(table: pa.Table, group_bytes: int) -> Iterator[pa.Table]:
    """Yield `table` in slices of at most `group_bytes`, by halves; a single row is never cut."""
    if table.num_rows > 1 and table.nbytes > group_bytes:
        half = table.num_rows // 2
        yield from cut(table.slice(0, half), group_bytes)
        yield from cut(table.slice(half), group_bytes)
    elif table.num_rows:
        yield table


def open_file(path: Path) -> pq.ParquetFile:
    """Return the file, opened such that reading it takes little memory and verifies every page."""
    # pre_buffer and buffer_size=0 would hold whole column chunks in memory.
    return pq.ParquetFile(
        path, pre_buffer=False, buffer_size=_READ_BUFFER_BYTES, page_checksum_verification=True
    )


def batches(file: pq.ParquetFile, group: int, *, without: str | None = None) -> Generator[pa.RecordBatch]:
    """Yield a row group in batches of about 256 KiB, at least a row each, `without` a column where one is named."""
    columns = None if without is None else [name for name in file.schema_arrow.names if name != without]
    about = file.metadata.row_group(group)
    rows = about.num_rows * _BATCH_BYTES // max(1, about.total_byte_size)
    size = max(1, min(rows, _BATCH_ROWS))
    yield from file.iter_batches(batch_size=size, row_groups=[group], columns=columns, use_threads=False)


def read_back(path: Path) -> Iterator[pa.Array]:
    """Yield the row numbers of a file, batch by batch, having verified every page of every column.

    Raises:
        StorageError: The file is not what was written.
    """
    with readable(path), open_file(path) as file:
        for group in range(file.num_row_groups):
            page = stored_page(file, path, group)
            if page is not None:
                page.verify()
            for batch in batches(file, group, without=None if page is None else COLUMN):
                yield batch.column("row")


def row_span(file: pq.ParquetFile, group: int) -> tuple[int, int]:
    """Return the first and the last row number of a row group, from the footer."""
    statistics = file.metadata.row_group(group).column(0).statistics
    return statistics.min, statistics.max


def _page_values(table: pa.Table, layout: Layout) -> int:
    """Return after how many values the writer looks whether a page is full; large rows need a look at each."""
    if table.num_rows == 0:
        return _PAGE_VALUES
    row_bytes: int = max(1, table.nbytes // table.num_rows)
    return max(1, min(layout.page_bytes // row_bytes, _PAGE_VALUES))
