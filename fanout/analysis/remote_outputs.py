"""Finds output files in S3 and opens them for reading by ranges: a column that is not asked for is not fetched."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import PurePosixPath

import pyarrow as pa
import pyarrow.dataset as ds

from fanout.domain.location import Location
from fanout.errors import RunError, UsageError
from fanout.output.object_place import MANIFEST, RUN, SCHEME, SUCCESS
from fanout.output.parts import is_part
from fanout.ports import ObjectInfo
from fanout.source.path_rules import hides
from fanout.source.remote import Remote, RemoteFile


def find_objects(uri: str, *, remote: Remote) -> list[ObjectInfo]:
    """Return the Parquet objects that an `s3://` uri names: one, or those below it by their suffix, in key order.

    Hidden ones are no output; an object whose name does not say that it is Parquet has to be named itself.

    Raises:
        UsageError: There is no such bucket, object or prefix, or a dataset below it is not whole.
        RunError: S3 does not permit it, or does not answer.
    """
    bucket, _, key = uri[len(SCHEME) :].partition("/")
    if not bucket:
        raise UsageError(f"{uri}: names no bucket; write s3://BUCKET/NAME.parquet or s3://BUCKET/PREFIX/")
    if key and not key.endswith("/") and (one := remote.find(Location(bucket, key))) is not None:
        return [one]
    listed = _listed(uri, Location(bucket, key), remote=remote)
    if not listed:
        raise UsageError(f"{uri}: no such object or prefix")
    if listed[0].location.key == key:  # it is there, and reading it says why it may not be seen
        return listed[:1]
    _check_whole(listed, remote=remote)
    below = len(key.rstrip("/")) + 1 if key else 0
    return [info for info in listed if _is_output(info.location.key[below:])]


def open_object(info: ObjectInfo, *, remote: Remote) -> pa.NativeFile:
    """Return an object as a file that Arrow reads from anywhere, of this version and no other."""
    return pa.PythonFile(RemoteFile(remote, info, check=lambda: None), mode="r")


def dataset_of(
    infos: Sequence[ObjectInfo], *, remote: Remote, schema: pa.Schema | None = None
) -> ds.FileSystemDataset:
    """Return the rows of objects together, by `schema`, or by that of the first of them."""
    form = ds.ParquetFileFormat()
    fragments = [form.make_fragment(open_object(info, remote=remote)) for info in infos]
    return ds.FileSystemDataset(fragments, schema or fragments[0].physical_schema, form)


def _listed(uri: str, place: Location, *, remote: Remote) -> list[ObjectInfo]:
    """Return the object at a place and those below it, not those whose names only begin alike."""
    bucket, key = place
    folder = f"{key.rstrip('/')}/" if key else ""
    try:
        pages = remote.list(bucket, key)
        return [
            info
            for page in pages
            for info in page
            if info.location.key == key or info.location.key.startswith(folder)
            if not info.location.key.endswith("/")
        ]
    except UsageError:
        raise
    except RunError as error:
        raise RunError(f"{uri}: there is no such object, or this role may not read it: {error}") from error


def _is_output(name: str) -> bool:
    return name.endswith(".parquet") and not any(map(hides, name.split("/")))


def _check_whole(infos: Iterable[ObjectInfo], *, remote: Remote) -> None:
    """Refuse a dataset that a run is writing or replacing; one that was copied here has no marks, and no run's name.

    Raises:
        UsageError: One is not whole.
    """
    folders: dict[str, dict[str, ObjectInfo]] = {}
    for info in infos:
        folder, _, name = info.location.key.rpartition("/")
        folders.setdefault(folder, {})[name] = info
    for named in folders.values():
        part = next((info for name, info in named.items() if is_part(PurePosixPath(name))), None)
        if part is None or SUCCESS in named:
            continue
        told = None if MANIFEST in named else remote.find(part.location)
        if told is None and MANIFEST not in named:
            continue
        if told is None or RUN in told.metadata:
            raise UsageError(
                f"{part.location.uri.rpartition('/')[0]}/ is not whole, as it has no {SUCCESS}: the run that writes "
                "or replaces it has not finished; wait for it, or `fanout resume` it"
            )
