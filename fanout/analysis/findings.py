"""Reads what an experiment found from its output file: first of the client, then, if that was no limit, of the service.

It returns a `Verdict` and, if that allows it, a `Comparison`. Shared by `bench` and `report`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from fanout.analysis.client_check import Verdict, judge, judge_sample
from fanout.analysis.comparison import Comparison, compare
from fanout.analysis.failures import read_failures
from fanout.analysis.pairs import WARMUP, read_samples


@dataclass(frozen=True, slots=True)
class Told:
    """What the pairs say, if they say anything of the service."""

    comparison: Comparison | None
    pairs: int
    incomplete: int


def verdict_of(
    path: Path, *, throttles: int, closed: bool, late_ms: float, lags_ms: Sequence[float] = ()
) -> Verdict:
    """Return whether the service was measured; only a running experiment knows how late the client's loop was."""
    table = pq.read_table(path, columns=[WARMUP, "wait_ms", "due_at", "sent_at"])
    table = table.filter(pc.invert(table[WARMUP]))
    verdict = judge(
        pc.drop_null(table["wait_ms"]).to_pylist(),
        lags_ms=lags_ms,
        due_s=_seconds(table["due_at"]),
        sent_s=_seconds(table["sent_at"]),
        throttles=throttles,
        closed=closed,
        late_ms=late_ms,
    )
    return judge_sample(verdict, read_failures(path), pairs=read_samples(path).pairs)


def tell(path: Path, verdict: Verdict) -> Told:
    """Return what the pairs of `path` say, nothing if they do not measure the service."""
    samples = read_samples(path)
    if verdict.limit is not None:
        return Told(None, samples.pairs, samples.incomplete)
    return Told(compare(samples), samples.pairs, samples.incomplete)


def _seconds(column: pa.ChunkedArray) -> list[float]:
    return [instant / 1e6 for instant in pc.drop_null(column).cast(pa.int64()).to_pylist()]
