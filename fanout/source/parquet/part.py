"""Reads the Parquet files of a part of an input, each looked at when its turn comes: all were checked before."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from fanout.domain.records import Record, Rejected
from fanout.source.files import InputFile, check_unchanged
from fanout.source.footer_pack import FooterPack
from fanout.source.known import Known
from fanout.source.parquet.footers import read_footer
from fanout.source.parquet.reader import ParquetRows
from fanout.source.selection import Selection
from fanout.source.settings import InputSettings
from fanout.source.settled import IsSettled
from fanout.source.statistics import Meter


class ParquetPart:
    """Reads the files of a part by one selection, and the footer of each once, if it is not at hand.

    Args:
        selection: As the whole input was opened with.
        settings: Likewise.
        known: Of the whole input.
        rows: Of all files of the part.
        footers: What is at hand of their footers; None if nothing is.

    Attributes:
        passthrough_schema: Plain types of the passthrough columns.
        total_rows: Rows of all files.
        is_settled: Tells the rows that are counted and not read; None if there are none.
    """

    def __init__(
        self,
        selection: Selection,
        settings: InputSettings,
        *,
        known: Known,
        rows: int,
        footers: FooterPack | None = None,
    ) -> None:
        self._selection = selection
        self._settings = settings
        self._known = known
        self._footers = footers
        self.passthrough_schema = known.passthrough_schema
        self.total_rows: int | None = rows
        self.is_settled: IsSettled | None = None

    def read(
        self, file: InputFile, *, row: int, meter: Meter, check: Callable[[], None]
    ) -> Iterator[Record | Rejected | None]:
        """Yield the rows of `file`, numbered from `row`; see `ParquetRows.read`.

        Raises:
            InputError: The file is damaged or changed; the rows before the damage were yielded.
        """
        check_unchanged(file)
        kept = None if self._footers is None else self._footers.get(file.path)
        footer = read_footer(file, kept=kept)
        rows = ParquetRows([footer], self._selection, self._settings, known=self._known)
        rows.is_settled = self.is_settled
        yield from rows.read(file, row=row, meter=meter, check=check)
