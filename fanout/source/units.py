"""Divides an input into units, the parts of its files that shards read, and finds the file of a unit again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from fanout.domain.division import Measured, divide
from fanout.domain.location import Location
from fanout.errors import InputError, UsageError
from fanout.ports import ObjectInfo
from fanout.source.files import InputFile, Span, local_file
from fanout.source.footer_pack import FooterPack
from fanout.source.kept_footers import KeptFooters
from fanout.source.known import Known
from fanout.source.parquet.footers import Group, places_within
from fanout.source.remote import Remote
from fanout.source.settings import Compression, Format


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """A file, or a part of one, that one shard reads.

    Attributes:
        path: Of the file, as in `InputFile`.
        file_bytes: Its length.
        version: Its ETag in S3, else its time of modification in nanoseconds since the epoch.
        start: The first byte of plain JSON Lines, or row group of Parquet; None for the whole file.
        end: The one behind the last; None for the whole file.
        size_bytes: Bytes of the file that stand behind it.
        rows: Its rows, where the file tells them.
        footer: Of Parquet in S3, what is read of its footer, as in `InputFile`; None where that is not known.
    """

    path: str
    file_bytes: int
    version: str
    format: Format
    compression: Compression
    start: int | None
    end: int | None
    size_bytes: int
    rows: int | None
    footer: tuple[tuple[int, int], ...] | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class InputPart:
    """The part of an input that one of several shards reads.

    Attributes:
        index: Which shard, from 0; `of` is how many there are.
        units: What it reads, in the order of the rows; nothing if there is less input than shards.
        known: What was found out of the whole input.
        footers: What is at hand of the units' footers; the rest, or all if None, is read from the files.
    """

    index: int
    of: int
    units: tuple[Unit, ...]
    known: Known
    footers: FooterPack | None = field(default=None, repr=False, compare=False)

    @property
    def paths(self) -> tuple[str, ...]:
        """The files that it reads, or reads parts of."""
        return tuple(unit.path for unit in self.units)


def divided(
    files: Sequence[InputFile], groups: Mapping[str, Sequence[Group]], *, shards: int
) -> list[tuple[Unit, ...]]:
    """Return the units of each of so many shards, even by bytes, in the order of the files.

    Args:
        files: All files, formats known.
        groups: The row groups of those that are Parquet.
        shards: How many.

    Raises:
        UsageError: One of the files can be read only once.
    """
    for file in files:
        if file.streamed:
            raise UsageError(
                f"{file.path} can be read once and from its start alone, and each of several shards reads a part: "
                "write it to a file first"
            )
    measured = [_measured(file, groups.get(file.path)) for file in files]
    return [
        tuple(_unit(files[piece.file], groups, start=piece.start, end=piece.end, size_bytes=piece.size_bytes)
              for piece in share)
        for share in divide(measured, shards)
    ]  # fmt: skip


def _measured(file: InputFile, groups: Sequence[Group] | None) -> Measured:
    size_bytes = file.size_bytes or 0
    if groups is not None:
        # A row weighs something, however far its columns fold up: a group of nulls is read, too.
        return Measured(size_bytes, tuple(group.size_bytes + group.rows for group in groups))
    return Measured(size_bytes, None if file.compression == "none" else (1,))


def _unit(
    file: InputFile, groups: Mapping[str, Sequence[Group]], *, start: int, end: int, size_bytes: int
) -> Unit:
    own = groups.get(file.path)
    if own is not None:
        whole, rows = end - start == len(own), sum(group.rows for group in own[start:end])
    else:
        whole, rows = file.compression != "none" or end - start == file.size_bytes, None
    return Unit(
        path=file.path,
        file_bytes=file.size_bytes or 0,
        version=file.version,
        format=file.format,
        compression=file.compression,
        start=None if whole else start,
        end=None if whole else end,
        size_bytes=size_bytes,
        rows=rows,
    )


def with_footers(
    shares: Sequence[tuple[Unit, ...]], files: Sequence[InputFile], kept: KeptFooters
) -> list[tuple[Unit, ...]]:
    """Return the units with what each has to read of its file's footer: all of it, or the part of its row groups.

    Args:
        shares: The units of each shard.
        files: All files.
        kept: Their footers, as far as they were kept; others are read again.

    Raises:
        InputError: The footer of a file in S3 could not be read again.
    """
    known = {file.path: file for file in files if file.footer}
    paths = {unit.path for share in shares for unit in share if unit.start is not None and unit.path in known}
    cut = {path: places_within(known[path], kept.get(path)) for path in paths}

    def footer(unit: Unit) -> tuple[tuple[int, int], ...] | None:
        file = known.get(unit.path)
        if file is None or unit.start is None or unit.end is None:
            return None if file is None else file.footer
        places, begin = cut[unit.path], file.footer[0][0]
        if places is None:
            return None
        ranges = places.ranges(unit.start, unit.end)
        return tuple((begin + start, begin + end) for start, end in ranges)

    return [tuple(replace(unit, footer=footer(unit)) for unit in share) for share in shares]


def unit_of(content: Mapping[str, Any]) -> Unit:
    """Return what `Unit.as_dict` was made of.

    Raises:
        TypeError, ValueError: It was not.
    """
    unit = Unit(**content)
    if unit.footer is None:
        return unit
    return replace(unit, footer=tuple((int(start), int(end)) for start, end in unit.footer))


def unit_file(unit: Unit, *, remote: Remote | None) -> InputFile:
    """Return the file of a unit, with the span of it that is read.

    Raises:
        InputError: It is not there any more, or is another one. Of an object in S3, reading finds that out.
    """
    span = None
    if unit.start is not None and unit.end is not None:
        span = Span(unit.start, unit.end, unit.size_bytes)
    if unit.path.startswith("s3://"):
        location = Location.parse(unit.path)
        if remote is None or location is None:
            raise InputError(f"{unit.path}: no access to S3 was set up for reading; copy the file here")
        info = ObjectInfo(location, unit.file_bytes, 0.0, unit.version)
        file = InputFile(unit.path, unit.file_bytes, None, object=info, remote=remote)
    else:
        file = local_file(unit.path)
        if (file.size_bytes, file.version) != (unit.file_bytes, unit.version):
            raise InputError(
                f"{unit.path}: changed since the input was divided among the shards: put it back, or start a new run"
            )
    return replace(
        file, format=unit.format, compression=unit.compression, span=span, footer=unit.footer or ()
    )
