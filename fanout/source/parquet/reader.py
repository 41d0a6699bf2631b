"""Reads the rows of Parquet files as `Record`s and `Rejected`s, after every column and type was checked."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from fanout.domain.records import Passthrough, Record, Rejected
from fanout.errors import InputError
from fanout.source.bad_row import BadRow
from fanout.source.exact_json import Unfit
from fanout.source.files import InputFile, check_unchanged, reason
from fanout.source.parquet.batches import GroupReader
from fanout.source.parquet.columns import RowValues
from fanout.source.parquet.footers import PARQUET_ERRORS, Footer, opened, unsupported
from fanout.source.parquet.plan import FilePlan, make_plans
from fanout.source.selection import Selection
from fanout.source.settings import InputSettings
from fanout.source.statistics import Meter


class ParquetRows:
    """Reads Parquet files by one selection; columns are found by name in each.

    Attributes:
        passthrough_schema: Plain types of the passthrough columns: no dictionaries, no views.
        total_rows: Rows of all files, by their footers.
    """

    def __init__(self, footers: Sequence[Footer], selection: Selection, settings: InputSettings) -> None:
        """Check every footer against `selection`.

        Raises:
            InputError: A file lacks a column, has it with an unfit type, or keeps it with another type than the first.
        """
        self._settings = settings
        self._keep = selection.keep
        self._plans, self.passthrough_schema = make_plans(
            footers, selection, text_columns=settings.text_columns
        )
        self.total_rows = sum(footer.rows for footer in footers)

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
        if plan is None:  # a file without rows
            meter.bytes_read = bytes_before + (file.size_bytes or 0)
            return
        with (
            opened(file, check=check) as parquet,
            GroupReader(
                parquet, file, columns=plan.columns.paths, batch_bytes=self._settings.batch_bytes, check=check
            ) as groups,
        ):
            for group in range(parquet.metadata.num_row_groups):
                for rows in self._group(groups, group, plan, file.path, row=row):
                    check()
                    for item in rows:
                        yield item
                        row = item.row + 1
                    meter.bytes_read = bytes_before + (file.size_bytes or 0) * (row - first) // max(
                        1, plan.rows
                    )
                check_unchanged(file)
        check_unchanged(file)
        if row - first != plan.rows:
            raise InputError(
                f"{file.path}: has {row - first} rows where its footer says {plan.rows}; write the file again"
            )
        meter.bytes_read = bytes_before + (file.size_bytes or 0)

    def _group(
        self, groups: GroupReader, group: int, plan: FilePlan, path: str, *, row: int
    ) -> Iterator[Iterator[Record | Rejected]]:
        """Yield the rows of a row group, batch by batch."""
        try:
            groups.check(group)
            if groups.row_bytes(group) > self._settings.line_cap_bytes:
                yield self._too_large(groups, group, path, row=row)
                return
            for batch in groups.batches(group):
                values = plan.columns.rows(batch)
                yield self._rows(values, plan, path, row=row)
                row += batch.num_rows
        except PARQUET_ERRORS as error:
            sound = unsupported(error)
            said = sound or f"{reason(error)}; it changed on disk or was damaged; write or copy it again"
            raise InputError(f"{path}: row group {group}, after row {row}: {said}") from error

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
                yield Rejected(row, ident, bad.code, f"{path}: row {row}: {bad.message}", sound)
            row += 1

    def _check_values(self, passthrough: Passthrough) -> None:
        for name, value in zip(self._keep, passthrough, strict=True):
            if isinstance(value, Unfit):
                raise BadRow(value.code, f"column {name!r} {value.reason}")

    def _too_large(self, groups: GroupReader, group: int, path: str, *, row: int) -> Iterator[Rejected]:
        size = groups.row_bytes(group)
        nothing: Passthrough = (None,) * len(self._keep)
        message = (
            f"rows of row group {group} unfold to {size:,} bytes each, more than input.line_max_bytes "
            f"({self._settings.line_cap_bytes:,}) allows; raise it, or select fewer columns"
        )
        for number in range(row, row + groups.rows(group)):
            yield Rejected(number, None, "RowTooLarge", f"{path}: row {number}: {message}", nothing, size)
