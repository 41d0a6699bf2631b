"""Output files to report on, made of outcomes whose every millisecond is known."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pyarrow as pa
from support.parts import to_table

from fanout.domain.records import Outcome
from fanout.output.finish import finish
from fanout.output.parts import write_part

EPOCH = 1_760_000_000.0

MakeOutput = Callable[..., Path]


def outcome(row: int, *, way: str = "inline", total_ms: float = 100.0, **changes: object) -> Outcome:
    """A row due `row` tenths of a second after the epoch: 10 ms wait, 20 % invoke, 40 % service, the rest fetch."""
    due = EPOCH + row / 10
    sent = due + 0.010
    rest = total_ms / 1e3 - 0.010
    facts: dict[str, object] = {
        "row": row,
        "id": None,
        "passthrough": (),
        "status": "succeeded",
        "transport": way,
        "payload_bytes": 1_000 if way == "inline" else 200_000,
        "attempts": 1,
        "response": b"secret",
        "due_at": due,
        "sent_at": sent,
        "accepted_at": sent + 0.2 * rest,
        "received_at": sent + 0.1 * rest,
        "completed_at": sent + 0.5 * rest,
        "notified_at": sent + 0.6 * rest,
        "collected_at": sent + 0.6 * rest,
        "fetched_at": sent + rest,
        "noticed_by": "sqs",
    }
    if way == "s3":
        facts |= {"upload_started_at": due - 0.030, "uploaded_at": due - 0.005}
    return Outcome(**(facts | changes))  # type: ignore[arg-type]


def writer(directory: Path) -> MakeOutput:
    """Return what writes outcomes as an output file in `directory`."""

    def make(outcomes: Sequence[Outcome], name: str = "out.parquet", **metadata: str) -> Path:
        parts = directory / f"{name}-parts"
        parts.mkdir()
        passthrough = pa.schema([])
        written = [write_part(parts, 0, to_table(outcomes, passthrough))] if outcomes else []
        said = {"fanout:endpoint": "e", "fanout:simulated": "false", "fanout:throttles": "7"} | {
            f"fanout:{key}": value for key, value in metadata.items()
        }
        finish(
            written,
            directory / name,
            run_id="abcdefghij",
            passthrough_schema=passthrough,
            expected_rows=len(outcomes),
            metadata=said,
        )
        return directory / name

    return make
