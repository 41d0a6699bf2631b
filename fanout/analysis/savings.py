"""Computes what inline saves per million rows: requests and dollars by the price table, and waiting. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from fanout.analysis.prices import MILLION, Requests, per_million
from fanout.analysis.quantiles import Interval
from fanout.domain.prices import Prices

_HOUR_MS = 3_600_000.0


@dataclass(frozen=True, slots=True)
class Savings:
    """Per million rows that go inline instead of via S3.

    Attributes:
        inline: Requests of a million inline rows.
        s3: Requests of a million rows via S3.
        requests: Requests of ours that are saved: uploads, and their deletion.
        puts: PUTs that are saved.
        gets: GETs that are saved: SageMaker's of the payload.
        inline_dollars: Price of `inline`.
        s3_dollars: Price of `s3`.
        dollars: Saved.
        latency_hours: Sum of the latency that is saved, in hours; None if it was not measured. Rows overlap: it is
            not time by which a run ends earlier.
    """

    inline: Requests
    s3: Requests
    requests: int
    puts: int
    gets: int
    inline_dollars: float
    s3_dollars: float
    dollars: float
    latency_hours: float | None


def savings(prices: Prices, *, total: Interval | None) -> Savings:
    """Return what a million rows save; `total` is the paired difference of whole latencies, in milliseconds."""
    inline, s3 = per_million("inline"), per_million("s3")
    inline_dollars, s3_dollars = inline.dollars(prices), s3.dollars(prices)
    return Savings(
        inline=inline,
        s3=s3,
        requests=s3.puts + s3.deletes - inline.puts - inline.deletes,
        puts=s3.puts - inline.puts,
        gets=s3.gets - inline.gets,
        inline_dollars=round(inline_dollars, 4),
        s3_dollars=round(s3_dollars, 4),
        dollars=round(s3_dollars - inline_dollars, 4),
        latency_hours=None if total is None else round(total.median * MILLION / _HOUR_MS, 2),
    )
