"""Counts throughput and rows in flight over time, from the instants in the output; a fold over batches."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate

import pyarrow as pa
import pyarrow.compute as pc

from fanout.analysis.outputs import Outputs

STEPS_MAX = 120  # what a chart of a page's width can show
_STEPS_S = (
    0.05,
    0.1,
    0.25,
    0.5,
    1,
    2,
    5,
    10,
    15,
    30,
    60,
    120,
    300,
    600,
    900,
    1_800,
    3_600,
    7_200,
    21_600,
    86_400,
)
_INSTANTS = ("due_at", "sent_at", "notified_at", "fetched_at", "ended_at")


@dataclass(frozen=True, slots=True)
class Timeline:
    """Counts a step of `step_s` seconds each, the first from `start_s` (seconds since the epoch).

    Attributes:
        seconds: From the first row that was due to the last that ended, however it did.
        sent: Rows sent (for the last time, where more than once).
        ended: Rows that ended: their result was there, they failed, were refused or given up.
        in_flight: Rows sent and not ended, at the end of each step.
    """

    start_s: float
    seconds: float
    step_s: float
    sent: tuple[int, ...]
    ended: tuple[int, ...]
    in_flight: tuple[int, ...]


def timeline(outputs: Outputs) -> Timeline | None:
    """Return how the run went on; None if nothing was sent."""
    first, last = None, None
    for due, sent, ended in _instants(outputs):
        for column in (due, sent, ended):
            bounds = pc.min_max(column).as_py()
            if bounds["min"] is not None:
                first = bounds["min"] if first is None else min(first, bounds["min"])
                last = bounds["max"] if last is None else max(last, bounds["max"])
    if first is None or last is None:
        return None
    seconds = (last - first) / 1e6
    step_s = next((step for step in _STEPS_S if seconds / step <= STEPS_MAX), seconds / STEPS_MAX)
    steps = int(seconds / step_s) + 1
    sent_counts, ended_counts, back_counts = [0] * steps, [0] * steps, [0] * steps
    for _, sent, ended in _instants(outputs):
        both = pc.and_(pc.is_valid(sent), pc.is_valid(ended))
        _add(sent_counts, sent, first=first, step_s=step_s)
        # A row that ended without a known send would make the number in flight negative.
        _add(back_counts, ended.filter(both), first=first, step_s=step_s)
        _add(ended_counts, ended, first=first, step_s=step_s)
    in_flight = tuple(accumulate(one - other for one, other in zip(sent_counts, back_counts, strict=True)))
    return Timeline(first / 1e6, seconds, step_s, tuple(sent_counts), tuple(ended_counts), in_flight)


def _instants(outputs: Outputs) -> Iterator[tuple[pa.Array, pa.Array, pa.Array]]:
    """Yield when rows were due, sent, and ended, in microseconds since the epoch."""
    for batch in outputs.batches(_INSTANTS):
        due, sent, notified, fetched, ended = (batch.column(name).cast(pa.int64()) for name in _INSTANTS)
        # In a file of version 1, a row that was given up has no end.
        yield due, sent, pc.coalesce(ended, fetched, notified)


def _add(counts: list[int], instants: pa.Array, *, first: int, step_s: float) -> None:
    places = pc.divide(pc.subtract(pc.drop_null(instants), first), round(step_s * 1e6))
    for line in pc.value_counts(places).to_pylist():
        counts[min(line["values"], len(counts) - 1)] += line["counts"]
