"""Computes what the requests of these rows cost, and what the S3 rows would have cost inline. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from fanout.analysis.prices import MILLION, per_million, requests
from fanout.domain.prices import Prices

NOT_COUNTED = (
    "storage of payloads, outputs and logs; data transfer; KMS and CloudWatch",
    "requests that were refused and repeated, long polls that found nothing, listings while results were missing",
    "discounts, free tiers, taxes: list prices of us-east-1, unless [prices] says yours",
)
"""What the dollars of requests leave out, beside instances."""


@dataclass(frozen=True, slots=True)
class Instances:
    """The endpoint's instances while rows were under way, if they stayed as many as they were at the start.

    Attributes:
        hours: Of all instances together.
        types: How many of each type.
        dollars: By `[prices.instances]`; None if a type has no price there.
    """

    hours: float
    types: Mapping[str, int]
    dollars: float | None


def instances(types: Mapping[str, int], *, seconds: float, prices: Prices) -> Instances | None:
    """Return what the instances took in so many seconds; None if they are not known."""
    if not types:
        return None
    hours = seconds / 3600
    priced = [prices.instances.get(kind) for kind in types]
    dollars = None
    if None not in priced:
        dollars = sum(
            hours * number * (price or 0.0) for number, price in zip(types.values(), priced, strict=True)
        )
    return Instances(hours * sum(types.values()), dict(types), dollars)


@dataclass(frozen=True, slots=True)
class Cost:
    """Dollars for requests to S3, SNS and SQS; instances, storage and transfer are not in it.

    Attributes:
        dollars: Of these rows.
        by_way: The same by transport.
        saved: What the inline rows would have cost more via S3.
        saveable: What the rows via S3 cost more than inline; of those that would fit.
        instances: The endpoint's, which are not in the dollars; None if they are not known.
    """

    dollars: float
    by_way: Mapping[str, float]
    saved: float
    saveable: float
    instances: Instances | None = None


def cost(
    by_way: Mapping[str, int],
    prices: Prices,
    *,
    small_s3: int,
    parts: int = 0,
    used: Instances | None = None,
) -> Cost:
    """Return the cost of so many rows by each transport.

    Args:
        by_way: The rows.
        prices: The price table.
        small_s3: Those via S3 that would fit into a request.
        parts: Requests that their uploads in parts took beyond one each.
        used: The endpoint's instances.
    """
    inline, s3 = per_million("inline").dollars(prices), per_million("s3").dollars(prices)
    in_parts = {"s3": parts}
    found = {
        way: requests({way: count}, parts=in_parts.get(way, 0)).dollars(prices)
        for way, count in by_way.items()
    }
    more = (s3 - inline) / MILLION
    together = requests(by_way, parts=parts).dollars(prices)
    return Cost(together, found, by_way.get("inline", 0) * more, small_s3 * more, used)
