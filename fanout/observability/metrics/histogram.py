"""Counts durations in the buckets that Prometheus reads, in plain integers that a fold can afford."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence

BUCKETS_S = (
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3600.0,
    21600.0,
)  # fmt: skip
"""Upper bounds in seconds. A call inside a region takes milliseconds: three bounds a decade from there up to 10 s.
Above, the waits that InvokeEndpointAsync itself knows: 60 s and 21,600 s are the shortest and the longest time in the
queue, 900 s and 3,600 s the default and the longest invocation."""

_NAMES = (*(repr(bound) for bound in BUCKETS_S), "+Inf")


class Histogram:
    """Counts by bucket, and their sum in seconds.

    Not prometheus_client's: a bound child of that takes a lock for each observation, and six of them would cost
    as much as the rest of a row's bookkeeping together.
    """

    __slots__ = ("_counts", "_sum_s")

    def __init__(self) -> None:
        self._counts = [0] * len(_NAMES)
        self._sum_s = 0.0

    def observe(self, seconds: float) -> None:
        """Count one duration.

        One that is negative, because its ends were read on two clocks, counts as 0: a sum that falls looks like
        a restart to Prometheus.
        """
        if seconds < 0.0:  # noqa: PLR1730 - max() is a call: 60 ns, six times a row
            seconds = 0.0
        self._counts[bisect_left(BUCKETS_S, seconds)] += 1
        self._sum_s += seconds

    @property
    def count(self) -> int:
        """Observations."""
        return sum(self._counts)

    @property
    def sum_s(self) -> float:
        """Their sum in seconds."""
        return self._sum_s

    def dump(self) -> list[float]:
        """Return the count of each bucket, and the sum in seconds, for `add_dumped`."""
        return [*self._counts, self._sum_s]

    def add_dumped(self, dumped: Sequence[float]) -> None:
        """Add the observations of another."""
        *counts, sum_s = dumped
        self._counts = [mine + int(theirs) for mine, theirs in zip(self._counts, counts, strict=True)]
        self._sum_s += sum_s

    def cumulative(self) -> list[tuple[str, float]]:
        """Return (upper bound, observations up to it) of every bucket, as the exposition format has them."""
        found: list[tuple[str, float]] = []
        count = 0
        for name, more in zip(_NAMES, self._counts, strict=True):
            count += more
            found.append((name, float(count)))
        return found
