"""Finds the files that the user's paths mean, sorted and each once, and says what it left out."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath

from fanout.errors import InputError, NothingFound
from fanout.source import path_rules as rules
from fanout.source.files import InputFile, local_file, reason, remote_file
from fanout.source.remote import Remote
from fanout.source.s3_discovery import find_objects
from fanout.source.settings import InputSettings
from fanout.source.stdin import STDIN

_SHOWN = 8


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


def take_inventory_of_each(settings: InputSettings, *, remote: Remote | None) -> Inventory:
    """Return the files that `settings.paths` mean, though some mean none; raises as `take_inventory`.

    Raises:
        NothingFound: None of them means a file.
    """
    found: list[Inventory] = []
    nothing: list[NothingFound] = []
    for path in settings.paths:
        try:
            found.append(take_inventory(replace(settings, paths=(path,)), remote=remote))
        except NothingFound as error:
            nothing.append(error)
    if not found:
        raise nothing[0]
    together = tuple(file for each in found for file in each.files)
    _each_once(together)
    warnings = [text for each in found for text in each.warnings]
    return Inventory(together, (*warnings, *map(str, nothing)))


def take_inventory(settings: InputSettings, *, remote: Remote | None) -> Inventory:
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
        found = _expand(path, settings=settings, remote=remote)
        files += found.files
        if found.left_out:
            warnings.append(_left_out(path, found.left_out))
        warnings += [
            f"{path}: {folder} is {kind}, whose log is not read: some of these files may no longer be part of it"
            for folder, kind in found.tables.items()
        ]
    _each_once(files)
    return Inventory(tuple(files), tuple(warnings))


def _each_once(files: Iterable[InputFile]) -> None:
    seen: set[str] = set()
    for file in files:
        name = file.path if file.path == STDIN or file.remote is not None else os.path.realpath(file.path)
        if name in seen:
            raise InputError(f"{file.path}: named twice, so its rows would be sent twice; name it once")
        seen.add(name)


def _left_out(path: str, names: list[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    shown = ", ".join(sorted(names)[:_SHOWN])
    return f"{path}: not read: {shown}{more}; to have them read, name them or a glob that they match"


def _expand(path: str, *, settings: InputSettings, remote: Remote | None) -> _Found:
    if path == STDIN:
        return _Found([InputFile(STDIN, None, None)])
    if path.startswith("s3://"):
        if remote is None:
            raise InputError(f"{path}: no access to S3 was set up for reading; copy the file here")
        objects = find_objects(path, settings=settings, remote=remote)
        return _Found([remote_file(info, remote) for info in objects.infos], objects.left_out, objects.tables)
    return _local(path, settings=settings)


def _local(path: str, *, settings: InputSettings) -> _Found:
    try:
        is_directory = Path(path).is_dir()
    except OSError as error:  # a directory above it may not be looked into
        raise InputError(f"{path}: {reason(error)}") from error
    if is_directory:
        return _directory(path, settings=settings)
    if Path(path).exists() or not rules.GLOB & set(path):
        return _Found([local_file(path)], tables=_local_tables([path]))
    found = _Found()
    pattern = PurePosixPath(path).parts
    fixed = rules.fixed_parts(pattern)
    for match in sorted(glob.glob(path, recursive=True)):  # noqa: PTH207 - Path.glob takes no absolute patterns
        if rules.is_hidden(PurePosixPath(match).parts[fixed:], pattern=pattern):
            continue
        if not Path(match).is_dir():
            found.files.append(local_file(match))
        elif "**" not in path:  # ** visits the files of a directory by itself
            inner = _directory(match, settings=settings)
            found.files += inner.files
            found.left_out += [f"{match}/{name}" for name in inner.left_out]
    if not found.files:
        raise NothingFound(f"{path}: no file matches")
    found.tables = _local_tables(file.path for file in found.files)
    return found


def _local_tables(paths: Iterable[str]) -> dict[str, str]:
    """Return the tables that files lie in, by folder, with their kinds."""
    folders = {above for path in paths for above in Path(path).absolute().parents}
    return {
        str(folder): kind
        for folder in sorted(folders)
        for log, kind in rules.LOGS.items()
        if _has(folder, log)
    }


def _has(folder: Path, log: str) -> bool:
    try:
        return next(folder.glob(log), None) is not None
    except OSError:  # a folder above that may not be looked into
        return False


def _directory(path: str, *, settings: InputSettings) -> _Found:
    for above in Path(path).resolve().parents:
        for log, kind in rules.TABLES.items():
            if (above / log).is_dir():
                raise rules.table(str(above), kind)
    names, links = _walk(path)
    wanted, left_out = rules.wanted(names, of=path, settings=settings)
    return _Found([local_file(str(Path(path, name))) for name in wanted], [*left_out, *links])


def _walk(directory: str) -> tuple[list[str], list[str]]:
    """Return the paths from a directory to all files in it, sorted, but to hidden ones, and links to folders."""

    def refuse(error: OSError) -> None:
        raise InputError(f"{error.filename or directory}: {reason(error)}") from error

    names: list[Path] = []
    links: list[str] = []
    for folder, folders, found in os.walk(directory, onerror=refuse):
        for name in folders:
            if name in rules.TABLES:
                raise rules.table(folder, rules.TABLES[name])
        folders[:] = [name for name in folders if not rules.hides(name)]
        links += [
            f"{os.path.relpath(Path(folder, name), directory)}/ (a link to a folder)"
            for name in folders
            if Path(folder, name).is_symlink()
        ]
        names += [Path(folder, name).relative_to(directory) for name in found]
    return [str(name) for name in sorted(names, key=lambda name: name.parts)], links
