"""Finds the files that the user's paths mean, sorted and each once, and says what it left out."""

from __future__ import annotations

import fnmatch
import glob
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path, PurePath, PurePosixPath

import pyarrow as pa
from pyarrow import fs as pafs

from fanout.errors import InputError
from fanout.source.detect import format_of_name
from fanout.source.files import STDIN, InputFile, local_file, reason, remote_file, remote_key
from fanout.source.settings import InputSettings

_GLOB = frozenset("*?[")
_SHOWN = 8
_TABLES = {"_delta_log": "a Delta table", ".hoodie": "a Hudi table"}
_LOGS = {**_TABLES, "metadata/*.metadata.json": "an Iceberg table"}
_ICEBERG = re.compile(r"(?:.*/)?metadata/[^/]+\.metadata\.json")


@dataclass(frozen=True, slots=True)
class Inventory:
    """The files to read, formats not yet known.

    Attributes:
        warnings: What was left out, once for each path, for a person.
    """

    files: tuple[InputFile, ...]
    warnings: tuple[str, ...] = ()


@dataclass(slots=True)
class _Found:
    """What one path means; `left_out` are names below it, `tables` the kinds of the tables that its files lie in."""

    files: list[InputFile] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    tables: dict[str, str] = field(default_factory=dict)


def take_inventory(settings: InputSettings, *, filesystem: pafs.FileSystem | None) -> Inventory:
    """Return the files that `settings.paths` mean.

    Directories are read recursively, sorted by path, without hidden and `_`-prefixed entries (but for partitions,
    `_day=1`), and only for files whose suffix says that they are of the wanted format.

    Raises:
        InputError: A path means no file, cannot be looked at, or is a table whose files are not all part of it; or a
            file is meant twice.
    """
    if not settings.paths:
        raise InputError("no input: name a file, a directory, a glob, an s3:// uri, or - for stdin")
    files: list[InputFile] = []
    warnings = []
    for path in settings.paths:
        found = _expand(path, settings=settings, filesystem=filesystem)
        files += found.files
        if found.left_out:
            warnings.append(_left_out(path, found.left_out))
        warnings += [
            f"{path}: {folder} is {kind}, whose log is not read: some of these files may no longer be part of it"
            for folder, kind in found.tables.items()
        ]
    seen: set[str] = set()
    for file in files:
        name = file.path if file.path == STDIN or file.filesystem is not None else os.path.realpath(file.path)
        if name in seen:
            raise InputError(f"{file.path}: named twice, so its rows would be sent twice; name it once")
        seen.add(name)
    return Inventory(tuple(files), tuple(warnings))


def _left_out(path: str, names: list[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    shown = ", ".join(sorted(names)[:_SHOWN])
    return f"{path}: not read: {shown}{more}; to have them read, name them or a glob that they match"


def _expand(path: str, *, settings: InputSettings, filesystem: pafs.FileSystem | None) -> _Found:
    if path == STDIN:
        return _Found([InputFile(STDIN, None, None)])
    if path.startswith("s3://"):
        if filesystem is None:
            raise InputError(
                f"{path}: no access to S3 was set up for reading; copy the file here or pass a filesystem"
            )
        return _remote(path, settings=settings, filesystem=filesystem)
    return _local(path, settings=settings)


def _local(path: str, *, settings: InputSettings) -> _Found:
    try:
        is_directory = Path(path).is_dir()
    except OSError as error:  # a directory above it may not be looked into
        raise InputError(f"{path}: {reason(error)}") from error
    if is_directory:
        return _directory(path, settings=settings)
    if Path(path).exists() or not _GLOB & set(path):
        return _Found([local_file(path)], tables=_local_tables([path]))
    found = _Found()
    for match in sorted(glob.glob(path, recursive=True)):  # noqa: PTH207 - Path.glob takes no absolute patterns
        if _is_hidden(PurePosixPath(match), below=_fixed_part(path), pattern=path):
            continue
        if not Path(match).is_dir():
            found.files.append(local_file(match))
        elif "**" not in path:  # ** visits the files of a directory by itself
            inner = _directory(match, settings=settings)
            found.files += inner.files
            found.left_out += [f"{match}/{name}" for name in inner.left_out]
    if not found.files:
        raise InputError(f"{path}: no file matches")
    found.tables = _local_tables(file.path for file in found.files)
    return found


def _local_tables(paths: Iterable[str]) -> dict[str, str]:
    """Return the tables that files lie in, by folder, with their kinds."""
    folders = {above for path in paths for above in Path(path).absolute().parents}
    return {
        str(folder): kind for folder in sorted(folders) for log, kind in _LOGS.items() if _has(folder, log)
    }


def _has(folder: Path, log: str) -> bool:
    try:
        return next(folder.glob(log), None) is not None
    except OSError:  # a folder above that may not be looked into
        return False


def _directory(path: str, *, settings: InputSettings) -> _Found:
    for above in Path(path).resolve().parents:
        for log, kind in _TABLES.items():
            if (above / log).is_dir():
                raise _table(str(above), kind)
    names, links = _walk(path)
    wanted, left_out = _wanted(names, of=path, below=path, settings=settings)
    return _Found([local_file(str(name)) for name in wanted], [*left_out, *links])


def _walk(directory: str) -> tuple[list[PurePosixPath | Path], list[str]]:
    """Return all files below a directory but the hidden ones, and the names of links to folders."""

    def refuse(error: OSError) -> None:
        raise InputError(f"{error.filename or directory}: {reason(error)}") from error

    names: list[PurePosixPath | Path] = []
    links: list[str] = []
    for folder, folders, found in os.walk(directory, onerror=refuse):
        for name in folders:
            if name in _TABLES:
                raise _table(folder, _TABLES[name])
        folders[:] = [name for name in folders if not _hides(name)]
        links += [
            f"{os.path.relpath(Path(folder, name), directory)}/ (a link to a folder)"
            for name in folders
            if Path(folder, name).is_symlink()
        ]
        names += [Path(folder, name) for name in found]
    return names, links


def _remote(path: str, *, settings: InputSettings, filesystem: pafs.FileSystem) -> _Found:
    key = remote_key(path).rstrip("/")
    try:
        info = filesystem.get_file_info(key)
        if info.type == pafs.FileType.File:
            return _Found([remote_file(info, filesystem)])
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
    left_out: list[str] = []
    if pattern is None:
        for name in files:
            for folder in name.parts[len(PurePosixPath(below).parts) : -1]:
                if folder in _TABLES:
                    raise _table(f"s3://{str(name).partition(f'/{folder}/')[0]}", _TABLES[folder])
        shown = [name for name in files if not _is_hidden(PurePosixPath(*name.parts[:-1]), below=below)]
        names, left_out = _wanted(shown, of=path, below=below, settings=settings)
    else:
        names = sorted(
            name
            for name in files
            if matches(name, pattern) and not _is_hidden(name, below=below, pattern=pattern)
        )
        if not names:
            raise InputError(f"{path}: no object matches")
    found = _Found([remote_file(files[PurePosixPath(name)], filesystem) for name in names], left_out)
    found.tables = {} if pattern is None else _remote_tables(names, listed=files)
    return found


def _remote_tables(names: Iterable[PurePath], *, listed: Iterable[PurePosixPath]) -> dict[str, str]:
    """Return the tables that objects lie in, by folder, with their kinds, as far as the listing shows their logs."""
    found: dict[PurePath, str] = {}
    for one in listed:
        for place, part in enumerate(one.parts[:-1]):
            kind = _TABLES.get(part)
            if kind is None and _ICEBERG.fullmatch("/".join(one.parts[place:])):
                kind = "an Iceberg table" if part == "metadata" else None
            if kind is not None:
                found[PurePosixPath(*one.parts[:place])] = kind
    inside = {folder for name in names for folder in PurePosixPath(name).parents}
    return {f"s3://{folder}": kind for folder, kind in sorted(found.items()) if folder in inside}


def _wanted(
    names: Iterable[PurePosixPath | Path], *, of: str, below: str, settings: InputSettings
) -> tuple[list[PurePosixPath | Path], list[str]]:
    """Return the files of a directory to read, and the names of those that their suffix leaves out."""
    wanted: list[PurePosixPath | Path] = []
    left_out: list[str] = []
    for name in names:
        inner = str(name.relative_to(below))
        if _ICEBERG.fullmatch(inner):
            raise _table(f"{of.rstrip('/')}/{inner}".rpartition("/metadata/")[0], "an Iceberg table")
        if _hides(name.name):
            continue
        kind = format_of_name(name.name)
        if kind is not None and settings.format in {"auto", kind}:
            wanted.append(name)
        else:
            left_out.append(inner)
    if not wanted:
        kind_text = "JSON Lines or Parquet" if settings.format == "auto" else settings.format
        raise InputError(
            f"{of}: no {kind_text} file in this directory; other suffixes must be named by a glob"
        )
    return sorted(wanted, key=lambda name: name.parts), left_out


def _table(folder: str, kind: str) -> InputError:
    return InputError(
        f"{folder}: is {kind}: some of its files are no longer part of it, and only its log tells which; "
        f"write the table's rows to Parquet first (DuckDB: COPY (FROM delta_scan('...')) TO 'rows.parquet', "
        f"or iceberg_scan), or name single files"
    )


def _hides(name: str) -> bool:
    """Whether an entry is hidden, or marked by `_` as no data; `_day=1` is a partition, as Spark reads it."""
    return name.startswith(".") or (name.startswith("_") and "=" not in name)


def _is_hidden(name: PurePosixPath, *, below: str, pattern: str = "") -> bool:
    """Whether an entry on the way from `below` to `name` is hidden, and no part of `pattern` asks for hidden ones."""
    asked = [part for part in pattern.split("/") if part.startswith((".", "_"))]
    return any(
        _hides(part) and not any(fnmatch.fnmatchcase(part, one) for one in asked)
        for part in name.parts[len(PurePosixPath(below).parts) :]
    )


def _fixed_part(pattern: str) -> str:
    parts = pattern.split("/")
    fixed = [
        part for index, part in enumerate(parts) if not any(_GLOB & set(one) for one in parts[: index + 1])
    ]
    return "/".join(fixed)


def matches(name: PurePath, pattern: str) -> bool:
    """Whether a glob means a path: part by part, so that `*` stops at a slash; `**` is any depth."""

    def match(parts: tuple[str, ...], patterns: tuple[str, ...]) -> bool:
        if not patterns:
            return not parts
        if patterns[0] == "**":
            return match(parts, patterns[1:]) or (bool(parts) and match(parts[1:], patterns))
        return bool(parts) and fnmatch.fnmatchcase(parts[0], patterns[0]) and match(parts[1:], patterns[1:])

    return match(name.parts, tuple(pattern.split("/")))
