"""Paths as the user gave them in, the files they mean out, sorted, each once."""

from __future__ import annotations

import fnmatch
import glob
import os
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

import pyarrow as pa
from pyarrow import fs as pafs

from fanout.errors import InputError
from fanout.source.detect import format_of_name
from fanout.source.files import STDIN, InputFile, local_file, reason, remote_file, remote_key
from fanout.source.settings import InputSettings

_GLOB = frozenset("*?[")


def take_inventory(settings: InputSettings, *, filesystem: pafs.FileSystem | None) -> tuple[InputFile, ...]:
    """Return the files that `settings.paths` mean, formats not yet known.

    Directories are read recursively, sorted by path, without hidden and `_`-prefixed entries, and only for files
    whose suffix says that they are of the wanted format.

    Raises:
        InputError: A path means no file, cannot be looked at, or a file is meant twice.
    """
    if not settings.paths:
        raise InputError("no input: name a file, a directory, a glob, an s3:// uri, or - for stdin")
    files: list[InputFile] = []
    for path in settings.paths:
        files += _expand(path, settings=settings, filesystem=filesystem)
    seen: set[str] = set()
    for file in files:
        name = file.path if file.path == STDIN or file.filesystem is not None else os.path.realpath(file.path)
        if name in seen:
            raise InputError(f"{file.path}: named twice, so its rows would be sent twice; name it once")
        seen.add(name)
    return tuple(files)


def _expand(path: str, *, settings: InputSettings, filesystem: pafs.FileSystem | None) -> Iterable[InputFile]:
    if path == STDIN:
        return [InputFile(STDIN, None, None)]
    if path.startswith("s3://"):
        if filesystem is None:
            raise InputError(
                f"{path}: no access to S3 was set up for reading; copy the file here or pass a filesystem"
            )
        return _remote(path, settings=settings, filesystem=filesystem)
    return _local(path, settings=settings)


def _local(path: str, *, settings: InputSettings) -> list[InputFile]:
    try:
        is_directory = Path(path).is_dir()
    except OSError as error:  # a directory above it may not be looked into
        raise InputError(f"{path}: {reason(error)}") from error
    if is_directory:
        return [local_file(name) for name in _walk(path, settings=settings)]
    if Path(path).exists() or not _GLOB & set(path):
        return [local_file(path)]
    files: list[InputFile] = []
    for match in sorted(glob.glob(path, recursive=True)):  # noqa: PTH207 - Path.glob takes no absolute patterns
        if _is_hidden(PurePosixPath(match), below=_fixed_part(path)):
            continue
        if not Path(match).is_dir():
            files.append(local_file(match))
        elif "**" not in path:  # ** visits the files of a directory by itself
            files += [local_file(name) for name in _walk(match, settings=settings)]
    if not files:
        raise InputError(f"{path}: no file matches")
    return files


def _walk(directory: str, *, settings: InputSettings) -> list[str]:
    def refuse(error: OSError) -> None:
        raise InputError(f"{error.filename or directory}: {reason(error)}") from error

    names: list[PurePosixPath | Path] = []
    for folder, folders, found in os.walk(directory, onerror=refuse):
        folders[:] = [name for name in folders if not name.startswith((".", "_"))]
        names += [Path(folder, name) for name in found]
    return [str(name) for name in _wanted(names, of=directory, settings=settings)]


def _remote(path: str, *, settings: InputSettings, filesystem: pafs.FileSystem) -> list[InputFile]:
    key = remote_key(path).rstrip("/")
    try:
        info = filesystem.get_file_info(key)
        if info.type == pafs.FileType.File:
            return [remote_file(info, filesystem)]
        if info.type == pafs.FileType.Directory:
            below, pattern = key, None
        elif _GLOB & set(key):
            below, pattern = _fixed_part(key), key
        else:
            raise InputError(f"{path}: no such object or prefix")
        listing = filesystem.get_file_info(pafs.FileSelector(below, recursive=True, allow_not_found=True))
    except (OSError, pa.ArrowException) as error:
        raise InputError(f"{path}: {reason(error)}") from error
    files = {PurePosixPath(one.path): one for one in listing if one.type == pafs.FileType.File}
    found = {name: one for name, one in files.items() if not _is_hidden(name, below=below)}
    if pattern is None:
        names: Iterable[PurePosixPath | Path] = _wanted(found, of=path, settings=settings)
    else:
        names = sorted(
            name for name in found if _matches(name, pattern) and not name.name.startswith((".", "_"))
        )
        if not names:
            raise InputError(f"{path}: no object matches")
    return [remote_file(found[PurePosixPath(name)], filesystem) for name in names]


def _wanted(
    names: Iterable[PurePosixPath | Path], *, of: str, settings: InputSettings
) -> list[PurePosixPath | Path]:
    suffixed = [
        name
        for name in names
        if not name.name.startswith((".", "_")) and (kind := format_of_name(name.name)) is not None
        if settings.format in {"auto", kind}
    ]
    if not suffixed:
        kind_text = "JSON Lines or Parquet" if settings.format == "auto" else settings.format
        raise InputError(
            f"{of}: no {kind_text} file in this directory; other suffixes must be named by a glob"
        )
    return sorted(suffixed, key=lambda name: name.parts)


def _is_hidden(name: PurePosixPath, *, below: str) -> bool:
    """Whether an entry on the way from `below` to `name` is hidden, or marked by `_` as no data."""
    return any(part.startswith((".", "_")) for part in name.parts[len(PurePosixPath(below).parts) :])


def _fixed_part(pattern: str) -> str:
    parts = pattern.split("/")
    fixed = [
        part for index, part in enumerate(parts) if not any(_GLOB & set(one) for one in parts[: index + 1])
    ]
    return "/".join(fixed)


def _matches(name: PurePosixPath, pattern: str) -> bool:
    """Match part by part, so that `*` stops at a slash, as it does for local globs; `**` is any depth."""

    def match(parts: tuple[str, ...], patterns: tuple[str, ...]) -> bool:
        if not patterns:
            return not parts
        if patterns[0] == "**":
            return match(parts, patterns[1:]) or (bool(parts) and match(parts[1:], patterns))
        return bool(parts) and fnmatch.fnmatchcase(parts[0], patterns[0]) and match(parts[1:], patterns[1:])

    return match(name.parts, tuple(pattern.split("/")))
