"""Tells a Parquet file's footer of pages that were put into the file past pyarrow, which wrote the rest of it.

pyarrow wrote a null where each such page belongs, and counted its own bytes only: offsets behind a page move on by what
was put in, and one column chunk of its row group becomes the page.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import BinaryIO, cast

from fanout.domain.thrift import Kind, List, Reader, Struct, Value, encoded, encoded_items

_MAGIC = b"PAR1"
_TAIL_BYTES = 8  # the footer's length and the magic number end the file

# Field ids of parquet.thrift.
_ROW_GROUPS = 4  # FileMetaData
_COLUMNS, _GROUP_BYTES, _GROUP_OFFSET, _GROUP_PACKED = 1, 2, 5, 6  # RowGroup
_CHUNK_OFFSETS, _META = (2, 4, 6), 3  # ColumnChunk
_PATH, _BYTES, _PACKED, _PAGE_OFFSET, _PAGE_OFFSETS = 3, 6, 7, 9, (9, 10, 11, 14)  # ColumnMetaData
_ABOUT_VALUES = (12, 16)  # ColumnMetaData: statistics and sizes, which speak of the null


@dataclass(frozen=True, slots=True)
class Inserted:
    """A page that was put in behind a row group, as the one value of that group's column.

    Attributes:
        group: The row group's ordinal.
        column: The path of a column without nesting.
        start: Where it was put in, by pyarrow's count of bytes.
        length: What was put in, in bytes.
        page_at: Where in the file the page's header begins.
        packed_bytes: The page, compressed, with its header.
        plain_bytes: Likewise before compression.
    """

    group: int
    column: bytes
    start: int
    length: int
    page_at: int
    packed_bytes: int
    plain_bytes: int


def rewrite(file: BinaryIO, path: Path, inserted: Sequence[Inserted]) -> None:
    """Replace the footer of a finished file that stands open at `path` by one that knows of the pages."""
    file.flush()
    with path.open("rb") as written:
        end = written.seek(-_TAIL_BYTES, 2)
        length = int.from_bytes(written.read(4), "little")
        written.seek(end - length)
        footer = written.read(length)
    file.seek(end - length)
    file.truncate()
    footer = with_pages(footer, inserted)
    file.write(footer + len(footer).to_bytes(4, "little") + _MAGIC)


def with_pages(footer: bytes, inserted: Sequence[Inserted]) -> bytes:
    """Return the footer with all offsets as they are, and with the pages; one row group is in memory at a time."""
    starts = [page.start for page in inserted]
    lengths = [0, *accumulate(page.length for page in inserted)]
    pages = {page.group: page for page in inserted}

    def moved(offset: int) -> int:
        return offset + lengths[bisect_right(starts, offset)]

    reader, out, copied = Reader(footer), bytearray(), 0
    for number, kind in reader.fields():
        if number != _ROW_GROUPS:
            reader.value(kind)
            continue
        out += footer[copied : reader.position]
        inner, count = reader.items()
        out += encoded_items(inner, count)
        for ordinal in range(count):
            group = reader.struct()
            _move(group, (_GROUP_OFFSET,), moved)
            for chunk in _structs(group[_COLUMNS][1]):
                _move(chunk, _CHUNK_OFFSETS, moved)
                _move(cast("Struct", chunk[_META][1]), _PAGE_OFFSETS, moved)
            if page := pages.pop(ordinal, None):
                _place(group, page)
            out += encoded(group)
        copied = reader.position
    assert not pages, "a page belongs to a row group that the file has not"
    return bytes(out + footer[copied:])


def _place(group: Struct, page: Inserted) -> None:
    metas = [cast("Struct", chunk[_META][1]) for chunk in _structs(group[_COLUMNS][1])]
    meta = next(meta for meta in metas if cast("List", meta[_PATH][1]).items == [page.column])
    _add(group, _GROUP_BYTES, page.plain_bytes - cast("int", meta[_BYTES][1]))
    _add(group, _GROUP_PACKED, page.packed_bytes - cast("int", meta[_PACKED][1]))
    for number, value in (
        (_BYTES, page.plain_bytes),
        (_PACKED, page.packed_bytes),
        (_PAGE_OFFSET, page.page_at),
    ):
        meta[number] = Kind.I64, value
    for number in _ABOUT_VALUES:
        meta.pop(number, None)


def _move(struct: Struct, fields: Sequence[int], moved: Callable[[int], int]) -> None:
    for number in fields:
        if number in struct:
            kind, offset = struct[number]
            struct[number] = kind, moved(cast("int", offset)) if offset else 0


def _add(struct: Struct, number: int, change: int) -> None:
    if number in struct:
        kind, value = struct[number]
        struct[number] = kind, cast("int", value) + change


def _structs(value: Value) -> list[Struct]:
    return cast("list[Struct]", cast("List", value).items)
