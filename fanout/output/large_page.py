"""Writes one large response as a Parquet page, piece by piece, and copies and verifies such pages likewise.

pyarrow holds a value that it writes four times over and one that it reads twice, whatever its options. A row with a
large response is a row group of its own; pyarrow writes all of it but the response, which is written here.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, BinaryIO, Protocol, cast

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import zstandard

from fanout.domain.thrift import DamagedError, Kind, Reader, Struct, encoded
from fanout.files import readable

LARGE_BYTES = 16 << 20
"""Responses of this size are pages of this module: as large as a row group of the output may be anyway."""
COLUMN = "response"

_PIECE_BYTES = 1 << 20
_LEVEL = 1  # pyarrow's for zstd
_HEADER_ROOM = 64  # a header of ours takes 30 bytes at most; its length is known last
_HEADER_MAX = 1 << 10  # of a page that pyarrow wrote
_PRESENT = b"\x02\0\0\0\x02\x01"
"""Definition levels of the one value: the length of what follows, then a run (RLE) of one 1, which means "not null"."""

# Field ids and values of parquet.thrift.
_TYPE, _PLAIN_BYTES, _PACKED_BYTES, _CRC, _DATA = 1, 2, 3, 4, 5  # PageHeader
_VALUES, _ENCODING, _DEFINITION, _REPETITION, _STATISTICS = 1, 2, 3, 4, 5  # DataPageHeader
_DATA_PAGE, _PLAIN, _RLE = 0, 0, 3


@dataclass(frozen=True, slots=True)
class Written:
    """A page in a file: where its header begins, and its bytes, header included, compressed and before that."""

    page_at: int
    packed_bytes: int
    plain_bytes: int


class LargeValue(Protocol):
    """A response that is no part of its table: it goes from where it is into the file."""

    @property
    def size_bytes(self) -> int:
        """Bytes of the response, or a few more."""
        ...

    def write(self, file: BinaryIO) -> Written:
        """Write it at the file's end as a page.

        Raises:
            StorageError: It cannot be read where it is.
        """
        ...


class LargeValues(dict[int, LargeValue]):
    """The large responses of a stream of tables, by row: the tables have nulls in their place.

    Who makes a table adds its responses; who writes it takes them out.
    """

    def size_bytes(self, table: pa.Table | pa.RecordBatch) -> int:
        """Return the bytes of a table with its large responses."""
        rows: list[int] = table.column("row").to_pylist() if self else []
        size: int = table.nbytes + sum(self[row].size_bytes for row in rows if row in self)
        return size


class HeldValue:
    """A response in memory."""

    def __init__(self, value: pa.Buffer) -> None:
        self._value = value

    @property
    def size_bytes(self) -> int:
        """Bytes of the response."""
        return cast("int", self._value.size)

    def write(self, file: BinaryIO) -> Written:
        """Compress it into the file, piece by piece."""
        begin = file.tell()
        file.write(bytes(_HEADER_ROOM))
        plain_bytes = len(_PRESENT) + 4 + self._value.size
        compressor = zstandard.ZstdCompressor(level=_LEVEL).compressobj(size=plain_bytes)
        packed_bytes = crc = 0

        def put(piece: bytes) -> None:
            nonlocal packed_bytes, crc
            packed_bytes += len(piece)
            crc = zlib.crc32(piece, crc)
            file.write(piece)

        put(compressor.compress(_PRESENT + self._value.size.to_bytes(4, "little")))
        with memoryview(self._value) as view:
            for start in range(0, len(view), _PIECE_BYTES):
                put(compressor.compress(view[start : start + _PIECE_BYTES]))
        put(compressor.flush())
        header = _header(plain_bytes=plain_bytes, packed_bytes=packed_bytes, crc=crc)
        assert len(header) <= _HEADER_ROOM, "the page would begin before its room"
        page_at = begin + _HEADER_ROOM - len(header)
        file.seek(page_at)
        file.write(header)
        file.seek(0, 2)
        return Written(page_at, len(header) + packed_bytes, len(header) + plain_bytes)


@dataclass(frozen=True, slots=True)
class StoredPage:
    """A response that is a page of a file, zstd-compressed.

    Attributes:
        path: The file.
        page_at: Where the page's header begins.
        header: The header's bytes.
        packed_bytes: Bytes of the page without its header.
        plain_bytes: Likewise before compression.
        crc: Of the compressed bytes.
    """

    path: Path
    page_at: int
    header: bytes
    packed_bytes: int
    plain_bytes: int
    crc: int

    @property
    def size_bytes(self) -> int:
        """Bytes of the page before compression."""
        return self.plain_bytes

    def write(self, file: BinaryIO) -> Written:
        """Copy the page as it is, its checksum compared.

        Raises:
            StorageError: It cannot be read, or is damaged.
        """
        page_at = file.tell()
        file.write(self.header)
        file.writelines(self._pieces())
        size = len(self.header)
        return Written(page_at, size + self.packed_bytes, size + self.plain_bytes)

    def verify(self) -> None:
        """Read and decompress all of it.

        Raises:
            StorageError: It cannot be read, or is damaged.
        """
        with readable(self.path):
            source = _Source(self._pieces())
            plain = zstandard.ZstdDecompressor().read_to_iter(
                cast("IO[bytes]", source), read_size=_PIECE_BYTES, write_size=_PIECE_BYTES
            )
            try:
                size = sum(map(len, plain))
            except zstandard.ZstdError as error:
                raise pa.ArrowInvalid(f"a page cannot be decompressed: {error}") from error
            source.drain()
            if size != self.plain_bytes:
                raise pa.ArrowInvalid(f"a page has {size} of {self.plain_bytes} bytes")

    def _pieces(self) -> Iterator[bytes]:
        with readable(self.path), self.path.open("rb", buffering=0) as file:
            file.seek(self.page_at + len(self.header))
            left, crc = self.packed_bytes, 0
            while left:
                piece = file.read(min(left, _PIECE_BYTES))
                if not piece:
                    raise pa.ArrowInvalid("it ends in the middle of a page")
                left, crc = left - len(piece), zlib.crc32(piece, crc)
                if not left and crc != self.crc:
                    raise pa.ArrowInvalid("CRC checksum verification failed for a page")
                yield piece


class _Source:
    """Pieces as a file that can be read once."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces

    def read(self, _size: int = -1) -> bytes:
        """Return the next piece, of whatever size; nothing at the end."""
        return next(self._pieces, b"")

    def drain(self) -> None:
        """Read what is left."""
        for _ in self._pieces:
            pass


def set_aside(table: pa.Table) -> tuple[pa.Table, LargeValues]:
    """Return the table with a null in place of each large response, and those responses."""
    large, place = LargeValues(), 0
    rows, chunks = table.column("row"), []
    for chunk in table.column(COLUMN).chunks:
        # A response of this size is a chunk of its own: see `schema.gather`.
        is_large = len(chunk) == 1 and (pc.binary_length(chunk)[0].as_py() or 0) >= LARGE_BYTES
        if is_large:
            large[rows[place].as_py()] = HeldValue(_only_value(chunk))
        chunks.append(pa.nulls(1, chunk.type) if is_large else chunk)
        place += len(chunk)
    if not large:
        return table, large
    index = table.schema.get_field_index(COLUMN)
    return table.set_column(index, table.schema.field(index), pa.chunked_array(chunks)), large


def _only_value(chunk: pa.LargeBinaryArray) -> pa.Buffer:
    """Return the bytes of the one value of a column's chunk; a scalar of it would be a copy."""
    _, offsets, values = chunk.buffers()
    begin, end = pa.Array.from_buffers(pa.int64(), 2, [None, offsets], offset=chunk.offset).to_pylist()
    return values.slice(begin, end - begin)


def stored_page(file: pq.ParquetFile, path: Path, group: int) -> StoredPage | None:
    """Return the large response that the row group consists of; None if it is not one, or not one page."""
    about = file.metadata.row_group(group)
    if about.num_rows != 1 or about.total_byte_size < LARGE_BYTES:
        return None
    columns = (about.column(place) for place in range(about.num_columns))
    column = next((column for column in columns if column.path_in_schema == COLUMN), None)
    if column is None or column.total_uncompressed_size < LARGE_BYTES:
        return None
    if column.compression != "ZSTD" or column.has_dictionary_page:
        return None
    with readable(path), path.open("rb", buffering=0) as raw:
        raw.seek(column.data_page_offset)
        head = raw.read(_HEADER_MAX)
    page = _page(path, column.data_page_offset, head)
    if page is None or len(page.header) + page.packed_bytes != column.total_compressed_size:
        return None  # pyarrow reads it, or says what is wrong with it
    return page


def _page(path: Path, page_at: int, head: bytes) -> StoredPage | None:
    """Return the page of one plain value that `head` begins with, if it is one."""
    reader = Reader(head)
    try:
        fields = reader.struct()
        cast("Struct", fields[_DATA][1]).pop(_STATISTICS, None)  # pyarrow writes empty ones
        sizes = (fields[_PACKED_BYTES][1], fields[_PLAIN_BYTES][1], fields[_CRC][1])
    except (DamagedError, KeyError):
        return None
    packed_bytes, plain_bytes, crc = cast("tuple[int, int, int]", sizes)
    header = head[: reader.position]
    page = StoredPage(path, page_at, header, packed_bytes, plain_bytes, crc & 0xFFFFFFFF)
    is_plain = encoded(fields) == _header(plain_bytes=plain_bytes, packed_bytes=packed_bytes, crc=page.crc)
    return page if is_plain else None


def _header(*, plain_bytes: int, packed_bytes: int, crc: int) -> bytes:
    signed = crc - (1 << 32) if crc >> 31 else crc  # an i32
    levels = ((number, (Kind.I32, _RLE)) for number in (_DEFINITION, _REPETITION))
    data: Struct = {_VALUES: (Kind.I32, 1), _ENCODING: (Kind.I32, _PLAIN), **dict(levels)}
    return encoded({
        _TYPE: (Kind.I32, _DATA_PAGE),
        _PLAIN_BYTES: (Kind.I32, plain_bytes),
        _PACKED_BYTES: (Kind.I32, packed_bytes),
        _CRC: (Kind.I32, signed),
        _DATA: (Kind.STRUCT, data),
    })  # fmt: skip
