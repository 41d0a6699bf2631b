"""Opens Parquet files and reads their footers; pyarrow's errors become `InputError` here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Literal, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from fanout.errors import InputError
from fanout.source.files import InputFile, reason
from fanout.source.parquet.footer_cut import MAGIC, FooterPlaces, as_file, footer_places, is_cut, whole
from fanout.source.parquet.logical_types import marked_schema
from fanout.source.remote import TAIL_BYTES, Check, Ranges, RemoteFile

# What pyarrow has been seen to raise on damaged files (MemoryError: a damaged length asks for exabytes).
PARQUET_ERRORS = (pa.ArrowException, OSError, ValueError, OverflowError, MemoryError)

_BUFFERS_BYTES = 32 << 20
"""Read buffers of all columns together; without one pyarrow reads a whole column of a row group at once."""
_BUFFER_MIN = 16 << 10
_BUFFER_MAX_LOCAL, _BUFFER_MAX_REMOTE = (
    1 << 20,
    8 << 20,
)  # S3 answers a buffer by one request, at 20-30 ms each
_ENDS_BYTES = 8
"""The length of the footer and the magic number, which end the file."""
_TAIL_MIN, _TAIL_SHARE = 1 << 10, 128
"""What of a file in S3 is read first: a footer is nearly always within it, and of a small file little else."""
_ALIKE_SHARE = 16
"""By what part a footer may be longer than that of a file that is like it, and is still read by one request."""
_GAP_BYTES = 4 << 10
"""Between parts of a footer: fewer are read for nothing, which spares a request."""


class Group(NamedTuple):
    """A row group; its bytes are what it unfolds to, before compression."""

    rows: int
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Footer:
    """What a Parquet file says of itself, and its path of it.

    Attributes:
        schema: With UUIDs and intervals as types of their own.
        partitions: Texts of the partition columns that the path names; None for a null.
        file: Where it stands.
        int96: Paths of the leaves that are INT96: instants in nanoseconds, which are read as microseconds.
        groups: Its row groups, or those of `file.footer`.
        metadata: All of it; None where there may be very many files.
        raw: Its bytes, of a file in S3; likewise.
    """

    path: str
    schema: pa.Schema
    rows: int
    partitions: Mapping[str, str | None]
    file: InputFile
    int96: tuple[str, ...] = ()
    groups: tuple[Group, ...] = ()
    metadata: pq.FileMetaData | None = field(default=None, repr=False, compare=False)
    raw: bytes | None = field(default=None, repr=False, compare=False)

    @property
    def read_rows(self) -> int:
        """How many of its rows are read: those of the file's span."""
        if self.file.span is None:
            return self.rows
        return sum(self.groups[index].rows for index in read_groups(self.file, len(self.groups)))


def read_groups(file: InputFile, count: int) -> range:
    """Return which of the `count` row groups of a footer are read."""
    if file.span is None or is_cut(file.footer):
        return range(count)
    return range(file.span.start, file.span.end)


def number_of(file: InputFile, group: int) -> int:
    """Return which row group of the whole file a row group of its footer, as it was read, is."""
    return group if file.span is None or not is_cut(file.footer) else file.span.start + group


def read_footer(file: InputFile, *, kept: bytes | None = None, like: Footer | None = None) -> Footer:
    """Return the file's footer, and the file with where that stands in S3.

    Args:
        file: The file.
        kept: The footer of what is read of it, if that is at hand: nothing is read then.
        like: The footer of a file that is probably like it: as much is read at once.

    Raises:
        InputError: It is not Parquet, or its footer is damaged.
    """
    raw = b"" if file.remote is None or file.footer else _raw_footer(file, like=like)
    known = raw or kept
    with opened(file, metadata=parsed(file, known) if known else None) as parquet:
        try:
            metadata = parquet.metadata
            schema = marked_schema(parquet)
            leaves = [parquet.schema.column(index) for index in range(len(parquet.schema))]
            int96 = tuple(leaf.path for leaf in leaves if leaf.physical_type == "INT96")
            groups = [metadata.row_group(index) for index in range(metadata.num_row_groups)]
            if raw:
                end = (file.size_bytes or 0) - _ENDS_BYTES
                file = replace(file, footer=((end - len(raw), end),))
            return Footer(
                file.path,
                schema,
                metadata.num_rows,
                file.partitions,
                file,
                int96,
                tuple(Group(group.num_rows, group.total_byte_size) for group in groups),
                metadata,
                raw or None,
            )
        except PARQUET_ERRORS as error:
            raise _unreadable(file, error) from error


def places_within(file: InputFile, raw: bytes | None) -> FooterPlaces | None:
    """Return where in the footer of a file in S3 its row groups stand; None where that cannot be told.

    Args:
        file: The file, its footer found.
        raw: The footer; None if it is to be read again.

    Raises:
        InputError: S3 did not send it.
    """
    if raw is None:
        with _handle(file, lambda: None, lends=None, takes=None) as handle:
            (raw,) = _ranges(handle, file.footer)
    return footer_places(raw)


def _raw_footer(file: InputFile, *, like: Footer | None) -> bytes:
    """Return the footer of a file in S3; nothing where pyarrow is to say what is wrong with it."""
    tail_bytes = None
    if like is not None and like.file.footer:
        start, end = like.file.footer[0]
        tail_bytes = min(TAIL_BYTES, end - start + (end - start) // _ALIKE_SHARE + _ENDS_BYTES)
    try:
        with _handle(file, lambda: None, lends=None, takes=None, tail_bytes=tail_bytes) as handle:
            return _found(handle)
    except PARQUET_ERRORS as error:
        raise InputError(f"{file.path}: {reason(error)}") from error


def parsed(file: InputFile, raw: bytes) -> pq.FileMetaData:
    """Return what the bytes of a footer say.

    Raises:
        InputError: They are damaged.
    """
    try:
        return pq.read_metadata(pa.BufferReader(as_file(raw)))
    except PARQUET_ERRORS as error:
        raise _unreadable(file, error) from error


@contextmanager
def opened(
    file: InputFile,
    *,
    dictionaries: Sequence[str] = (),
    int96_unit: Literal["us", "ns"] = "us",
    check: Check = lambda: None,
    metadata: pq.FileMetaData | None = None,
    lends: Ranges | None = None,
    takes: Ranges | None = None,
) -> Iterator[pq.ParquetFile]:
    """Open a Parquet file, page checksums verified, nothing mapped or read ahead.

    Args:
        file: The file.
        dictionaries: Paths of string and binary leaves to read as dictionaries.
        int96_unit: As what INT96 is read. As nanoseconds, pyarrow's default, Spark's 9999-12-31 would wrap around to
            another date.
        check: Called while S3 is waited for; may raise to stop.
        metadata: Its footer, if it was read before.
        lends: As for `RemoteFile`, if it is in S3.
        takes: Likewise.

    Raises:
        InputError: It is not Parquet, or its footer is damaged.
    """
    try:
        handle = _handle(file, check, lends=lends, takes=takes)
    except PARQUET_ERRORS as error:
        raise InputError(f"{file.path}: {reason(error)}") from error
    with handle:
        try:
            if metadata is None:
                metadata = _metadata(file, handle)
            largest = _BUFFER_MAX_LOCAL if file.remote is None else _BUFFER_MAX_REMOTE
            share = _BUFFERS_BYTES // max(1, metadata.num_columns)
            parquet = pq.ParquetFile(
                handle,
                metadata=metadata,
                read_dictionary=list(dictionaries) or None,
                memory_map=False,
                pre_buffer=False,
                buffer_size=min(largest, max(_BUFFER_MIN, share)),
                page_checksum_verification=True,
                coerce_int96_timestamp_unit=int96_unit,
            )
        except PARQUET_ERRORS as error:
            raise _unreadable(file, error) from error
        with parquet:
            yield parquet


def _handle(
    file: InputFile,
    check: Check,
    *,
    lends: Ranges | None,
    takes: Ranges | None,
    tail_bytes: int | None = None,
) -> pa.NativeFile:
    if file.remote is None:
        return pa.OSFile(file.path)
    assert file.object is not None
    size_bytes = file.object.size_bytes
    if tail_bytes is None:
        tail_bytes = 0 if file.footer else min(TAIL_BYTES, max(_TAIL_MIN, size_bytes // _TAIL_SHARE))
    remote = RemoteFile(
        file.remote, file.object, check=check, lends=lends, takes=takes, tail_bytes=tail_bytes
    )
    return pa.PythonFile(remote, mode="r")


def _metadata(file: InputFile, handle: pa.NativeFile) -> pq.FileMetaData:
    """Read the footer, where it is known: pyarrow would ask for the last 64 KiB, however large it is."""
    if not file.footer:
        return pq.read_metadata(handle)
    groups = 0 if file.span is None else file.span.end - file.span.start
    return pq.read_metadata(pa.BufferReader(as_file(whole(_ranges(handle, file.footer), groups=groups))))


def _found(handle: pa.NativeFile) -> bytes:
    """Return the footer of a file; nothing where pyarrow is to say what is wrong with it."""
    end = handle.size() - _ENDS_BYTES
    if end < len(MAGIC):
        return b""
    (ends,) = _ranges(handle, ((end, end + _ENDS_BYTES),))
    start = end - int.from_bytes(ends[: -len(MAGIC)], "little")
    if ends[-len(MAGIC) :] != MAGIC or start < len(MAGIC):
        return b""
    return _ranges(handle, ((start, end),))[0]


def _ranges(handle: pa.NativeFile, ranges: Sequence[tuple[int, int]]) -> tuple[bytes, ...]:
    """Return these bytes of a file, in order; by one read if little lies between them."""
    first, last = ranges[0][0], ranges[-1][1]
    if last - first - sum(end - start for start, end in ranges) <= _GAP_BYTES:
        body = handle.read_at(last - first, first)
        return tuple(body[start - first : end - first] for start, end in ranges)
    return tuple(handle.read_at(end - start, start) for start, end in ranges)


def _unreadable(file: InputFile, error: Exception) -> InputError:
    text = reason(error)
    sound = unsupported(error)
    if sound is not None:
        return InputError(f"{file.path}: {sound}")
    if "size is 0 bytes" in text:
        return InputError(f"{file.path}: the file is empty, not Parquet; write it again")
    if "magic bytes not found" in text:
        return InputError(
            f"{file.path}: not Parquet, or truncated: the footer is missing; write or copy it again"
        )
    return InputError(f"{file.path}: the Parquet footer is damaged. Write or copy the file again")


def unsupported(error: Exception) -> str | None:
    """Return what of a sound file cannot be read, and what to do; None where it is damaged."""
    text = reason(error)
    if "crypt" in text.lower():
        return "is encrypted, and keys cannot be named here: write it again without encryption"
    if isinstance(error, pa.ArrowNotImplementedError) or "not recognized" in text or "not built" in text:
        return (
            f"holds what this reader (pyarrow {pa.__version__}) does not know ({text}): "
            "update pyarrow, or write the file again with another type or codec"
        )
    return None
