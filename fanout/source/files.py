"""Knows one input file: opens its bytes, reads partitions off its path, and tells whether it is still the same file."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol
from urllib.parse import unquote

import pyarrow as pa
from pyarrow import fs as pafs

from fanout.errors import InputError
from fanout.source import stdin
from fanout.source.settings import Compression, Format
from fanout.source.stdin import STDIN

_HIVE_NULL = "__HIVE_DEFAULT_PARTITION__"


class ByteStream(Protocol):
    """An open file, read in order."""

    def read(self, size: int, /) -> bytes:
        """Return up to `size` bytes, none at the end."""
        ...

    def fileno(self) -> int:
        """Return its descriptor; asked of pipes only."""
        ...

    def close(self) -> None:
        """Give it back."""
        ...


@dataclass(frozen=True, slots=True)
class InputFile:
    """A file to read, as it was when the run began.

    Attributes:
        path: As the user would write it: a path, an `s3://` uri, or `-`.
        size_bytes: None for what is not a regular file (stdin, a named pipe): it can be read only once.
        mtime_ns: Modification time since the epoch in nanoseconds, of the file's own clock.
        inode: Tells a replaced local file from a touched one; None in S3.
        filesystem: Where it is, None for a local file.
    """

    path: str
    size_bytes: int | None
    mtime_ns: int | None
    inode: int | None = None
    format: Format = "jsonl"
    compression: Compression = "none"
    filesystem: pafs.FileSystem | None = field(default=None, repr=False, compare=False)

    @property
    def partitions(self) -> dict[str, str | None]:
        """Partition columns that the folders of its path name (Hive's `month=01`); None for a null."""
        return partitions_of(self.path)

    @property
    def streamed(self) -> bool:
        """Whether its bytes come but once, and slowly perhaps."""
        return self.size_bytes is None


def partitions_of(path: str) -> dict[str, str | None]:
    """Return what the folders of a path say as `name=value`, percent-decoded as Hive and Spark write it."""
    folders = (part.partition("=") for part in path.split("/")[:-1])
    return {
        unquote(name): None if value == _HIVE_NULL else unquote(value)
        for name, equals, value in folders
        if name and equals
    }


def local_file(path: str) -> InputFile:
    """Return what is known of a local path that is not a directory.

    Raises:
        InputError: There is no such file, or it cannot be looked at.
    """
    try:
        facts = Path(path).stat()
    except OSError as error:
        raise InputError(f"{path}: {reason(error)}") from error
    if not stat.S_ISREG(facts.st_mode):
        return InputFile(path, None, None)
    return InputFile(path, facts.st_size, facts.st_mtime_ns, facts.st_ino)


def remote_file(info: pafs.FileInfo, filesystem: pafs.FileSystem) -> InputFile:
    """Return what a listing told of an object."""
    return InputFile(f"s3://{info.path}", info.size, info.mtime_ns, filesystem=filesystem)


def remote_key(path: str) -> str:
    """Return what `pyarrow.fs` calls the object of an `s3://` uri."""
    return path.removeprefix("s3://")


def open_bytes(file: InputFile, *, remote_bytes: int) -> ByteStream:
    """Open the file for reading in order; from S3, `remote_bytes` are fetched by one request.

    Raises:
        InputError: It cannot be opened.
    """
    try:
        if file.path == STDIN:
            # A descriptor of its own: closing it leaves the process its stdin.
            return os.fdopen(os.dup(stdin.descriptor()), "rb", buffering=0)
        if file.filesystem is not None:
            stream: ByteStream = file.filesystem.open_input_stream(
                remote_key(file.path), compression=None, buffer_size=remote_bytes
            )
            return stream
        return Path(file.path).open("rb", buffering=0)
    except (OSError, pa.ArrowException) as error:
        raise InputError(f"{file.path}: {reason(error)}") from error


def check_unchanged(file: InputFile) -> None:
    """Refuse to go on with a file that is no longer the one that the run began with.

    Raises:
        InputError: It was replaced, rewritten, extended or removed since.
    """
    if file.streamed:
        return
    if file.filesystem is None:
        try:
            now = local_file(file.path)
        except InputError:
            raise InputError(f"{file.path}: removed while it was being read; {_NEXT}") from None
        same = (now.size_bytes, now.mtime_ns, now.inode) == (file.size_bytes, file.mtime_ns, file.inode)
    else:
        try:
            info = file.filesystem.get_file_info(remote_key(file.path))
        except (OSError, pa.ArrowException) as error:
            raise InputError(f"{file.path}: {reason(error)}") from error
        same = (info.size, info.mtime_ns) == (file.size_bytes, file.mtime_ns)
    if not same:
        raise InputError(f"{file.path}: changed while it was being read; {_NEXT}")


_NEXT = "rows read so far may be of either version: put the file back or start a new run"


def reason(error: Exception) -> str:
    """Return what went wrong with a file on one line, without its path and without library names."""
    if isinstance(error, FileNotFoundError):
        return "no such file"
    if isinstance(error, PermissionError):
        return "permission denied: make it readable for this user"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    return " ".join(str(error).split()) or type(error).__name__
