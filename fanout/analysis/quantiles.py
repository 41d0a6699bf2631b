"""Computes medians and their intervals without assuming a distribution.

It takes an Arrow array of milliseconds. Latencies have long tails and shared machines stall: one stall of two seconds
moves a mean of 200 pairs by 10 ms and their median not at all.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

import pyarrow as pa
import pyarrow.compute as pc

from fanout.domain.percentiles import P999_MIN, between, place

LEVEL = 0.95
EXACT_UP_TO = 2_000  # values; beyond, the normal approximation of the binomial is within 0.0005 of it


@dataclass(frozen=True, slots=True)
class Interval:
    """A median of `n` values, in milliseconds, and its bootstrap interval at `LEVEL`."""

    n: int
    median: float
    low: float
    high: float

    @property
    def half_width(self) -> float:
        """Half of its width: the plus-minus that people quote."""
        return (self.high - self.low) / 2

    @property
    def excludes_zero(self) -> bool:
        """Whether the sign is certain: the interval leaves out zero."""
        return self.low > 0 or self.high < 0


@dataclass(frozen=True, slots=True)
class Quantiles:
    """Latencies of one phase, in milliseconds.

    Attributes:
        p50_low: Lower bound of the median's interval.
        p50_high: Upper bound of it.
        p999: The 99.9th percentile; None of fewer than `P999_MIN` values, and where an earlier version told none.
    """

    n: int
    p50: float
    p50_low: float
    p50_high: float
    p90: float
    p99: float
    max: float
    p999: float | None = None


def interval(values: pa.Array | pa.ChunkedArray) -> Interval | None:
    """Return the median and its interval; None without values. Nulls are left out.

    The percentile bootstrap, without drawing: the median of a resample is at most the k-th smallest value exactly
    when at least half of n draws are among the k smallest, so the bootstrap's distribution of the median is known
    (Efron 1979, section 3). What a million resamples come near to is computed, and the same file gives the same
    interval every time.
    """
    values = ordered(values)
    n = len(values)
    if n == 0:
        return None
    low, high = bootstrap_ranks(n)
    return Interval(n, quantile(values, 0.5), values[low].as_py(), values[high].as_py())


def quantiles(values: pa.Array | pa.ChunkedArray) -> Quantiles | None:
    """Return the quantiles, linearly interpolated as DuckDB and numpy do; None without values."""
    values = ordered(values)
    found = interval(values)
    if found is None:
        return None
    p90, p99, most = (quantile(values, q) for q in (0.9, 0.99, 1.0))
    return Quantiles(found.n, found.median, found.low, found.high, p90, p99, most, p999(values))


def p999(values: pa.Array) -> float | None:
    """Return the 99.9th percentile of `ordered` values; None if they are too few to have one."""
    return quantile(values, 0.999) if len(values) >= P999_MIN else None


def change(now: Interval, before: Interval) -> Interval:
    """Return the difference of two independent medians, `now - before`, with an interval.

    Each bound goes as far as both medians' own uncertainties reach together (MOVER, Zou and Donner 2008), which
    asks for no values, only for the two intervals: an earlier run is known by its `bench.json` alone.
    """
    difference = now.median - before.median
    down = math.hypot(now.median - now.low, before.high - before.median)
    up = math.hypot(now.high - now.median, before.median - before.low)
    return Interval(min(now.n, before.n), difference, difference - down, difference + up)


def bootstrap_ranks(n: int) -> tuple[int, int]:
    """Return the ranks (from 0) of the values that bound the bootstrap's interval of the median of `n` values.

    For an even `n` the median lies between two values: the lower one makes the lower bound, the upper the upper.
    """
    tail = (1 - LEVEL) / 2
    return _rank(n, (n + 1) // 2, tail), _rank(n, n // 2 + 1, 1 - tail)


def _rank(n: int, draws: int, share: float) -> int:
    """Return the smallest rank k such that at least `draws` of `n` draws are among the k+1 smallest, by `share`."""
    low, high = 1, n
    while low < high:
        middle = (low + high) // 2
        if _at_least(draws, n, middle / n) >= share:
            high = middle
        else:
            low = middle + 1
    return low - 1


def _at_least(draws: int, n: int, p: float) -> float:
    """Return the probability that a binomial of `n` tries and probability `p` is at least `draws`."""
    if p >= 1.0:
        return 1.0
    if n > EXACT_UP_TO:
        return 1.0 - NormalDist(n * p, math.sqrt(n * p * (1 - p))).cdf(draws - 0.5)
    log_p, log_q, whole = math.log(p), math.log1p(-p), math.lgamma(n + 1)
    return math.fsum(
        math.exp(whole - math.lgamma(k + 1) - math.lgamma(n - k + 1) + k * log_p + (n - k) * log_q)
        for k in range(draws, n + 1)
    )


def ordered(values: pa.Array | pa.ChunkedArray) -> pa.Array:
    """Return the values in ascending order, without nulls."""
    flat = values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values
    flat = pc.drop_null(flat).cast(pa.float64())
    return flat.take(pc.sort_indices(flat))


def quantile(values: pa.Array, q: float) -> float:
    """Return a quantile of `ordered` values, linearly interpolated."""
    rank, share = place(len(values), q)
    lower = float(values[rank].as_py())
    return between(lower, float(values[rank + 1].as_py()), share) if share else lower
