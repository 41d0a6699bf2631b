"""Finds where the milliseconds of one row went: of the median row of each transport, and of the slowest of all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from fanout.analysis.outputs import Outputs
from fanout.report.latency import WAYS


@dataclass(frozen=True, slots=True)
class Bar:
    """One phase of a row: from `from_ms` to `to_ms` after its beginning."""

    phase: str
    from_ms: float
    to_ms: float


@dataclass(frozen=True, slots=True)
class Waterfall:
    """One row: its transport, its whole latency in milliseconds, and its phases in order; in gaps fanout held it."""

    which: str
    row: int
    way: str
    payload_bytes: int
    total_ms: float
    bars: tuple[Bar, ...]


_INSTANTS = (
    "due_at",
    "sent_at",
    "accepted_at",
    "received_at",
    "completed_at",
    "notified_at",
    "collected_at",
    "fetched_at",
)


def waterfalls(outputs: Outputs) -> tuple[Waterfall, ...]:
    """Return the median row of each transport, then the slowest row, of those that succeeded."""
    found = []
    slowest: tuple[float, str] | None = None
    for way in WAYS:
        chosen = (pc.field("transport") == way) & (pc.field("status") == "succeeded")
        totals = pc.drop_null(outputs.latencies(["total_ms"], where=chosen)["total_ms"])
        if not len(totals):
            continue
        # The lower median is a latency that a row really had.
        middle = pc.quantile(totals, q=0.5, interpolation="lower")[0].as_py()
        found.append(_waterfall(outputs, "median", way, middle))
        most = pc.max(totals).as_py()
        if slowest is None or most > slowest[0]:
            slowest = (most, way)
    if slowest is not None:
        found.append(_waterfall(outputs, "slowest", slowest[1], slowest[0]))
    return tuple(found)


def _waterfall(outputs: Outputs, which: str, way: str, total_ms: float) -> Waterfall:
    same = (pc.field("transport") == way) & (pc.field("status") == "succeeded")
    columns = ["row", "attempts", "payload_bytes", "upload_ms", "total_ms", *_INSTANTS]
    row = outputs.first(columns, where=outputs.counting(same & (pc.field("total_ms") == total_ms)))
    instants = row.select(list(_INSTANTS)).cast(pa.schema([(name, pa.int64()) for name in _INSTANTS]))
    facts = row.select(["row", "attempts", "payload_bytes", "upload_ms", "total_ms"]).to_pylist()[0]
    return Waterfall(
        which, facts["row"], way, facts["payload_bytes"], total_ms, bars(facts | instants.to_pylist()[0])
    )


def bars(row: dict[str, Any]) -> tuple[Bar, ...]:
    """Return the phases of a row: instants in microseconds, `upload_ms` and `total_ms` in milliseconds.

    What lies before the last request of a row that took several is `retry`, as everywhere in a report.
    Service is drawn on SageMaker's clock as it is: where the two clocks differ, it shows.
    """

    def at(name: str) -> float | None:
        # Differences of whole microseconds first: at 1.7e12 ms a float has no digits left for a thousandth of one.
        return None if row[name] is None else (row[name] - row["fetched_at"]) / 1e3 + row["total_ms"]

    due, sent = at("due_at"), at("sent_at")
    before = "retry" if (row.get("attempts") or 0) > 1 else "wait"
    spans: list[tuple[str, float | None, float | None]] = []
    upload = row["upload_ms"]
    if upload is not None and due is not None and sent is not None:
        if due > 0:  # an ordinary run: the upload began before the request was due
            spans += [("upload", 0.0, upload), (before, due, sent)]
        else:  # an experiment: due first, then uploaded, then sent
            spans += [("wait", 0.0, max(sent - upload, 0.0)), ("upload", max(sent - upload, 0.0), sent)]
    else:
        spans.append((before, due, sent))
    spans += [
        ("invoke", sent, at("accepted_at")),
        ("service", at("received_at"), at("completed_at")),
        ("notify", at("completed_at"), at("notified_at")),
        ("fetch", at("collected_at"), at("fetched_at")),
    ]
    return tuple(
        Bar(phase, start, end) for phase, start, end in spans if start is not None and end is not None
    )
