"""Counts the requests of an experiment that failed, of each transport; its numbers are made of the others."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from fanout.analysis.pairs import WARMUP


@dataclass(frozen=True, slots=True)
class Failed:
    """Of so many requests that ended, so many failed."""

    requests: int
    failed: int

    @property
    def share(self) -> float:
        """The share that failed, 0 without requests."""
        return self.failed / self.requests if self.requests else 0.0

    def __str__(self) -> str:
        """Say it."""
        return f"{self.failed:,} of {self.requests:,} requests ({self.share:.1%})"


@dataclass(frozen=True, slots=True)
class Failures:
    """The requests that count, warm-up left out; one that could not go either way is among `all` alone."""

    all: Failed
    inline: Failed
    s3: Failed

    @property
    def worst(self) -> tuple[str, Failed]:
        """The transport of which the greater share failed, as people call it."""
        ways = (("inline", self.inline), ("via S3", self.s3))
        return max(ways, key=lambda way: way[1].share)


def read_failures(path: Path) -> Failures:
    """Return what `path`, an experiment's output file, says of its requests."""
    table = pq.read_table(path, columns=[WARMUP, "transport", "status"])
    table = table.filter(pc.invert(pc.fill_null(table[WARMUP], fill_value=True)))
    transport = pc.fill_null(table["transport"], "")
    return Failures(
        _failed(table),
        *(_failed(table.filter(pc.equal(transport, way))) for way in ("inline", "s3")),
    )


def _failed(table: pa.Table) -> Failed:
    return Failed(len(table), pc.sum(pc.not_equal(table["status"], "succeeded")).as_py() or 0)
