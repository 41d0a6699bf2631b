"""Computes what the requests of these rows cost, and what the S3 rows would have cost inline. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from fanout.analysis.prices import MILLION, per_million, requests
from fanout.domain.prices import Prices


@dataclass(frozen=True, slots=True)
class Cost:
    """Dollars for requests to S3, SNS and SQS; instances, storage and transfer are not in it.

    Attributes:
        dollars: Of these rows.
        by_way: The same by transport.
        saved: What the inline rows would have cost more via S3.
        saveable: What the rows via S3 cost more than inline; of those that would fit.
    """

    dollars: float
    by_way: Mapping[str, float]
    saved: float
    saveable: float


def cost(by_way: Mapping[str, int], prices: Prices, *, small_s3: int, parts: int = 0) -> Cost:
    """Return the cost of so many rows by each transport.

    Args:
        by_way: The rows.
        prices: The price table.
        small_s3: Those via S3 that would fit into a request.
        parts: Requests that their uploads in parts took beyond one each.
    """
    inline, s3 = per_million("inline").dollars(prices), per_million("s3").dollars(prices)
    in_parts = {"s3": parts}
    found = {
        way: requests({way: count}, parts=in_parts.get(way, 0)).dollars(prices)
        for way, count in by_way.items()
    }
    more = (s3 - inline) / MILLION
    together = requests(by_way, parts=parts).dollars(prices)
    return Cost(together, found, by_way.get("inline", 0) * more, small_s3 * more)
