"""Reads the input as chunks of numbered rows, in a worker thread, so that the event loop never waits for a disk."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncGenerator, Callable, Generator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from functools import partial

import pyarrow as pa
from anyio import CapacityLimiter, from_thread, to_thread

from fanout.domain.records import Rejected
from fanout.errors import InputError, UsageError
from fanout.source.chunks import Chunk, in_chunks
from fanout.source.detect import compression_of_name, identify
from fanout.source.discovery import Inventory, take_inventory
from fanout.source.files import InputFile
from fanout.source.jsonl.field_check import check_others, first_rows
from fanout.source.jsonl.reader import Item, JsonLines
from fanout.source.kept_footers import KeptFooters
from fanout.source.known import Known
from fanout.source.parquet.footers import Footer, Group, read_footer
from fanout.source.parquet.part import ParquetPart
from fanout.source.parquet.reader import ParquetRows
from fanout.source.remote import Remote
from fanout.source.selection import Selection
from fanout.source.settings import InputSettings
from fanout.source.settled import IsSettled
from fanout.source.shard_footers import Packs, packed
from fanout.source.statistics import Meter, SourceStatistics
from fanout.source.units import InputPart, Unit, divided, unit_file, with_footers

# First bytes are fetched from this many files at once: a bucket answers in 30 ms, a directory may have thousands.
_LOOKS = 16


class Source:
    """The rows of a run, checked and countable; made by `open_source`.

    Attributes:
        passthrough_schema: Types of the passthrough columns, in the order of
            `Record.passthrough`. From JSON Lines they are JSON texts, marked by the field's metadata `fanout:json`.
        inputs: The files, in the order in which they are read.
        warnings: What a person should know of the input: files that are not read, or are empty.
        known: What a shard has to know of it, whichever part it reads.
    """

    def __init__(
        self,
        inputs: tuple[InputFile, ...],
        reader: JsonLines | ParquetRows | ParquetPart,
        known: Known,
        *,
        limit: int | None,
        warnings: tuple[str, ...] = (),
        groups: Mapping[str, Sequence[Group]] = {},
        footers: KeptFooters | None = None,
    ) -> None:
        self.inputs = inputs
        self.warnings = warnings
        self.known = known
        self.passthrough_schema: pa.Schema = known.passthrough_schema
        self._reader = reader
        self._limit = limit
        self._groups = groups
        self._footers = footers or KeptFooters()
        self._meter = Meter()
        self._open: Generator[Chunk, None, None] | None = None

    def fingerprint(self) -> str:
        """Return a SHA-256 over path, size and version of every file, in order; a resume compares it."""
        digest = hashlib.sha256()
        for file in self.inputs:
            span = "" if file.span is None else f"{file.span.start}\0{file.span.end}\0"
            digest.update(
                f"{file.path}\0{file.size_bytes}\0{file.version}\0{span}".encode("utf-8", "surrogateescape")
            )
        return digest.hexdigest()

    def units(self, shards: int) -> list[tuple[Unit, ...]]:
        """Return what each of so many shards reads, in the order of the rows.

        Blocks: of many files in S3, the footers of those that are cut are read once more.

        Raises:
            InputError: One of them could not be read.
            UsageError: Something of it can be read only once, or rows would have to be counted.
        """
        if self._limit is not None:
            raise UsageError(
                "input.limit counts rows from the first one, and a shard does not know how many stand before its own: "
                "leave it out, or name fewer files"
            )
        return with_footers(divided(self.inputs, self._groups, shards=shards), self.inputs, self._footers)

    def packs(self, shares: Sequence[tuple[Unit, ...]]) -> Packs:
        """Return the footers that shards would read again, packed, as far as that saves bytes; takes CPU.

        Args:
            shares: What `units` has returned.
        """
        return packed(shares, self.inputs, self._footers)

    def total_rows(self) -> int | None:
        """Return how many rows there will be, None as long as only reading can tell (JSON Lines)."""
        if self._meter.ended:
            return self._meter.rows
        total = self._reader.total_rows
        if total is None:
            return None
        return total if self._limit is None else min(total, self._limit)

    def pass_over(self, is_settled: IsSettled) -> None:
        """Have the last of several settled rows stand for them all: a resume drops them and waits for those behind."""
        self._reader.is_settled = is_settled

    def statistics(self) -> SourceStatistics:
        """Return how far the reading has come."""
        sizes = [file.read_bytes for file in self.inputs]
        total = None if None in sizes else sum(size for size in sizes if size is not None)
        meter = self._meter
        return SourceStatistics(
            meter.rows,
            meter.rejected,
            meter.bytes_read,
            total,
            meter.files_read,
            files=len(self.inputs),
            limit=self._limit,
        )

    async def chunks(self) -> AsyncGenerator[Chunk, None]:
        """Yield all rows in order, numbered from 0, in chunks as `in_chunks` bounds them.

        Raises:
            InputError: A file is damaged or changed; the sound rows before it were yielded.
        """
        limiter = CapacityLimiter(1)  # our own: a slow disk must not take the threads of others
        chunks = self._open = self.read(check=from_thread.check_cancelled)
        try:
            while (chunk := await to_thread.run_sync(next, chunks, None, limiter=limiter)) is not None:
                yield chunk
        finally:
            await self.aclose()

    async def aclose(self) -> None:
        """Close what is open; the source can be read again from the start, unless it was a pipe."""
        chunks, self._open = self._open, None
        if chunks is not None:
            chunks.close()

    def read(self, *, check: Callable[[], None] = lambda: None) -> Generator[Chunk, None, None]:
        """Yield what `chunks` yields, in the calling thread; `check` is called now and then and may raise to stop."""
        meter = self._meter = Meter()
        with closing(self._items(meter, check)) as items:
            for chunk in in_chunks(items):
                meter.rows = chunk[-1].row + 1
                meter.rejected += sum(isinstance(item, Rejected) for item in chunk)
                yield chunk
        meter.ended = True

    def _items(self, meter: Meter, check: Callable[[], None]) -> Generator[Item, None, None]:
        row = 0
        if self._limit == 0:
            return
        for file in self.inputs:
            for item in self._reader.read(file, row=row, meter=meter, check=check):
                yield item
                if item is not None:
                    row = item.row + 1
                    if row == self._limit:
                        return
            meter.files_read += 1


def open_source(
    settings: InputSettings,
    selection: Selection,
    *,
    remote: Remote | None = None,
    inventory: Inventory | None = None,
) -> Source:
    """Return the rows that `settings` and `selection` mean, after checking all that can be checked before the first.

    Blocks: files are looked at and footers read. `remote` reads `s3://` uris; `inventory` has the files of a run that
    does not read all that the paths mean.

    Raises:
        InputError: A file does not exist, cannot be read, is not what it should be, or lacks a column.
        UsageError: The selection contradicts itself.
    """
    selection.check()
    inventory = inventory or take_inventory(settings, remote=remote)
    empty = [
        file.path
        for file in inventory.files
        if file.size_bytes == 0 and compression_of_name(file.path) != "none"
    ]
    warnings = (*inventory.warnings, *(f"{path}: has no bytes, and so no rows" for path in empty))
    with ThreadPoolExecutor(max_workers=_LOOKS) as pool:
        files = tuple(pool.map(partial(identify, settings=settings), inventory.files))
        formats = {file.format: file.path for file in files}
        if len(formats) > 1:
            raise InputError(
                f"{formats['jsonl']} is JSON Lines and {formats['parquet']} is Parquet: one run reads one format. "
                f"Name the files by a glob, or set input.format in the TOML file (-c)"
            )
        if "parquet" in formats:
            kept = KeptFooters()
            first_footer = _footer(files[0], kept)
            look = partial(_footer, kept=kept, like=first_footer)
            footers = [first_footer, *pool.map(look, files[1:])]
            rows = ParquetRows(footers, selection, settings, kept=kept)
            return Source(
                tuple(footer.file for footer in footers),
                rows,
                rows.known,
                limit=settings.limit,
                warnings=(*warnings, *rows.warnings),
                groups={footer.path: footer.groups for footer in footers},
                footers=kept,
            )
        first = first_rows(files, settings=settings)
        resolved = selection.resolved(first.fields)
        first.check(resolved)
        others = [file for file in files if file.path != first.path]
        check_others(others, resolved, settings=settings, pool=pool)
    lines = JsonLines(resolved, settings, known=first.fields)
    known = Known(first.path, first.fields, lines.passthrough_schema)
    return Source(files, lines, known, limit=settings.limit, warnings=warnings)


def open_part(
    part: InputPart,
    settings: InputSettings,
    selection: Selection,
    *,
    remote: Remote | None = None,
) -> Source:
    """Return the rows of a part of an input, numbered from 0; nothing else of the input is looked at.

    Args:
        part: Of `Source.units` of the whole input.
        settings: As the whole input was opened.
        selection: Likewise.
        remote: Reads `s3://` uris.

    Raises:
        InputError: A file is not there any more, or is another one than it was.
        UsageError: The selection contradicts itself.
    """
    files = tuple(unit_file(unit, remote=remote) for unit in part.units)
    known = part.known
    reader: JsonLines | ParquetPart
    if files and files[0].format == "parquet":
        rows = sum(unit.rows or 0 for unit in part.units)
        reader = ParquetPart(selection, settings, known=known, rows=rows, footers=part.footers)
    else:  # JSON Lines, or nothing at all
        reader = JsonLines(selection.resolved(known.names), settings, known=known.names)
    return Source(files, reader, known, limit=None)


def _footer(file: InputFile, kept: KeptFooters, like: Footer | None = None) -> Footer:
    """Return a footer without what is large of it, which is kept as far as there is room: there may be very many."""
    footer = read_footer(file, like=like)
    if footer.raw is not None:
        kept.put(file.path, footer.raw)
    return replace(footer, metadata=None, raw=None)
