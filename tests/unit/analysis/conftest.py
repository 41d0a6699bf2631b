"""Output files of experiments whose every pair is known."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from fanout.analysis.comparison import Comparison, GroupResult, PhaseResult
from fanout.analysis.crossover import Crossing
from fanout.analysis.pairs import PAIR, PHASES, WARMUP
from fanout.analysis.quantiles import Interval, Quantiles

EPOCH = datetime(2026, 11, 20, 9, tzinfo=UTC)
Row = dict[str, object]


def request(pair: int, transport: str, *, total_ms: float = 100.0, **changes: object) -> Row:
    """One request of a pair: due a second after the pair before it, sent 1 ms later."""
    due = EPOCH + timedelta(seconds=pair)
    row: Row = dict.fromkeys(f"{phase}_ms" for phase in PHASES if phase != "raw")
    row |= {
        PAIR: pair, WARMUP: False, "transport": transport, "status": "succeeded", "payload_bytes": 1_000,
        "due_at": due, "sent_at": due + timedelta(milliseconds=1), "wait_ms": 1.0, "total_ms": total_ms,
    }  # fmt: skip
    return row | changes


def write_experiment(directory: Path, rows: Iterable[Row]) -> Path:
    """Write the columns of an experiment's output that its analysis reads; return the file."""
    durations = [pa.field(f"{phase}_ms", pa.float64()) for phase in PHASES if phase != "raw"]
    schema = pa.schema(
        [
            pa.field(PAIR, pa.int64()), pa.field(WARMUP, pa.bool_()), pa.field("transport", pa.string()),
            pa.field("status", pa.string()), pa.field("payload_bytes", pa.int64()),
            pa.field("due_at", pa.timestamp("us", "UTC")), pa.field("sent_at", pa.timestamp("us", "UTC")),
            *durations,
        ]
    )  # fmt: skip
    path = directory / "bench.parquet"
    pq.write_table(pa.Table.from_pylist(list(rows), schema), path)
    return path


def quantiles(p50, p99=None):
    return Quantiles(100, p50, p50 - 2, p50 + 2, p50 * 1.5, p99 or p50 * 2, p50 * 3)


def group(label, low, high, *, inline, s3):
    phases = {
        "invoke": PhaseResult(quantiles(inline), quantiles(s3), Interval(100, s3 - inline, 1.0, 2.0)),
        "upload": PhaseResult(None, quantiles(50), Interval(100, 50.0, 49.0, 51.0)),
        "total": PhaseResult(quantiles(inline + 60), quantiles(s3 + 110), Interval(100, 50.0, 45.0, 55.0)),
    }
    return GroupResult(label, low, high, 100, phases)


def comparison(inline=40.0, s3=42.0):
    return Comparison(
        everything=group("all sizes", 1_000, 64_000, inline=inline, s3=s3),
        groups=(
            group("1 KB", 1_000, 1_000, inline=inline - 10, s3=s3),
            group("64 KB", 64_000, 64_000, inline=inline + 10, s3=s3),
        ),
        crossing=Crossing("inline"),
        incomplete=0,
    )
