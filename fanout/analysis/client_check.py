"""Judges whether an experiment measured the service or its own client, or too little of it.

It takes how late sends were, how late the event loop was, what was throttled, and what failed; it returns what kept the
experiment from measuring the service, if anything did, in sentences for the report. Pure.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import median

from fanout.analysis.failures import Failures

LATE_SHARE = 0.5
"""From this share of late sends on even the median has waited in the client, and no number says anything about the
service. A send is late if it leaves more than `bench.late_ms` after it was due, 10 by default: timers wake 1-2 ms late,
a thread switch of CPython costs 5, and any Python program pays these two."""

WARN_SHARE = 0.01
"""From this share of late sends on the p99 has waited in the client."""

FAILED_SHARE = 0.1
"""From this share of failed requests on, numbers are of those that happened to succeed: a request that would have taken
long is one that times out, and a p90 without the slowest tenth is another quantile."""

TOO_FEW = 10  # pairs: an interval of the median needs six values to leave anything out

STALL_S = 0.5
"""Seconds: a single gap in the event loop's own clock that is reported."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """The verdict on the client.

    Attributes:
        limit: What was measured instead of the service: the client's own limits, or throttling; or what kept it from
            being measured: failures, or too few pairs. None for nothing of these.
        reasons: In sentences, with what to do; empty if there is no limit.
        warnings: What a reader of the upper percentiles should know.
        late_ms: From where on a send counts as late.
        late_share: Share of the requests that left later than that.
        late_p50_ms: Median lateness of a send.
        late_max_ms: Greatest lateness of a send.
        lag_p50_ms: Median lateness of the event loop.
        lag_max_ms: Greatest lateness of the event loop.
        offered_per_s: Requests that were due a second; None in a closed loop.
        sent_per_s: Requests that were sent a second.
    """

    limit: str | None
    reasons: tuple[str, ...]
    warnings: tuple[str, ...]
    late_ms: float
    late_share: float
    late_p50_ms: float
    late_max_ms: float
    lag_p50_ms: float
    lag_max_ms: float
    offered_per_s: float | None
    sent_per_s: float | None


def judge(
    waits_ms: Sequence[float],
    *,
    lags_ms: Sequence[float],
    due_s: Sequence[float],
    sent_s: Sequence[float],
    throttles: int,
    closed: bool,
    late_ms: float,
) -> Verdict:
    """Return the verdict on one experiment.

    Args:
        waits_ms: How late each request that counts was sent.
        lags_ms: How late the event loop was, look by look.
        due_s: When each request was due, in seconds on any clock.
        sent_s: When each was sent, on the same clock.
        throttles: Replies that said to slow down.
        closed: Nothing was due at a set time, so that nothing can be late.
        late_ms: From where on a send, or the loop, is late.
    """
    late_p50, late_max = _median(waits_ms), max(waits_ms, default=0.0)
    lag_p50, lag_max = _median(lags_ms), max(lags_ms, default=0.0)
    late = 0.0 if closed or not waits_ms else sum(wait > late_ms for wait in waits_ms) / len(waits_ms)
    offered, sent = (None if closed else _rate(due_s)), _rate(sent_s)
    reasons: list[str] = []
    limit = None
    if late > LATE_SHARE:
        limit = "throttling" if throttles else "client"
        rates = f": {offered:,.0f} a second were due, {sent:,.0f} were sent" if offered and sent else ""
        cure = (
            f"the endpoint throttled {throttles:,} times: lower --rate"
            if throttles
            else "lower --rate, raise --concurrency, or give this machine less to do"
        )
        reasons.append(
            f"{late:.0%} of the requests left more than {late_ms:g} ms after they were due (half of them "
            f"{late_p50:,.0f} ms or more){rates}; {cure}"
        )
    if lag_p50 > late_ms:
        limit = limit or "client"
        reasons.append(
            f"the event loop was {lag_p50:,.0f} ms behind half of the time, so replies were read that late: "
            "lower --rate, or give this machine less to do"
        )
    warnings: list[str] = []
    if limit is None:
        warnings = _warnings(late, lag_max, late_ms)
    return Verdict(
        limit=limit,
        reasons=tuple(reasons),
        warnings=tuple(warnings),
        late_ms=late_ms,
        late_share=late,
        late_p50_ms=late_p50,
        late_max_ms=late_max,
        lag_p50_ms=lag_p50,
        lag_max_ms=lag_max,
        offered_per_s=offered,
        sent_per_s=sent,
    )


def judge_sample(verdict: Verdict, failures: Failures, *, pairs: int) -> Verdict:
    """Return the verdict, once it is known what failed and how many pairs succeeded both ways."""
    if verdict.limit is not None:
        return verdict
    reasons = []
    way, worst = failures.worst
    limit = None
    if worst.share >= FAILED_SHARE:
        limit = "failures"
        reasons.append(
            f"{worst.share:.0%} of the requests {way} failed ({worst.failed:,} of {worst.requests:,}): the others are "
            "no sample of the service; see to the errors first"
        )
    if pairs < TOO_FEW:
        limit = limit or "pairs"
        reasons.append(
            f"only {pairs} pairs succeeded both ways: no figure is made of fewer than {TOO_FEW}; raise --pairs"
        )
    return verdict if limit is None else replace(verdict, limit=limit, reasons=tuple(reasons))


def _warnings(late: float, lag_max_ms: float, late_ms: float) -> list[str]:
    found = []
    if lag_max_ms > STALL_S * 1e3:
        found.append(
            f"this client stalled for {lag_max_ms / 1e3:,.1f} s once: latencies from the due time hold that, "
            "raw ones do not"
        )
    if late > WARN_SHARE:
        found.append(
            f"{late:.0%} of the requests left more than {late_ms:g} ms late: percentiles above p{100 - 100 * late:.0f} "
            "hold waiting in this client"
        )
    return found


def _rate(instants_s: Sequence[float]) -> float | None:
    """Return events a second between the first and the last."""
    ordered = sorted(instants_s)
    span_s = ordered[-1] - ordered[0] if len(ordered) > 1 else 0.0
    return (len(ordered) - 1) / span_s if span_s > 0 else None


def _median(values: Sequence[float]) -> float:
    return median(values) if values else 0.0
