"""Opens the output files of a report, recognises them, and reads a column at a time; it never reads a response."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.dataset as ds

from fanout.errors import UsageError
from fanout.output.destination import check_name
from fanout.output.schema import READABLE, RUN_KEY, VERSION_KEY, output_schema

BATCH_ROWS = 128 * 1024  # of a few columns: some 10 MB in memory, whatever the file


@dataclass(frozen=True, slots=True)
class Facts:
    """What a file says of itself; None where it does not say.

    Attributes:
        plan: Of an experiment (`fanout bench`), as it was written down.
        throttles: Replies that said to slow down; no row of the file holds them.
    """

    path: str
    run: str
    rows: int
    endpoint: str | None
    simulated: bool | None
    throttles: int | None
    plan: dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class Outputs:
    """The rows of all files together."""

    dataset: ds.Dataset
    files: tuple[Facts, ...]

    @property
    def rows(self) -> int:
        """How many there are."""
        return sum(file.rows for file in self.files)

    def batches(
        self, columns: Sequence[str], *, where: ds.Expression | None = None
    ) -> Iterator[pa.RecordBatch]:
        """Yield the columns a batch at a time."""
        # Without read-ahead across row groups: a report of a million rows must fit beside its run.
        yield from self.dataset.to_batches(
            columns=list(columns),
            filter=where,
            batch_size=BATCH_ROWS,
            batch_readahead=2,
            fragment_readahead=1,
        )

    def column(self, name: str) -> pa.ChunkedArray:
        """Return one column of all rows."""
        return self.dataset.to_table(columns=[name], batch_size=BATCH_ROWS).column(name)


def open_outputs(paths: Sequence[Path]) -> Outputs:
    """Return the rows of `paths`: output files of fanout, or datasets of them.

    Raises:
        UsageError: One does not exist, or fanout did not write it.
    """
    parts = [_open(path) for path in paths]
    dataset = parts[0][0] if len(parts) == 1 else ds.dataset([part for part, _ in parts])
    return Outputs(dataset, tuple(facts for _, facts in parts))


def check_version(metadata: Mapping[bytes, bytes], path: Path) -> None:
    """Return if fanout wrote the file of this metadata, in a version of its columns that this program knows.

    Raises:
        UsageError: It did not; names the file and the version.
    """
    version = metadata.get(VERSION_KEY)
    if version is None:
        raise UsageError(f"{path}: was not written by fanout: its metadata has no {VERSION_KEY.decode()}")
    if version not in {str(known).encode() for known in READABLE}:
        raise UsageError(
            f"{path}: was written by a later version of fanout (schema {version.decode('utf-8', 'replace')}, "
            f"known are {', '.join(map(str, sorted(READABLE)))}): read it with that version"
        )


def _open(path: Path) -> tuple[ds.Dataset, Facts]:
    check_name(path)
    if not path.exists():
        raise UsageError(f"{path}: no such file")
    try:
        dataset = ds.dataset(path, format="parquet")
        rows = dataset.count_rows()
    except (OSError, pa.ArrowInvalid) as error:
        raise UsageError(f"{path}: is not a Parquet file that can be read ({error})") from error
    metadata: dict[bytes, bytes] = dict(dataset.schema.metadata or {})
    check_version(metadata, path)

    def said(key: str) -> str | None:
        value = metadata.get(key.encode())
        return None if value is None else value.decode()

    throttles, plan = said("fanout:throttles"), said("fanout:bench")
    facts = Facts(
        path=str(path),
        run=said(RUN_KEY.decode()) or "",
        rows=rows,
        endpoint=said("fanout:endpoint"),
        simulated={"true": True, "false": False}.get(said("fanout:simulated") or ""),
        throttles=int(throttles) if throttles is not None else None,
        plan=json.loads(plan) if plan is not None else None,
    )
    # One file's passthrough columns are not another's: only our own are common to all.
    return dataset.replace_schema(output_schema(pa.schema([]))), facts
