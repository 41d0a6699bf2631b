"""Writes files that are whole or absent, and reads the JSON ones back; says plainly when the disk fails.

What cannot be written is a `StorageError` that names path and next step.
A failed fsync is final: the kernel may have dropped the dirty pages, so trying again would report a false success.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

from fanout.errors import NO_DESCRIPTORS, THEN_RESUME, RunError, StorageError, UsageError

T = TypeVar("T")

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
            f"{path} cannot be read back: {str(error).strip() or type(error).__name__}; "
            f"the disk may be full or failing: look at it, {THEN_RESUME}, "
            "or `fanout resume --rebuild` if this file stays damaged"
        ) from error


def _unreadable() -> tuple[type[Exception], ...]:
    """Return what reading a damaged file raises, without importing pyarrow where nothing has read with it."""
    arrow = sys.modules.get("pyarrow")
    return (OSError,) if arrow is None else (OSError, arrow.ArrowException)


@contextmanager
def durable_file(path: Path) -> Iterator[BinaryIO]:
    """Open `path` anew for writing (0600); on leaving, it is on the disk. It is removed if anything fails.

    A leftover of a killed run under the same name is replaced.

    Raises:
        StorageError: Writing, flushing or fsync failed.
    """
    with storage(path, "write"):
        path.unlink(missing_ok=True)
        file = os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb", _BUFFER_BYTES)
        try:
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


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Make `content` durable at `path`, in one step, in place of a file there.

    Raises:
        StorageError: Writing, flushing or fsync failed; what was there before is still there.
    """
    draft = path.with_suffix(".tmp")  # a kill in the middle must not leave half of it under its name
    with durable_file(draft) as file:
        file.write(json.dumps(content, indent=2).encode() + b"\n")
    replace(draft, path)


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
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as cause:
        raise error(f"{path} cannot be read: {cause}") from cause
    if not isinstance(content, dict) or "version" not in content:
        raise error(f"{path} is damaged: it has no version")
    if content["version"] != version:
        raise error(f"{path} was written by another version of fanout")
    try:
        return make(content)
    except (KeyError, TypeError, ValueError) as cause:  # pydantic's ValidationError is a ValueError
        raise error(f"{path} is damaged: {type(cause).__name__}: {cause}") from cause


def make_directory(path: Path) -> None:
    """Create the directory (0700) unless it is there; its parent must be."""
    with storage(path, "create"):
        try:
            path.mkdir(mode=0o700)
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
