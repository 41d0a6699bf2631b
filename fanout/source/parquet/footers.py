"""Opens Parquet files and reads their footers; pyarrow's errors become `InputError` here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from fanout.errors import InputError
from fanout.source.files import InputFile, reason
from fanout.source.parquet.logical_types import marked_schema
from fanout.source.remote import Check, Ranges, RemoteFile

# What pyarrow has been seen to raise on damaged files (MemoryError: a damaged length asks for exabytes).
PARQUET_ERRORS = (pa.ArrowException, OSError, ValueError, OverflowError, MemoryError)

_BUFFERS_BYTES = 32 << 20
"""Read buffers of all columns together; without one pyarrow reads a whole column of a row group at once."""
_BUFFER_MIN = 16 << 10
_BUFFER_MAX_LOCAL, _BUFFER_MAX_REMOTE = (
    1 << 20,
    8 << 20,
)  # S3 answers a buffer by one request, at 20-30 ms each


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
        groups: Its row groups.
        metadata: All of it, of a file that is read in part; None otherwise, as there may be very many files.
    """

    path: str
    schema: pa.Schema
    rows: int
    partitions: Mapping[str, str | None]
    file: InputFile
    int96: tuple[str, ...] = ()
    groups: tuple[Group, ...] = ()
    metadata: pq.FileMetaData | None = field(default=None, repr=False, compare=False)

    @property
    def read_rows(self) -> int:
        """How many of its rows are read: those of the file's span."""
        span = self.file.span
        return self.rows if span is None else sum(group.rows for group in self.groups[span.start : span.end])


def read_footer(file: InputFile) -> Footer:
    """Return the file's footer.

    Raises:
        InputError: It is not Parquet, or its footer is damaged.
    """
    with opened(file) as parquet:
        try:
            metadata = parquet.metadata
            schema = marked_schema(parquet)
            leaves = [parquet.schema.column(index) for index in range(len(parquet.schema))]
            int96 = tuple(leaf.path for leaf in leaves if leaf.physical_type == "INT96")
            groups = [metadata.row_group(index) for index in range(metadata.num_row_groups)]
            return Footer(
                file.path,
                schema,
                metadata.num_rows,
                file.partitions,
                file,
                int96,
                tuple(Group(group.num_rows, group.total_byte_size) for group in groups),
                metadata if file.span is not None else None,
            )
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
                metadata = pq.read_metadata(handle)
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


def _handle(file: InputFile, check: Check, *, lends: Ranges | None, takes: Ranges | None) -> pa.NativeFile:
    if file.remote is None:
        return pa.OSFile(file.path)
    assert file.object is not None
    remote = RemoteFile(file.remote, file.object, check=check, lends=lends, takes=takes)
    return pa.PythonFile(remote, mode="r")


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
