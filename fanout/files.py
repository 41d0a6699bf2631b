"""Writes files that are whole or absent, and reads the JSON ones back; says plainly when the disk fails.

What cannot be written is a `StorageError` that names path and next step.
A failed fsync is final: the kernel may have dropped the dirty pages, so trying again would report a false success.
"""

from __future__ import annotations

import errno
import json
import os
import re
import secrets
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

from fanout.errors import NO_DESCRIPTORS, THEN_RESUME, RunError, StorageError, UsageError

T = TypeVar("T")

PRIVATE = 0o600
"""Mode of what is a run's own: its owner alone reads payloads and responses."""
BY_UMASK = None
"""Mode of what is made for others to read: what the umask leaves, or an ACL of the directory says."""

_BUFFER_BYTES = 1 << 20
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_NO_DESCRIPTORS = {errno.EMFILE, errno.ENFILE}
_WRONG_NAME = {
    errno.ENOENT,
    errno.ENOTDIR,
    errno.ENAMETOOLONG,
    errno.ELOOP,
    errno.EEXIST,
    errno.EACCES,
    errno.EROFS,
}
_TAKEN = {errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR}
_NO_HARD_LINKS = {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK}


def ensure_space(directory: Path, need_bytes: int) -> None:
    """Return if `need_bytes` are free for this user where `directory` stands.

    Raises:
        StorageError: They are not, or the directory cannot be asked.
    """
    with storage(directory, "ask for the free space of"):
        free = shutil.disk_usage(directory).free
    if free < need_bytes:
        raise StorageError(
            f"{directory} has {free / 1e6:,.1f} MB free and {need_bytes / 1e6:,.1f} MB are needed: "
            f"free space there, or choose a place on another disk; {THEN_RESUME}"
        )


@contextmanager
def storage(path: Path, verb: str) -> Iterator[None]:
    """Turn an OSError from inside into a `StorageError` that names `path` and what to do.

    Raises:
        RunError: This process, or the machine, has no descriptor left: nothing is wrong with the disk.
    """
    try:
        yield
    except OSError as error:
        if error.errno in _NO_DESCRIPTORS:
            raise RunError(f"cannot {verb} {path}: {NO_DESCRIPTORS}, {THEN_RESUME}") from error
        step = "free space there" if error.errno in _FULL else "look at the disk and at the permissions"
        raise StorageError(
            f"cannot {verb} {path}: {error.strerror or error}; {step}, {THEN_RESUME}"
        ) from error


@contextmanager
def usable(path: Path) -> Iterator[None]:
    """Turn a `StorageError` from inside into a `UsageError` where the name itself is at fault, not the disk.

    For what is made before a run begins, under a name that a person chose.
    """
    try:
        yield
    except StorageError as error:
        cause = error.__cause__
        if isinstance(cause, OSError) and cause.errno in _WRONG_NAME:
            raise UsageError(f"{path} cannot be made ({cause.strerror}): choose another name") from error
        raise


@contextmanager
def readable(path: Path) -> Iterator[None]:
    """Turn whatever a damaged or missing Parquet file raises into a `StorageError` that names it."""
    try:
        yield
    except _unreadable() as error:
        if getattr(error, "errno", None) in _NO_DESCRIPTORS:
            raise RunError(f"{path} cannot be read back: {NO_DESCRIPTORS}, {THEN_RESUME}") from error
        raise StorageError(
            f"{path} cannot be read back: {damage(error)}. The disk may be full or failing: look at it, "
            f"{THEN_RESUME}. If this file stays damaged, `fanout resume --rebuild` does without it"
        ) from error


_DAMAGES = (
    (r"a page has \d+ of \d+ bytes", "a page has another size than its header says"),
    (r"page header", "the header of a page is damaged"),
    (r"crc checksum", "a page does not match its CRC checksum"),
    (r"magic bytes|size is 0 bytes|smaller than", "it is not a Parquet file, or its end is missing"),
    (r"end of stream|no more data|in the middle of a page", "it ends before its data does"),
    (r"decompress|compressed data|codec failed", "a page cannot be decompressed"),
    (r"has no rows", "it has no rows"),
    (r"fewer rows", "it has fewer rows than its footer says"),
    (r"thrift|flatbuffers|base\d+ |ipc message|footer|schema|metadata", "its footer is damaged"),
)
"""What texts of pyarrow 26 and of our own readers of pages mean; seen on 4,000 files, each damaged in another way."""


def damage(error: Exception) -> str:
    """Return in plain words what is wrong with a Parquet file, by what reading it raised; without its path."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    text = str(error).lower()
    return next(
        (said for mark, said in _DAMAGES if re.search(mark, text)),
        "what it holds cannot be decoded: it is damaged",
    )


def _unreadable() -> tuple[type[Exception], ...]:
    """Return what reading a damaged file raises, without importing pyarrow where nothing has read with it."""
    arrow = sys.modules.get("pyarrow")
    return (OSError,) if arrow is None else (OSError, arrow.ArrowException)


@contextmanager
def durable_file(path: Path, *, mode: int | None = PRIVATE) -> Iterator[BinaryIO]:
    """Open `path` anew for writing; on leaving, it is on the disk. It is removed if anything fails.

    A leftover of a killed run under the same name is replaced.

    Args:
        path: The file.
        mode: Its permissions, whatever the umask; `BY_UMASK` leaves them to it.

    Raises:
        StorageError: Writing, flushing or fsync failed.
    """
    with storage(path, "write"):
        path.unlink(missing_ok=True)
        created = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666 if mode is None else PRIVATE)
        file = os.fdopen(created, "wb", _BUFFER_BYTES)
        try:
            if mode is not None and mode != PRIVATE:
                os.fchmod(created, mode)
            # pyarrow writes through this buffer, so a full disk raises here: its own close() raises nothing.
            yield file
            file.flush()
            os.fsync(file.fileno())
            file.close()
        except BaseException:
            with suppress(OSError):
                file.close()
            with suppress(OSError):
                path.unlink(missing_ok=True)
            raise


def write_json(path: Path, content: Mapping[str, Any], *, mode: int | None = PRIVATE) -> None:
    """Make `content` durable at `path`, in one step, in place of a file there; `mode` as for `durable_file`.

    Raises:
        StorageError: Writing, flushing or fsync failed; what was there before is still there.
    """
    draft = path.with_suffix(".tmp")  # a kill in the middle must not leave half of it under its name
    with durable_file(draft, mode=mode) as file:
        file.write(json.dumps(content, indent=2).encode() + b"\n")
    replace(draft, path)


def write_new(path: Path, body: bytes) -> bool:
    """Make `body` durable at `path` unless something is there, and return whether it was; one of many writers wins.

    Raises:
        StorageError: Writing, flushing or fsync failed.
    """
    # A name of its own: another host may write the same file at the same time.
    draft = path.with_name(f"{path.name}.{secrets.token_hex(8)}.tmp")
    with durable_file(draft) as file:
        file.write(body)
    try:
        publish(draft, path)
    except FileExistsError:
        return False
    finally:
        draft.unlink(missing_ok=True)
    return True


def copy_file(source: Path, path: Path) -> None:
    """Make a copy of a small file durable at `path`.

    Raises:
        StorageError: One cannot be read, or the other not be written.
    """
    with storage(source, "read"):
        content = source.read_bytes()
    with durable_file(path) as file:
        file.write(content)


def read_json(path: Path, make: Callable[[dict[str, Any]], T], *, version: int, error: type[RunError]) -> T:
    """Return what `make` makes of the JSON object at `path`.

    Args:
        path: The file.
        make: Takes the object; a KeyError, TypeError or ValueError of it says that the file is damaged.
        version: What the object's `version` must be.
        error: What to raise.

    Raises:
        RunError: An `error`: the file is missing, damaged, or was written by another version of fanout.
    """
    return parse_json(read_body(path, error=error), str(path), make, version=version, error=error)


def read_body(path: Path, *, error: type[RunError]) -> bytes:
    """Return all of a file.

    Raises:
        RunError: An `error`: it is missing, or cannot be read.
    """
    try:
        return path.read_bytes()
    except OSError as cause:
        raise error(f"{path} cannot be read: {(cause.strerror or 'the disk failed').lower()}") from cause


def parse_json(
    body: bytes, name: str, make: Callable[[dict[str, Any]], T], *, version: int, error: type[RunError]
) -> T:
    """Return what `make` makes of the JSON object in `body`, which stands at `name`; otherwise as `read_json`."""
    try:
        content = json.loads(body)
    except (ValueError, RecursionError) as cause:
        raise error(f"{name} is damaged: it is not a complete JSON document. {_RESTORE}") from cause
    if not isinstance(content, dict) or "version" not in content:
        raise error(f"{name} is damaged: it has no version. {_RESTORE}")
    if content["version"] != version:
        raise error(f"{name} was written by another version of fanout: use that one for it")
    try:
        return make(content)
    except KeyError as cause:
        raise error(f"{name} is damaged: it lacks {cause}. {_RESTORE}") from cause
    except (TypeError, ValueError) as cause:
        # A plain ValueError is ours; pydantic's ValidationError, which is one too, has many lines of its own words.
        said = str(cause) if type(cause) is ValueError else "a value in it is not what fanout writes"
        raise error(f"{name} is damaged: {said}. {_RESTORE}") from cause


_RESTORE = "Put back a copy of it, if there is one"


def make_directory(path: Path, *, mode: int | None = PRIVATE) -> None:
    """Create the directory unless it is there; its parent must be.

    Args:
        path: The directory.
        mode: Permissions of the files in it, as for `durable_file`: who may read those may enter.
    """
    with storage(path, "create"):
        try:
            path.mkdir(mode=0o777 if mode is None else 0o700)
            if mode is not None and mode != PRIVATE:
                path.chmod(mode | (mode & 0o444) >> 2)
        except FileExistsError:
            if not path.is_dir():
                raise
        else:
            sync_directory(path.parent)


def sync_directory(path: Path) -> None:
    """Make the directory's entries durable; without this a rename may be lost with the power."""
    with storage(path, "fsync"):
        handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def publish(file: Path, name: Path) -> None:
    """Give the durable `file` its `name`, and never replace what has that name already.

    Raises:
        FileExistsError: The name is taken; `file` is still where it was.
        StorageError: The file system refused.
    """
    try:
        # rename() would replace a file that appeared since the look; link() does not.
        os.link(file, name, follow_symlinks=False)
    except FileExistsError:
        raise
    except OSError as error:
        if error.errno not in _NO_HARD_LINKS:
            with storage(name, "create"):
                raise
        if os.path.lexists(name):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(name)) from error
        # exFAT, SMB and the like: what is left open is the microsecond between the look and the rename.
        replace(file, name)
    else:
        with storage(file, "remove"):
            file.unlink()
        sync_directory(name.parent)


def publish_directory(directory: Path, name: Path) -> None:
    """Give the directory its `name`; what has that name already stays, unless it is an empty directory.

    Raises:
        FileExistsError: The name is taken; `directory` is still where it was.
        StorageError: The file system refused.
    """
    try:
        directory.rename(name)
    except OSError as error:
        if error.errno in _TAKEN:
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(name)) from error
        with storage(name, "create"):
            raise
    sync_directory(name.parent)


def replace(path: Path, name: Path) -> None:
    """Move the durable file `path` to `name`, in one step, in place of a file there."""
    with storage(name, "replace"):
        path.replace(name)
    sync_directory(name.parent)
