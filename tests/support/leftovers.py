"""What a killed process left in its run directory, read from a copy: nothing of it is touched or locked."""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from fanout.domain.row_state import RowState
from fanout.output.parts import part_name
from fanout.rundir.journal import NAME


@dataclass(frozen=True)
class Leftovers:
    """The journal's rows by state, and what the parts that it calls durable hold; None if there is no such part."""

    states: dict[RowState, int]
    reported: pa.Table | None

    @property
    def known(self) -> int:
        return sum(self.states.values())

    @property
    def durable(self) -> int:
        return self.states.get(RowState.DURABLE, 0)


def leftovers(run_directory: Path) -> Leftovers:
    """Read the journal, its write-ahead log included, and the parts that it knows."""
    with tempfile.TemporaryDirectory() as name:
        for file in run_directory.glob(f"{NAME}*"):
            shutil.copy(file, name)
        if not (Path(name) / NAME).exists():
            return Leftovers({}, None)
        with closing(sqlite3.connect(Path(name) / NAME)) as journal:
            if not journal.execute("SELECT 1 FROM sqlite_master WHERE name = 'rows'").fetchone():
                return Leftovers({}, None)
            states = journal.execute("SELECT state, count(*) FROM rows GROUP BY state").fetchall()
            numbers = [number for (number,) in journal.execute("SELECT number FROM parts ORDER BY number")]
    parts = [run_directory / "parts" / part_name(number) for number in numbers]
    if (run_directory / "summary.json").exists():
        parts = []  # the output holds their rows: they may be gone
    tables = [pq.read_table(path, page_checksum_verification=True) for path in parts]
    counts = {RowState(state): count for state, count in states}
    return Leftovers(counts, pa.concat_tables(tables) if tables else None)
