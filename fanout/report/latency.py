"""Computes latencies of each phase and transport: quantiles, their distribution, and how they grow with the payload.

One column of the output files is in memory at a time (8 bytes a row); quantiles are exact, in milliseconds. Warm-up of
an experiment is in none of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from fanout.analysis.outputs import Outputs
from fanout.analysis.quantiles import ordered, p999, quantile

PHASES = ("wait", "retry", "upload", "invoke", "service", "notify", "fetch", "total")
"""`retry` is what lies between the due time and the last request of a row that took several; other rows have a `wait`
there. Told as a wait, a model's failure would look like a client that had stalled."""
WAYS = ("inline", "s3", "existing")
CURVE = (*(n / 100 for n in range(100)), 0.995, 0.999, 0.9995, 0.9999, 0.99999, 1.0)
"""Shares at which a distribution is drawn: every hundredth, and the tail."""

EDGES = (1_000, 4_000, 16_000, 64_000, 128_000, 512_000, 2_000_000, 16_000_000, 128_000_000, 1_000_000_000)
"""Upper ends of size classes in bytes, where payloads come in more than `DISTINCT_MAX` sizes."""
DISTINCT_MAX = 12


@dataclass(frozen=True, slots=True)
class Spread:
    """Latencies of one phase and transport: `n` of them; quantiles in milliseconds.

    Attributes:
        curve: Milliseconds at the shares of `CURVE`; those of the tail only where there are rows enough.
        p999: The 99.9th percentile; None of fewer than 1,000 rows.
    """

    phase: str
    way: str
    n: int
    p50: float
    p90: float
    p99: float
    max: float
    curve: tuple[float, ...]
    p999: float | None = None


@dataclass(frozen=True, slots=True)
class SizeClass:
    """Whole latencies of succeeded rows with payloads of `from_bytes` to `to_bytes` bytes, by one transport."""

    from_bytes: int
    to_bytes: int
    way: str
    n: int
    p50: float
    p90: float
    p99: float
    p999: float | None = None


def spreads(outputs: Outputs) -> tuple[Spread, ...]:
    """Return the latencies of every phase and transport that there is."""
    rows = outputs.latencies(["transport", "attempts"])
    again = pc.fill_null(pc.greater(rows["attempts"], 1), fill_value=False)
    ways = {way: pc.equal(pc.fill_null(rows["transport"], ""), way) for way in WAYS}
    del rows
    found = []
    for phase in PHASES:
        column = phase_column(outputs, phase, again=again)
        for way, mask in ways.items():
            values = ordered(column.filter(mask))
            if len(values):
                p50, p90, p99, most = (quantile(values, q) for q in (0.5, 0.9, 0.99, 1.0))
                curve = tuple(quantile(values, q) for q in shares(len(values)))
                found.append(Spread(phase, way, len(values), p50, p90, p99, most, curve, p999(values)))
    return tuple(found)


def phase_column(outputs: Outputs, phase: str, *, again: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return the milliseconds of a phase, of the rows that count; null where a row has no such phase.

    Args:
        outputs: The rows.
        phase: Of `PHASES`.
        again: Which of them took more than one request.
    """
    if phase not in {"wait", "retry"}:
        return outputs.latencies([f"{phase}_ms"])[f"{phase}_ms"]
    chosen = again if phase == "retry" else pc.invert(again)
    return pc.if_else(chosen, outputs.latencies(["wait_ms"])["wait_ms"], None)


def shares(n: int) -> tuple[float, ...]:
    """Return the shares of `CURVE` that `n` values can tell apart, the last always 1."""
    return tuple(share for share in CURVE if share == 1.0 or (1 - share) * n >= 1 or share < 1 / n)


def by_size(outputs: Outputs) -> tuple[SizeClass, ...]:
    """Return whole latencies by payload size, of the rows that succeeded."""
    rows = outputs.latencies(
        ["payload_bytes", "transport", "total_ms"], where=pc.field("status") == "succeeded"
    )
    sizes, totals = rows["payload_bytes"].combine_chunks(), rows["total_ms"].combine_chunks()
    ways = {way: pc.equal(pc.fill_null(rows["transport"], ""), way).combine_chunks() for way in WAYS[:2]}
    del rows
    found = []
    for low, high in _edges(sizes):
        within = pc.and_(pc.greater_equal(sizes, low), pc.less_equal(sizes, high))
        for way, mask in ways.items():  # the size of an object of the user's is not known
            values = ordered(totals.filter(pc.and_(within, mask)))
            if len(values):
                p50, p90, p99 = (quantile(values, q) for q in (0.5, 0.9, 0.99))
                found.append(SizeClass(low, high, way, len(values), p50, p90, p99, p999(values)))
    return tuple(found)


def _edges(sizes: pa.Array) -> Iterator[tuple[int, int]]:
    distinct = pc.unique(sizes)
    if len(distinct) <= DISTINCT_MAX:
        yield from ((size, size) for size in sorted(distinct.to_pylist()))
        return
    low = 0
    for high in EDGES:
        yield low, high
        low = high + 1
