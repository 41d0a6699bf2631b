"""Computes how long rows take: by the rate that is configured, and by the endpoint's instances. Pure.

Where the model's time or the endpoint's instances are not known, it tells no time and why.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from statistics import NormalDist

_P90 = NormalDist().inv_cdf(0.9)


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """How long a run takes from its first row to its last, and what the endpoint's instances cost meanwhile.

    Attributes:
        rate_s: Seconds that sending takes at the configured rate; None without one.
        seconds: Seconds until the last row has its result; None if that is not known.
        slots: Rows that are in the model at once; None likewise.
        instance_hours: What the endpoint's instances run in these seconds; None likewise.
        instance_dollars: What that costs; None also where a type has no price.
        unknown: Why something of this is None, a sentence each.
    """

    rate_s: float | None
    seconds: float | None = None
    slots: int | None = None
    instance_hours: float | None = None
    instance_dollars: float | None = None
    unknown: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ServiceTime:
    """How long the model takes for one row in the mean, in seconds, and who says so."""

    seconds: float
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Capacity:
    """What the endpoint has to serve rows with; None for what is not told.

    Attributes:
        instances: How many there are now.
        types: The same by type.
        per_instance: Requests that one has in the model at once.
    """

    instances: int | None
    types: Mapping[str, int]
    per_instance: int | None

    def slots(self, window: int) -> int | None:
        """Return how many of `window` open rows are in the model at once; None if that is not told, or none is."""
        if not self.instances or self.per_instance is None:
            return None
        return min(self.instances * self.per_instance, window)


def sending_s(
    rows: int, size_bytes: int, *, rate_per_s: float | None, bytes_per_s: float | None
) -> float | None:
    """Return the seconds that sending takes at the configured rates, None without any; the first row leaves at once."""
    paced = [max(0, rows - 1) / rate_per_s] if rate_per_s else []
    if bytes_per_s:
        paced.append(size_bytes / bytes_per_s)
    return max(paced, default=None)


def forecast(
    rows: int,
    *,
    rate_s: float | None,
    service_s: float | None,
    capacity: Capacity | None,
    window: int,
    prices: Mapping[str, float],
) -> Forecast:
    """Return how long `rows` rows take.

    Args:
        rows: Rows that are sent.
        rate_s: See `sending_s`.
        service_s: Seconds that the model takes for one row in the mean; None if that is not known.
        capacity: The endpoint's instances; None if the endpoint could not be asked.
        window: Rows that are open at once.
        prices: Dollars an hour by instance type.
    """
    slots = None if capacity is None else capacity.slots(window)
    if service_s is None or capacity is None or slots is None or not capacity.instances:
        return Forecast(rate_s=rate_s, unknown=tuple(_unknown(service_s, capacity)))
    served_s = math.ceil(rows / slots) * service_s
    paced_s = (rate_s or 0.0) + (service_s if rows else 0.0)
    seconds = max(served_s, paced_s)
    hours = seconds / 3_600
    dollars, unpriced = _dollars(hours, capacity, prices)
    return Forecast(
        rate_s=rate_s,
        seconds=seconds,
        slots=slots,
        instance_hours=hours * capacity.instances,
        instance_dollars=dollars,
        unknown=unpriced,
    )


def _unknown(service_s: float | None, capacity: Capacity | None) -> Iterator[str]:
    """Yield why no time can be told."""
    if service_s is None:
        yield (
            "how long the model takes for a row: no run on this endpoint has finished here; name it with --service-s"
        )
    if capacity is None or capacity.instances is None:
        yield "how many instances the endpoint has"
    elif capacity.instances == 0:
        yield "how many instances there will be: the endpoint has none now, and its scaling policy is not asked"
    elif capacity.per_instance is None:
        yield (
            "how many rows an instance takes at once: the endpoint's configuration sets no "
            "MaxConcurrentInvocationsPerInstance, and SageMaker chooses"
        )


def _dollars(
    hours: float, capacity: Capacity, prices: Mapping[str, float]
) -> tuple[float | None, tuple[str, ...]]:
    """Return what the instances cost in so many hours, or None and why it cannot be told."""
    types = capacity.types
    if sum(types.values()) != capacity.instances:
        return None, ("what the instances cost: the endpoint does not tell the type of each",)
    unpriced = tuple(
        f'what an hour of {kind} costs: name it as "{kind}" = DOLLARS in [prices.instances]'
        for kind in sorted(types)
        if kind not in prices
    )
    if unpriced:
        return None, unpriced
    return sum(hours * number * prices[kind] for kind, number in types.items()), ()


def service_of(latency_ms: Mapping[str, float], *, rows: int, seconds: float, slots: int | None) -> float:
    """Return the seconds that the model takes for a row in the mean, by what a run came to.

    SageMaker tells queueing and model together, so both that and the endpoint's throughput bound it from above: the
    former is near the truth where rows did not queue, the latter where they did and the endpoint was busy.

    Args:
        latency_ms: `p50` and `p90` of the run's service times.
        rows: Rows that ended while it ran.
        seconds: How long it ran.
        slots: Rows that the endpoint has in the model at once, if it has now what it had then; None if not known.
    """
    median, p90 = latency_ms["p50"], latency_ms["p90"]
    sigma = math.log(p90 / median) / _P90 if p90 > median > 0 else 0.0
    told_s = median * math.exp(sigma * sigma / 2) / 1_000  # the mean of a lognormal time
    return told_s if slots is None or not rows else min(told_s, slots * seconds / rows)
