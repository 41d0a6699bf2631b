"""Reads the rows of Parquet files as `Record`s and `Rejected`s, after every column and type was checked."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import pyarrow.parquet as pq

from fanout.domain.message_rows import at_row
from fanout.domain.records import Passthrough, Record, Rejected
from fanout.errors import InputError
from fanout.files import damage
from fanout.source.bad_row import BadRow
from fanout.source.exact_json import Unfit
from fanout.source.files import InputFile, check_unchanged
from fanout.source.kept_footers import KeptFooters
from fanout.source.known import Known
from fanout.source.parquet.batches import GroupReader
from fanout.source.parquet.columns import RowValues
from fanout.source.parquet.footers import (
    PARQUET_ERRORS,
    Footer,
    number_of,
    opened,
    parsed,
    read_groups,
    unsupported,
)
from fanout.source.parquet.instants import cut_columns
from fanout.source.parquet.plan import FilePlan, make_plans
from fanout.source.remote import Ranges
from fanout.source.selection import Selection
from fanout.source.settings import InputSettings
from fanout.source.settled import IsSettled, all_settled, stand_in
from fanout.source.statistics import Meter

_LOOKED_INTO = 8
"""Files with INT96 that are looked into: it costs two requests each in S3."""


class ParquetRows:
    """Reads Parquet files by one selection; columns are found by name in each.

    Attributes:
        passthrough_schema: Plain types of the passthrough columns: no dictionaries, no views.
        known: What a shard has to know of the whole input.
        total_rows: Rows of all files, by their footers; of a file that is read in part, that part's.
        warnings: What a person should know.
        is_settled: Tells the rows that are counted and not read; None if there are none.
    """

    def __init__(
        self,
        footers: Sequence[Footer],
        selection: Selection,
        settings: InputSettings,
        *,
        known: Known | None = None,
        kept: KeptFooters | None = None,
    ) -> None:
        """Check every footer against `selection`.

        Args:
            footers: Of all files.
            selection: What of a row becomes what.
            settings: How they are read.
            known: As for `make_plans`.
            kept: Whole footers that need not be read again.

        Raises:
            InputError: A file lacks a column, has it with an unfit type, or keeps it with another type than the first.
        """
        self.is_settled: IsSettled | None = None
        self._settings = settings
        self._keep = selection.keep
        self._plans, self.passthrough_schema, self.known = make_plans(
            footers, selection, text_columns=settings.text_columns, known=known
        )
        self._metadata = {each.path: each.metadata for each in footers if each.metadata is not None}
        self._kept = kept
        self.total_rows = sum(footer.read_rows for footer in footers)
        # Of a part, the look at the whole input has warned.
        self.warnings = () if known else self._cut_instants(footers)

    def _cut_instants(self, footers: Sequence[Footer]) -> tuple[str, ...]:
        """Return a warning about the columns whose instants are cut when read, with the first file that has such."""
        for footer in [footer for footer in footers if footer.int96][:_LOOKED_INTO]:
            plan = self._plans.get(footer.path)
            names = cut_columns(footer, plan.columns.paths) if plan else []
            if names:
                named = ", ".join(map(repr, names))
                return (
                    f"{footer.path}: {named}: INT96 with instants finer than a microsecond, which are cut to it",
                )
        return ()

    def read(
        self, file: InputFile, *, row: int, meter: Meter, check: Callable[[], None]
    ) -> Iterator[Record | Rejected | None]:
        """Yield the rows of `file`, numbered from `row`.

        Args:
            file: The file.
            row: Number of its first row.
            meter: Counts the bytes read.
            check: Called between batches; raises what should stop the reading.

        Raises:
            InputError: The file is damaged or changed; the rows before the damage were yielded.
        """
        plan = self._plans.get(file.path)
        first, bytes_before = row, meter.bytes_read
        check_unchanged(file)
        size_bytes = file.read_bytes or 0
        if plan is None:  # a file without rows
            meter.bytes_read = bytes_before + size_bytes
            return
        lent: Ranges = {}
        with (
            opened(file, check=check, takes=lent, metadata=self._known(file, plan)) as parquet,
            GroupReader(
                parquet,
                file,
                columns=plan.columns.paths,
                batch_bytes=self._settings.batch_bytes,
                check=check,
                lent=lent,
            ) as groups,
        ):
            for group in read_groups(file, parquet.metadata.num_row_groups):
                for rows in self._group(groups, group, plan, file, row=row):
                    check()
                    for item in rows:
                        yield item
                        row = item.row + 1
                    meter.bytes_read = bytes_before + size_bytes * (row - first) // max(1, plan.rows)
                check_unchanged(file)
        check_unchanged(file)
        if row - first != plan.rows:
            raise InputError(
                f"{file.path}: has {row - first} rows where its footer says {plan.rows}; write the file again"
            )
        meter.bytes_read = bytes_before + size_bytes

    def _known(self, file: InputFile, plan: FilePlan) -> pq.FileMetaData | None:
        """Return the file's footer if it is at hand."""
        if not plan.columns.paths:  # nothing but its footer tells that it is still the same file
            return None
        raw = None if self._kept is None else self._kept.get(file.path)
        return self._metadata.get(file.path) if raw is None else parsed(file, raw)

    def _group(
        self, groups: GroupReader, group: int, plan: FilePlan, file: InputFile, *, row: int
    ) -> Iterator[Iterator[Record | Rejected]]:
        """Yield the rows of a row group, batch by batch."""
        path, number = file.path, number_of(file, group)
        try:
            groups.check(group)
            if self.is_settled is not None and all_settled(row, groups.rows(group), self.is_settled):
                yield iter((stand_in(row + groups.rows(group) - 1),))
                return
            if groups.row_bytes(group) > self._settings.line_cap_bytes:
                yield self._too_large(groups, group, number, path, row=row)
                return
            for batch in groups.batches(group):
                values = plan.columns.rows(batch)
                yield self._rows(values, plan, path, row=row)
                row += batch.num_rows
        except PARQUET_ERRORS as error:
            sound = unsupported(error)
            said = sound or f"{damage(error)}. It changed on disk or was damaged: write or copy it again"
            raise InputError(f"{path}: row group {number}, after row {row}: {said}") from error

    def _rows(
        self, rows: Iterator[RowValues], plan: FilePlan, path: str, *, row: int
    ) -> Iterator[Record | Rejected]:
        assembler, payload = plan.assembler, plan.payload
        for values, passthrough in rows:
            ident: str | None = None
            try:
                ident = assembler.identify(values)
                self._check_values(passthrough)
                yield assembler.record(row, values, ident=ident, payload=payload, passthrough=passthrough)
            except BadRow as bad:
                sound = tuple(None if isinstance(value, Unfit) else value for value in passthrough)
                yield Rejected(row, ident, bad.code, f"{at_row(path, row)}: {bad.message}", sound)
            row += 1

    def _check_values(self, passthrough: Passthrough) -> None:
        for name, value in zip(self._keep, passthrough, strict=True):
            if isinstance(value, Unfit):
                raise BadRow(value.code, f"column {name!r} {value.reason}")

    def _too_large(
        self, groups: GroupReader, group: int, number: int, path: str, *, row: int
    ) -> Iterator[Rejected]:
        size = groups.row_bytes(group)
        nothing: Passthrough = (None,) * len(self._keep)
        message = (
            f"rows of row group {number} unfold to {size:,} bytes each, more than input.line_max_bytes "
            f"({self._settings.line_cap_bytes:,}) allows; raise it, or select fewer columns"
        )
        for each in range(row, row + groups.rows(group)):
            yield Rejected(each, None, "RowTooLarge", f"{at_row(path, each)}: {message}", nothing, size)
