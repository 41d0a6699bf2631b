"""Finds the objects that an `s3://` uri means: one object, all below a prefix, or those that a glob matches."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from fanout.domain.location import Location
from fanout.errors import InputError, NothingFound, RunError
from fanout.ports import ObjectInfo
from fanout.source import path_rules as rules
from fanout.source.remote import Remote
from fanout.source.settings import InputSettings


@dataclass(frozen=True, slots=True)
class FoundObjects:
    """What an uri means.

    Attributes:
        infos: The objects, in the order of their keys.
        left_out: Names of objects below a prefix that are not read.
        tables: The tables that the objects lie in, as far as a listing shows their logs, with their kinds.
    """

    infos: list[ObjectInfo]
    left_out: list[str] = field(default_factory=list)
    tables: dict[str, str] = field(default_factory=dict)


def find_objects(uri: str, *, settings: InputSettings, remote: Remote) -> FoundObjects:
    """Return the objects that an uri means.

    A key counts byte for byte: `a//b` and `a/b` are two. What ends in a slash is a folder's marker and no file.

    Raises:
        InputError: There is no such bucket, object or prefix, or nothing in it to read.
        RunError: S3 does not permit it, or does not answer.
    """
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    if not bucket or rules.GLOB & set(bucket):
        raise InputError(f"{uri}: names no bucket; write s3://BUCKET/PREFIX")
    exact = remote.find(Location(bucket, key)) if key and not key.endswith("/") else None
    if exact is not None:
        return FoundObjects([exact])
    try:
        if rules.GLOB & set(key):
            return _matching(uri, bucket, key, remote=remote)
        return _below(uri, bucket, key, settings=settings, remote=remote)
    except InputError:
        raise
    except RunError as error:
        raise RunError(
            f"{uri}: there is no such object, or this role may not read it (s3:GetObject): {error}"
        ) from error


def _matching(uri: str, bucket: str, pattern: str, *, remote: Remote) -> FoundObjects:
    parts = pattern.split("/")
    first = next(index for index, char in enumerate(pattern) if char in rules.GLOB)
    found: list[ObjectInfo] = []
    listed: list[str] = []
    for info in _objects(remote, bucket, pattern[:first]):
        listed.append(info.location.key)
        name = info.location.key.split("/")
        below = name[rules.fixed_parts(parts) :]
        if rules.matches(name, parts) and not rules.is_hidden(below, pattern=parts):
            found.append(info)
    if not found:
        raise NothingFound(f"{uri}: no object matches")
    tables = {
        f"s3://{bucket}/{folder}".rstrip("/"): kind
        for folder, kind in sorted(rules.tables_in(listed).items())
        if any(info.location.key.startswith(f"{folder}/" if folder else "") for info in found)
    }
    return FoundObjects(found, tables=tables)


def _below(uri: str, bucket: str, key: str, *, settings: InputSettings, remote: Remote) -> FoundObjects:
    prefix = f"{key.removesuffix('/')}/" if key else ""
    shown: dict[str, ObjectInfo] = {}
    is_empty = True
    for info in _objects(remote, bucket, prefix):
        is_empty = False
        name = info.location.key[len(prefix) :]
        folders = name.split("/")[:-1]
        for depth, folder in enumerate(folders):
            if folder in rules.TABLES:
                above = "/".join(("s3:/", bucket, *prefix.split("/")[:-1], *folders[:depth]))
                raise rules.table(above, rules.TABLES[folder])
        if not rules.is_hidden(folders):
            shown[name] = info
    if is_empty:
        raise NothingFound(f"{uri}: no such object or prefix")
    taken, left_out = rules.wanted(shown, of=uri, settings=settings)
    return FoundObjects([shown[name] for name in taken], left_out)


def _objects(remote: Remote, bucket: str, prefix: str) -> Iterator[ObjectInfo]:
    for page in remote.list(bucket, prefix):
        for info in page:
            if not info.location.key.endswith("/"):
                yield info
