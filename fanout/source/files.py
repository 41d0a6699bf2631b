"""Knows one input file: opens its bytes, reads partitions off its path, and tells whether it is still the same file."""

from __future__ import annotations

import os
import stat
from contextlib import closing
from dataclasses import dataclass, field
from io import FileIO
from pathlib import Path
from typing import Protocol
from urllib.parse import unquote

from fanout.errors import InputError, NothingFound
from fanout.ports import ObjectInfo
from fanout.source import stdin
from fanout.source.remote import BLOCK_BYTES, Check, Remote, RemoteStream
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
class Span:
    """The part of a file that is read.

    Attributes:
        start: The first byte of plain JSON Lines, or row group of Parquet; `end` is the one behind the last. A line
            is read where its first byte is among them.
        size_bytes: Bytes of the file that stand behind it.
    """

    start: int
    end: int
    size_bytes: int


@dataclass(frozen=True, slots=True)
class InputFile:
    """A file to read, as it was when the run began.

    Attributes:
        path: As the user would write it: a path, an `s3://` uri, or `-`.
        size_bytes: None for what is not a regular file (stdin, a named pipe): it can be read only once.
        mtime_ns: Modification time since the epoch in nanoseconds, of the file's own clock; None in S3, where a
            listing and a HEAD tell different ones.
        inode: Tells a replaced local file from a touched one; None in S3.
        object: What S3 said of it, its ETag among that; None for a local file.
        remote: Where it is; None for a local file.
        span: What of it is read; None for all.
        footer: Of Parquet, the bytes of it that make the footer of what is read, each range half-open: one of the whole
            footer, or the three of `footer_cut`; none where that is not known yet.
    """

    path: str
    size_bytes: int | None
    mtime_ns: int | None
    inode: int | None = None
    format: Format = "jsonl"
    compression: Compression = "none"
    object: ObjectInfo | None = None
    remote: Remote | None = field(default=None, repr=False, compare=False)
    span: Span | None = None
    footer: tuple[tuple[int, int], ...] = ()

    @property
    def read_bytes(self) -> int | None:
        """How many of its bytes are read; None as for `size_bytes`."""
        return self.size_bytes if self.span is None else self.span.size_bytes

    @property
    def partitions(self) -> dict[str, str | None]:
        """Partition columns that the folders of its path name (Hive's `month=01`); None for a null."""
        return partitions_of(self.path)

    @property
    def version(self) -> str:
        """What tells this version of the file from another one."""
        return str(self.mtime_ns) if self.object is None else self.object.etag

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
    except FileNotFoundError as error:
        raise NothingFound(f"{path}: {reason(error)}") from error
    except OSError as error:
        raise InputError(f"{path}: {reason(error)}") from error
    if not stat.S_ISREG(facts.st_mode):
        return InputFile(path, None, None)
    return InputFile(path, facts.st_size, facts.st_mtime_ns, facts.st_ino)


def remote_file(info: ObjectInfo, remote: Remote) -> InputFile:
    """Return what S3 told of an object."""
    return InputFile(info.location.uri, info.size_bytes, None, object=info, remote=remote)


def open_bytes(
    file: InputFile,
    *,
    check: Check = lambda: None,
    request_bytes: int = BLOCK_BYTES,
    start: int = 0,
    end: int | None = None,
) -> ByteStream:
    """Open the file for reading in order, `request_bytes` a request in S3.

    Args:
        file: The file.
        check: Called while S3 is waited for; may raise to stop.
        request_bytes: What one request fetches in S3.
        start: The byte to begin at.
        end: The byte before which reading in S3 ends, None for the last; of a local file, more may be read.

    Raises:
        InputError: It cannot be opened.
    """
    if file.remote is not None:
        assert file.object is not None
        return RemoteStream(
            file.remote, file.object, check=check, block_bytes=request_bytes, start=start, end=end
        )
    try:
        if file.path == STDIN:
            # A descriptor of its own: closing it leaves the process its stdin.
            return os.fdopen(os.dup(stdin.descriptor()), "rb", buffering=0)
        return _sought(Path(file.path).open("rb", buffering=0), start)
    except OSError as error:
        raise InputError(f"{file.path}: {reason(error)}") from error


def _sought(stream: FileIO, start: int) -> FileIO:
    if start:
        stream.seek(start)
    return stream


def read_head(file: InputFile, size_bytes: int) -> bytes:
    """Return the first bytes of a file that is no stream.

    Raises:
        InputError: They cannot be read.
    """
    if file.remote is not None:
        assert file.object is not None
        # Not by `RemoteFile`, which would fetch a small object whole, as its tail.
        end = min(size_bytes, file.object.size_bytes)
        with closing(RemoteStream(file.remote, file.object, check=lambda: None, end=end)) as head:
            return head.read(size_bytes)
    stream = open_bytes(file)
    try:
        return stream.read(size_bytes)
    except OSError as error:
        raise InputError(f"{file.path}: {reason(error)}") from error
    finally:
        stream.close()


def check_unchanged(file: InputFile) -> None:
    """Refuse to go on with a file that is no longer the one that the run began with.

    Raises:
        InputError: It was replaced, rewritten, extended or removed since.
    """
    if file.streamed or file.remote is not None:  # every read in S3 is of the version that was found
        return
    try:
        now = local_file(file.path)
    except InputError:
        raise InputError(f"{file.path}: removed while it was being read; {NEXT}") from None
    if (now.size_bytes, now.mtime_ns, now.inode) != (file.size_bytes, file.mtime_ns, file.inode):
        raise InputError(f"{file.path}: changed while it was being read; {NEXT}")


NEXT = "rows read so far may be of either version: put the file back or start a new run"


def reason(error: Exception) -> str:
    """Return what went wrong with a file on one line, without its path and without library names."""
    if isinstance(error, FileNotFoundError):
        return "no such file"
    if isinstance(error, PermissionError):
        return "permission denied: make it readable for this user"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    return " ".join(str(error).split()) or type(error).__name__
