"""Output files of experiments whose every pair is known."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from fanout.analysis.pairs import PAIR, PHASES, WARMUP

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
