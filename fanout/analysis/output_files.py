"""Finds the output files of a report, recognises each by its own metadata, and refuses what cannot be put together.

A dataset of one run is one output; every other file is an output for itself.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise
from pathlib import Path, PurePath
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from fanout.analysis.remote_outputs import find_objects, open_object
from fanout.errors import UsageError
from fanout.files import damage
from fanout.output.destination import check_name
from fanout.output.object_place import is_remote
from fanout.output.parquet import row_span
from fanout.output.parts import is_part
from fanout.output.schema import READABLE, RUN_KEY, VERSION_KEY
from fanout.ports import ObjectInfo
from fanout.rundir.provenance import PROVENANCE_KEY, Provenance, read_provenance
from fanout.source.remote import Remote

MAGIC = b"PAR1"  # a Parquet file begins with it, whatever it is called; parquet-format, "File format"
NAMED = 3  # files that a message names
HIDDEN = (".", "_")  # as Spark, Hive and pyarrow have it: `.fanout` holds runs, and no output


@dataclass(frozen=True, slots=True)
class Facts:
    """What an output says of itself; None where it does not say.

    Attributes:
        path: Its file, or the directory of a dataset.
        plan: Of an experiment (`fanout bench`), as it was written down.
        throttles: Replies that said to slow down; no row of the file holds them.
        provenance: Who made it, where, with what; an earlier version did not say.
    """

    path: str
    run: str
    rows: int
    endpoint: str | None
    simulated: bool | None
    throttles: int | None
    plan: dict[str, Any] | None
    provenance: Provenance | None = None


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A file in a directory that is not in the report, and why."""

    path: str
    why: str


@dataclass(frozen=True, slots=True)
class OutputFile:
    """A Parquet file that fanout wrote.

    Attributes:
        path: Its path or `s3://` uri.
        version: Of its schema.
        span: The first and the last of its rows, None without a row.
        object: What S3 said of it; None for a local file.
    """

    path: str
    version: int
    rows: int
    span: tuple[int, int] | None
    metadata: Mapping[bytes, bytes]
    object: ObjectInfo | None = None

    @property
    def folder(self) -> str:
        """Where it stands."""
        return self.path.rpartition("/")[0]

    @property
    def is_part(self) -> bool:
        """Whether it is one of a dataset's files."""
        return is_part(PurePath(self.path))

    @property
    def run(self) -> str:
        """The run that wrote it."""
        return self.said(RUN_KEY.decode()) or ""

    def said(self, key: str) -> str | None:
        """Return what its metadata says under `key`."""
        value = self.metadata.get(key.encode())
        return None if value is None else value.decode("utf-8", "replace")

    @property
    def simulated(self) -> bool | None:
        """Whether its endpoint was the local AWS."""
        return {"true": True, "false": False}.get(self.said("fanout:simulated") or "")


def is_experiment(file: OutputFile) -> bool:
    """Whether `fanout bench` wrote it."""
    return file.said("fanout:bench") is not None


class Foreign(UsageError):  # noqa: N818 - reads as what is the case
    """A Parquet file that fanout did not write."""


def find_outputs(
    paths: Sequence[Path | str], *, remote: Remote | None = None
) -> tuple[list[OutputFile], list[LeftOut]]:
    """Return the output files that `paths` name or hold, each once, and what a directory holds besides.

    Args:
        paths: Here, or `s3://` uris.
        remote: Reads those.

    Raises:
        UsageError: One does not exist, cannot be read or is of a later version, a named one is not fanout's, or two
            cannot be put together; names them.
    """
    files: list[OutputFile] = []
    left_out: list[LeftOut] = []
    seen: set[object] = set()
    for path in paths:
        found, others = _found(str(path), remote=remote)
        if not found:
            said = "".join(f"; {each.path} {each.why}" for each in others[:NAMED])
            raise UsageError(f"{path}: holds no output of fanout{said}")
        for file in found:
            if (identity := _identity(file)) not in seen:  # named twice, or a link
                files.append(file)
                seen.add(identity)
        left_out += [each for each in others if each not in left_out]
    _check_together(files)
    return files, left_out


def _identity(file: OutputFile) -> object:
    if file.object is not None:
        return file.object.location
    about = Path(file.path).stat()
    return about.st_dev, about.st_ino


def _found(path: str, *, remote: Remote | None) -> tuple[list[OutputFile], list[LeftOut]]:
    """Return the outputs that a path names or holds, and what a directory holds besides."""
    if is_remote(path):
        if remote is None:
            raise UsageError(f"{path}: no access to S3 was set up for reading; copy the file here")
        infos = find_objects(path, remote=remote)
        reads = {info.location.uri: partial(_read_object, info, remote) for info in infos}
        return _ours(reads) if path not in reads else ([reads[path]()], [])
    place = Path(path)
    check_name(place)
    if not place.exists():
        raise UsageError(f"{path}: no such file")
    if not place.is_dir():
        return [_read(path, place)], []
    return _ours({str(file): partial(_read, str(file), file) for file in _parquet_files(place)})


def _ours(reads: Mapping[str, Callable[[], OutputFile]]) -> tuple[list[OutputFile], list[LeftOut]]:
    """Return the files that fanout wrote, and those that it did not."""
    found: list[OutputFile] = []
    others: list[LeftOut] = []
    for path, read in reads.items():
        try:
            found.append(read())
        except Foreign as error:
            others.append(LeftOut(path, str(error).removeprefix(f"{path}: ")))
    return found, others


def facts_of(files: Sequence[OutputFile]) -> list[Facts]:
    """Return what each output says: those of one dataset say it together."""
    outputs: dict[tuple[str, str], list[OutputFile]] = {}
    for file in files:
        outputs.setdefault(_output_of(file), []).append(file)
    return [_facts(group) for group in outputs.values()]


def _output_of(file: OutputFile) -> tuple[str, str]:
    """Return what files of one output have in common: its directory and run, if it is a dataset."""
    return (file.folder if file.is_part else file.path), file.run


def _facts(files: Sequence[OutputFile]) -> Facts:
    first = files[0]
    throttles, plan = first.said("fanout:throttles"), first.said("fanout:bench")
    return Facts(
        path=first.path if len(files) == 1 else first.folder,
        run=first.run,
        rows=sum(file.rows for file in files),
        endpoint=first.said("fanout:endpoint"),
        simulated=first.simulated,
        throttles=int(throttles) if throttles is not None else None,
        plan=json.loads(plan) if plan is not None else None,
        provenance=read_provenance(first.said(PROVENANCE_KEY)),
    )


def _parquet_files(directory: Path) -> Iterator[Path]:
    """Yield the Parquet files in a directory and below, by name; hidden ones are no output."""
    for place, directories, names in os.walk(directory):
        directories[:] = sorted(filter(_shown, directories))
        for name in sorted(filter(_shown, names)):
            path = Path(place, name)
            if path.suffix == ".parquet" or _begins_like_parquet(path):
                yield path


def _shown(name: str) -> bool:
    """Whether a name is one of outputs: not hidden, and not of one that is being made (`output.destination`)."""
    return not name.startswith(HIDDEN) and not name.endswith(".tmp")


def _begins_like_parquet(path: Path) -> bool:
    if not path.is_file():  # opening a pipe would wait for its writer
        return False
    try:
        with path.open("rb") as file:
            return file.read(len(MAGIC)) == MAGIC
    except OSError:  # not one that names itself Parquet
        return False


def _read_object(info: ObjectInfo, remote: Remote) -> OutputFile:
    return replace(_read(info.location.uri, open_object(info, remote=remote)), object=info)


def _read(path: str, source: Path | pa.NativeFile) -> OutputFile:
    try:
        with pq.ParquetFile(source) as file:
            metadata: dict[bytes, bytes] = dict(file.schema_arrow.metadata or {})
            version = version_of(metadata, path)
            groups = file.num_row_groups
            span = (row_span(file, 0)[0], row_span(file, groups - 1)[1]) if groups else None
            return OutputFile(path, version, file.metadata.num_rows, span, metadata)
    except (OSError, pa.ArrowException) as error:
        raise UsageError(
            f"{path}: {damage(error)}. Name outputs of fanout: Parquet files, or their directory"
        ) from error


def version_of(metadata: Mapping[bytes, bytes], path: str) -> int:
    """Return the version of the columns of an output whose file has this metadata.

    Raises:
        Foreign: fanout did not write it.
        UsageError: The version is not known here; names the file and the version.
    """
    said = metadata.get(VERSION_KEY)
    if said is None:
        raise Foreign(f"{path}: was not written by fanout: its metadata has no {VERSION_KEY.decode()}")
    known = {str(version).encode(): version for version in READABLE}
    if said not in known:
        raise UsageError(
            f"{path}: was written by a later version of fanout (schema {said.decode('utf-8', 'replace')}, known are "
            f"{', '.join(map(str, sorted(READABLE)))}): read it with that version"
        )
    return known[said]


def _check_together(files: Sequence[OutputFile]) -> None:
    """Return if the rows of all files can stand in one report.

    Raises:
        UsageError: Two hold the same rows, or one is an experiment, or only some are simulated.
    """
    spans = sorted(
        (file.run, file.span, place)
        for place, file in enumerate(files)
        if file.run and file.span is not None  # a part of a run that goes on names none
    )
    for (run, span, place), (other_run, other_span, other_place) in pairwise(spans):
        if run == other_run and other_span[0] <= span[1]:
            one, other = files[place], files[other_place]
            raise UsageError(
                f"{one.path} and {other.path} hold the same rows of run {one.run}: report on one of them"
            )
    outputs = dict.fromkeys(map(_output_of, files))
    experiment = next(filter(is_experiment, files), None)
    if experiment is not None and len(outputs) > 1:
        other = next(file for file in files if _output_of(file) != _output_of(experiment))
        raise UsageError(
            f"{experiment.path} is an experiment of `fanout bench`, {other.path} is another output: "
            "report on each alone"
        )
    kinds = {file.simulated: file for file in reversed(files)}
    if True in kinds and False in kinds:
        raise UsageError(
            f"{kinds[True].path} is simulated and {kinds[False].path} is not: report on each alone"
        )
