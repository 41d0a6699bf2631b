"""Refuses misspelt fields by a look at the first lines, before the first row instead of after a night of nulls."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import closing
from dataclasses import dataclass, field, replace
from functools import partial

import orjson

from fanout.errors import InputError
from fanout.source.files import InputFile, open_bytes
from fanout.source.jsonl.blocks import BrokenStreamError, decompress
from fanout.source.jsonl.lines import LongLine, split_lines
from fanout.source.jsonl.raw_bytes import raw_blocks
from fanout.source.jsonl.template import Template
from fanout.source.names import MISSING, find
from fanout.source.selection import Selection
from fanout.source.settings import InputSettings
from fanout.source.statistics import Meter
from fanout.text import did_you_mean

LINES = 100
_FEW_BYTES = 64 << 10  # of each further file
_BEGIN_BYTES, _BEGIN_FURTHER_BYTES = _FEW_BYTES, 2 << 10
"""What is read first of a file in S3, and as much again as long as that tells too little: it will be read once more."""
_FILES = 256  # further files that are looked into: in S3 each costs a request
_BATCH = 16  # files that are looked into at once
_ALL_BYTES, _ALL_SHARE = 512 << 10, 100
"""Of all further files in S3: none is looked into once so many bytes, and that part of the input, were read."""
_DEPTH = 3  # of objects in objects whose fields are suggested


@dataclass(frozen=True, slots=True)
class FirstRows:
    """The objects among the first lines of a file.

    Attributes:
        path: The file; the first that has such lines, as an empty one tells nothing.
        rows: The objects, none where there is no such file.
        partitions: Fields that the path of the file names.
    """

    path: str = ""
    rows: list[Mapping[str, object]] = field(default_factory=list)
    partitions: tuple[str, ...] = ()

    @property
    def fields(self) -> tuple[str, ...]:
        """Their fields, in order of appearance."""
        return tuple(dict.fromkeys(name for row in self.rows for name in row))

    def check(self, selection: Selection) -> None:
        """Refuse a selection with a field that is in none of the rows, unless it says that rows may lack it.

        Raises:
            InputError: A field is missing, with the nearest name.
            UsageError: The template is none.
        """
        for name in required_fields(selection, known=self.fields):
            if (
                self.rows
                and name not in self.partitions
                and all(find(row, name) is MISSING for row in self.rows)
            ):
                raise missing_field(self.path, name, self.rows)


def first_rows(files: Iterable[InputFile], *, settings: InputSettings) -> FirstRows:
    """Return the objects among the first lines of the first file that has any; what is wrong is left to the reading."""
    for file in files:
        rows: list[Mapping[str, object]] = []
        if not file.streamed:
            for rows in _objects(file, settings=settings, begin_bytes=_BEGIN_BYTES, meter=Meter()):  # noqa: B007 - the last one is all
                pass
        if rows:
            return FirstRows(file.path, rows, tuple(file.partitions))
    return FirstRows()


def check_others(
    files: Sequence[InputFile], selection: Selection, *, settings: InputSettings, pool: Executor
) -> None:
    """Refuse a selection with a field that is in none of the first rows of a further file.

    Raises:
        InputError: A field is missing; names the file.
    """
    if not required_fields(selection, known=()):
        return
    few = replace(settings, block_bytes=_FEW_BYTES)
    most = max(_ALL_BYTES, sum(file.size_bytes or 0 for file in files) // _ALL_SHARE)
    meter = Meter()
    look = partial(_missing, selection=selection, settings=few, meter=meter)
    for first in range(0, min(len(files), _FILES), _BATCH):
        for missing in pool.map(look, files[first : min(first + _BATCH, _FILES)]):
            if missing is not None:
                raise missing
        if meter.bytes_read >= most:
            return


def _missing(
    file: InputFile, *, selection: Selection, settings: InputSettings, meter: Meter
) -> InputError | None:
    """Return what is wrong with a file; no more of it is read than shows that nothing is."""
    missing: InputError | None = None
    if file.streamed:
        return None
    with closing(_objects(file, settings=settings, begin_bytes=_BEGIN_FURTHER_BYTES, meter=meter)) as looks:
        for rows in looks:
            try:
                FirstRows(file.path, rows, tuple(file.partitions)).check(selection)
            except InputError as error:
                missing = error
            else:
                return None
    return missing


def required_fields(selection: Selection, *, known: tuple[str, ...]) -> tuple[str, ...]:
    """Return the fields, each once, that a resolved selection names and does not mark as ones that rows may lack.

    Raises:
        UsageError: The template is none.
    """
    template = Template.of(selection, known=known)
    in_template = (name for name in template.names if name not in template.optional) if template else ()
    by_name = (name for name in selection.named if name not in selection.optional)
    return tuple(dict.fromkeys((*in_template, *by_name)))


def missing_field(path: str, name: str, rows: Iterable[Mapping[str, object]]) -> InputError:
    """Return the error about a field that is in none of the first `rows`."""
    known = tuple(dict.fromkeys(path for row in rows for path in _paths(row, _DEPTH)))
    return InputError(
        f"{path}: no field {name!r} in the first {LINES} rows ({did_you_mean(name, known)}); "
        f"if rows may lack it, write '{name}?'"
    )


def _objects(
    file: InputFile, *, settings: InputSettings, begin_bytes: int, meter: Meter
) -> Generator[list[Mapping[str, object]], None, None]:
    """Yield the objects among the first lines of a file's first block, and again when more of it has been read.

    `meter` counts what is read in S3.
    """
    few = settings.block_bytes
    raw = _begun(file, block_bytes=few, begin_bytes=begin_bytes, meter=meter)
    objects: list[Mapping[str, object]] = []
    left = LINES
    try:
        text = _bounded(decompress(raw, file.compression, step_bytes=few), few)
        for _, lines in split_lines(text, cap_bytes=settings.line_cap_bytes):
            parsed = (_parsed(line) for line in lines[:left])
            found = [value for value in parsed if isinstance(value, dict)]
            left -= min(left, len(lines))
            if found:
                objects = [*objects, *found]
                yield objects
            if not left:
                return
    except (BrokenStreamError, OSError):
        pass
    finally:
        raw.close()


def _begun(
    file: InputFile, *, block_bytes: int, begin_bytes: int, meter: Meter
) -> Generator[bytes, None, None]:
    """Yield the first block of a file; of one in S3 a little, then as much again, and nothing ahead."""
    if file.object is None:
        with closing(raw_blocks(file, block_bytes=block_bytes, meter=Meter(), check=lambda: None)) as blocks:
            yield next(blocks, b"")
        return
    at, last = 0, min(block_bytes, file.object.size_bytes)
    while at < last:
        end = min(max(2 * at, begin_bytes), last)
        with closing(open_bytes(file, start=at, end=end)) as stream:
            block = stream.read(end - at)
        meter.bytes_read += len(block)
        yield block
        at = end


def _bounded(text: Iterable[bytes], most: int) -> Iterator[bytes]:
    """Yield the first bytes of a text: more would unfold a bomb for a courtesy."""
    for block in text:
        yield block[:most]
        most -= len(block)
        if most <= 0:
            return


def _parsed(line: bytes | LongLine) -> object:
    try:
        return None if isinstance(line, LongLine) else orjson.loads(line)
    except orjson.JSONDecodeError:
        return None


def _paths(row: Mapping[str, object], depth: int) -> Iterable[str]:
    for name, value in row.items():
        yield name
        if isinstance(value, Mapping) and depth > 1:
            yield from (f"{name}.{path}" for path in _paths(value, depth - 1))
