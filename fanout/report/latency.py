"""Computes latencies of each phase and transport: quantiles, their distribution, and how they grow with the payload.

One column of the output files is in memory at a time (8 bytes a row); quantiles are exact, in milliseconds.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from fanout.analysis.outputs import Outputs
from fanout.analysis.quantiles import ordered, quantile

PHASES = ("wait", "upload", "invoke", "service", "notify", "fetch", "total")
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
    """

    phase: str
    way: str
    n: int
    p50: float
    p90: float
    p99: float
    max: float
    curve: tuple[float, ...]


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


def spreads(outputs: Outputs) -> tuple[Spread, ...]:
    """Return the latencies of every phase and transport that there is."""
    ways = pc.fill_null(outputs.column("transport"), "")
    found = []
    for phase in PHASES:
        column = outputs.column(f"{phase}_ms")
        for way in WAYS:
            values = ordered(column.filter(pc.equal(ways, way)))
            if len(values):
                p50, p90, p99, most = (quantile(values, q) for q in (0.5, 0.9, 0.99, 1.0))
                curve = tuple(quantile(values, q) for q in shares(len(values)))
                found.append(Spread(phase, way, len(values), p50, p90, p99, most, curve))
    return tuple(found)


def shares(n: int) -> tuple[float, ...]:
    """Return the shares of `CURVE` that `n` values can tell apart, the last always 1."""
    return tuple(share for share in CURVE if share == 1.0 or (1 - share) * n >= 1 or share < 1 / n)


def by_size(outputs: Outputs) -> tuple[SizeClass, ...]:
    """Return whole latencies by payload size, of the rows that succeeded."""
    good = pc.equal(outputs.column("status"), "succeeded")
    sizes = outputs.column("payload_bytes").filter(good).combine_chunks()
    ways = pc.fill_null(outputs.column("transport"), "").filter(good).combine_chunks()
    totals = outputs.column("total_ms").filter(good).combine_chunks()
    found = []
    for low, high in _edges(sizes):
        within = pc.and_(pc.greater_equal(sizes, low), pc.less_equal(sizes, high))
        for way in WAYS[:2]:  # the size of an object of the user's is not known
            values = ordered(totals.filter(pc.and_(within, pc.equal(ways, way))))
            if len(values):
                upper = (quantile(values, q) for q in (0.5, 0.9, 0.99))
                found.append(SizeClass(low, high, way, len(values), *upper))
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
