"""Works out what an earlier process of the run left behind, from its journal and its parts, row by row.

It only reads, but for one thing: it removes a part that no journal knows. The rows of that part were not reported
durable, their messages were not deleted and their outputs stand in S3, so they are collected again. Where journal and
parts disagree, it raises and trusts neither.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from fanout.domain.row_state import RowRecord, RowState
from fanout.domain.tally import Tally
from fanout.errors import JournalError, StorageError
from fanout.files import damage
from fanout.output.parts import Part, read_parts
from fanout.rundir.journal import Journal


@dataclass(frozen=True, slots=True)
class Recovered:
    """The rows of earlier processes.

    Attributes:
        durable: One byte a row, 1 if its outcome stands in a part.
        open: Lines of the rows that are neither durable nor new.
        last: The highest row that the journal knows, -1 if none.
        parts: The durable parts.
        meta: The journal's own facts.
        tally: What the durable rows came to, if that is known without reading the parts.
    """

    durable: bytearray = field(default_factory=bytearray)
    open: Mapping[int, RowRecord] = field(default_factory=dict)
    last: int = -1
    parts: Sequence[Part] = ()
    meta: Mapping[str, str] = field(default_factory=dict)
    tally: Tally | None = None

    @property
    def may_be_received(self) -> bool:
        """Whether the endpoint has, or may have, rows that have not ended."""
        return any(line.state != RowState.READY for line in self.open.values())

    def is_durable(self, row: int) -> bool:
        """Whether the row's outcome stands in a part."""
        return row < len(self.durable) and bool(self.durable[row])


def recover(journal: Journal, parts_directory: Path) -> Recovered:
    """Return what the journal and the parts say.

    Raises:
        JournalError: A part that the journal calls durable is missing or damaged, or the journal itself is.
    """
    found, orphan = _known_parts(journal, parts_directory)
    durable = bytearray()
    last = -1
    for row, state in journal.states():
        last = row
        if state == RowState.DURABLE:
            if row >= len(durable):
                durable.extend(bytes(max(row + 1 - len(durable), len(durable), 1024)))
            durable[row] = 1
    _compare(durable, found)
    if orphan is not None:
        orphan.path.unlink()
    lines = {line.row: line for line in journal.open_rows()}
    return Recovered(durable, lines, last, found, journal.meta())


def _known_parts(journal: Journal, directory: Path) -> tuple[list[Part], Part | None]:
    """Return the parts that the journal knows, and the one that it may not know."""
    known = {part.number: part.rows for part in journal.parts()}
    try:
        parts = read_parts(directory)
    except StorageError as error:
        raise JournalError(str(error)) from error
    orphans = [part for part in parts if part.number not in known]
    found = [part for part in parts if part.number in known]
    if len(orphans) > 1:  # one at a time is written: the journal has lost commits
        raise JournalError(
            f"the journal does not know {', '.join(part.path.name for part in orphans)}: {_WAY_OUT}"
        )
    for part in found:
        if part.rows != known[part.number]:
            raise JournalError(
                f"{part.path} holds {part.rows} rows, the journal says {known[part.number]}: {_WAY_OUT}"
            )
    missing = known.keys() - {part.number for part in found}
    if missing:
        raise JournalError(f"part {min(missing)} is missing from {directory}: {_WAY_OUT}")
    return found, orphans[0] if orphans else None


def _compare(durable: bytearray, parts: Sequence[Part]) -> None:
    """Return if `parts` hold the rows that are `durable`, each once: SQLite's pages have no checksums."""
    seen = bytearray(len(durable))
    for part in parts:
        for row in _read(part, ["row"]).column("row").to_pylist():
            if row >= len(durable) or seen[row] or not durable[row]:
                raise JournalError(f"{part.path} holds row {row}, the journal says otherwise: {_WAY_OUT}")
            seen[row] = 1
    if seen != durable:
        raise JournalError(f"no part holds a row that is durable by the journal: {_WAY_OUT}")


def _read(part: Part, columns: list[str]) -> pa.Table:
    """Return columns of a part, their checksums compared."""
    try:
        with pq.ParquetFile(part.path, page_checksum_verification=True) as file:
            known = file.schema_arrow.names  # an earlier version's has fewer
            return file.read(columns=[name for name in columns if name in known])
    except (OSError, pa.ArrowException) as error:
        raise JournalError(f"{part.path} is damaged ({damage(error)}): {_WAY_OUT}") from error


def recovered_tally(recovered: Recovered) -> Tally:
    """Return the counts of the rows whose outcomes are durable, read from the parts a few columns at a time."""
    if recovered.tally is not None:
        return recovered.tally
    tally = Tally()
    for part in recovered.parts:
        for line in _read(part, _COUNTED).to_pylist():
            tally.count(**line)
    return tally


_COUNTED = [
    "status", "transport", "payload_bytes", "possible_attempts", "resends", "error_code", "error_message",
]  # fmt: skip
_WAY_OUT = "`fanout resume --rebuild` starts from the parts that are sound and the listing of the outputs"
