"""Reads the output files of a report a column at a time, as one table; it never reads a response."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds

from fanout.analysis.output_files import Facts, LeftOut, facts_of, find_outputs, is_experiment
from fanout.analysis.pairs import WARMUP
from fanout.analysis.remote_outputs import dataset_of
from fanout.output.schema import known_in, output_schema
from fanout.source.remote import Remote

BATCH_ROWS = 128 * 1024  # of a few columns: some 10 MB in memory, whatever the file
_SCHEMA = output_schema(pa.schema([]))
"""One file's passthrough columns are not another's: only our own are common to all."""
_WITH_WARMUP = _SCHEMA.append(pa.field(WARMUP, pa.bool_()))


@dataclass(frozen=True, slots=True)
class Outputs:
    """The rows of all files together.

    Attributes:
        parts: The files of each version of the schema.
        left_out: What a directory holds besides.
        measured: Which rows count in latencies: of an experiment, those that are no warm-up; None means all.
    """

    parts: tuple[tuple[ds.Dataset, frozenset[str]], ...]
    files: tuple[Facts, ...]
    left_out: tuple[LeftOut, ...] = ()
    measured: ds.Expression | None = None

    @property
    def rows(self) -> int:
        """How many there are."""
        return sum(file.rows for file in self.files)

    def batches(
        self, columns: Sequence[str], *, where: ds.Expression | None = None
    ) -> Iterator[pa.RecordBatch]:
        """Yield the columns a batch at a time; one that a file's version lacks is null, and no part of `where`."""
        schema = self._schema(columns)
        for dataset, known in self.parts:
            # Without read-ahead across row groups: a report of a million rows must fit beside its run.
            for batch in dataset.to_batches(
                columns=[name for name in columns if name in known],
                filter=where,
                batch_size=BATCH_ROWS,
                batch_readahead=2,
                fragment_readahead=1,
            ):
                found = [
                    batch.column(field.name) if field.name in known else pa.nulls(batch.num_rows, field.type)
                    for field in schema
                ]
                yield pa.RecordBatch.from_arrays(found, schema=schema)

    def table(self, columns: Sequence[str], *, where: ds.Expression | None = None) -> pa.Table:
        """Return the columns of all rows."""
        return pa.Table.from_batches(self.batches(columns, where=where), self._schema(columns))

    def first(self, columns: Sequence[str], *, where: ds.Expression | None) -> pa.Table:
        """Return the columns of the first row of a kind, as a table of one row, or of none."""
        found = next((batch for batch in self.batches(columns, where=where) if batch.num_rows), None)
        return pa.Table.from_batches([] if found is None else [found.slice(0, 1)], self._schema(columns))

    def latencies(self, columns: Sequence[str], *, where: ds.Expression | None = None) -> pa.Table:
        """Return the columns of the rows that count in latencies."""
        return self.table(columns, where=self.counting(where))

    def counting(self, where: ds.Expression | None = None) -> ds.Expression | None:
        """Return the condition `where`, of the rows that count in latencies alone."""
        if where is None or self.measured is None:
            return self.measured if where is None else where
        return self.measured & where

    @staticmethod
    def _schema(columns: Sequence[str]) -> pa.Schema:
        return pa.schema([_SCHEMA.field(name) for name in columns])

    def count(self, where: ds.Expression) -> int:
        """Return how many rows there are of a kind."""
        return sum(int(dataset.count_rows(filter=where)) for dataset, _ in self.parts)


def open_outputs(paths: Sequence[Path | str], *, remote: Remote | None = None) -> Outputs:
    """Return the rows of `paths`: output files of fanout, datasets of them, or directories that hold some.

    Args:
        paths: Here, or `s3://` uris.
        remote: Reads those, by ranges, in threads of Arrow's.

    Raises:
        UsageError: One does not exist, fanout did not write it, or two cannot be put together.
        RunError: S3 does not permit it or does not answer; also while rows are read.
    """
    files, left_out = find_outputs(paths, remote=remote)
    parts: list[tuple[ds.Dataset, frozenset[str]]] = []
    for version in sorted({file.version for file in files}):
        known = known_in(version)
        alike = [file for file in files if file.version == version]
        if any(is_experiment(file) for file in alike):
            known |= {WARMUP}
        schema = pa.schema([field for field in _WITH_WARMUP if field.name in known])
        if named := [file.path for file in alike if file.object is None]:
            parts.append((ds.dataset(named, schema=schema, format="parquet"), known))
        infos = [file.object for file in alike if file.object is not None]
        if infos and remote is not None:
            parts.append((dataset_of(infos, remote=remote, schema=schema), known))
    measured = pc.field(WARMUP) == pa.scalar(False) if any(map(is_experiment, files)) else None  # noqa: FBT003
    return Outputs(tuple(parts), tuple(facts_of(files)), tuple(left_out), measured)
