"""Builds the metric families that Prometheus reads: names, units and help texts. Pure.

It makes prometheus_client's families of a fold, a snapshot and the run's own facts. Labels are fixed words of this
program; nothing that a user, a model or AWS wrote enters one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)

from fanout.engine.snapshot import Snapshot
from fanout.engine.statistics import PipelineStatistics
from fanout.observability.metrics.facts import Facts
from fanout.observability.metrics.fold import PHASES, Fold

Read = Callable[[PipelineStatistics], float | None]

GAUGES: Mapping[str, tuple[str, Read]] = {
    "fanout_rows_open": ("Rows taken in that have not ended.", lambda s: s.open_rows.open),
    "fanout_rows_in_flight": ("Requests without a reply.", lambda s: s.open_rows.in_flight),
    "fanout_rows_accepted": ("Rows that the endpoint has and that have no notice.", lambda s: s.open_rows.accepted),
    "fanout_rows_claimed": ("Rows with a notice whose result is being fetched.", lambda s: s.open_rows.claimed),
    "fanout_rows_unknown": ("Rows that may have been sent and are looked for.", lambda s: s.open_rows.unknown),
    "fanout_rows_parked": ("Rows deferred, until a look into S3 or a backoff.", lambda s: s.reconciler.deferred),
    "fanout_rows_undurable": ("Rows that have ended and stand in no part yet.", lambda s: s.open_rows.undurable),
    "fanout_pacing_rate": (
        "Requests a second that pacing allows now; absent without a limit.",
        lambda s: s.pacer.rate_per_s,
    ),
    "fanout_pacing_configured_rate": (
        "Requests a second that the configuration allows; absent without a limit.",
        lambda s: s.pacer.configured_per_s,
    ),
    "fanout_pacing_tolerated_ratio": (
        "Share of requests that is refused whatever the rate, so that pacing does not slow down for it.",
        lambda s: s.pacer.tolerated,
    ),
    "fanout_held_bytes": ("Bytes of payloads and kept values in memory.", lambda s: s.held_bytes),
    "fanout_sink_buffered_rows": ("Outcomes that wait to become a part.", lambda s: s.sink.buffered_rows),
    "fanout_sink_buffered_bytes": ("Their responses and passthrough values, in bytes.",
        lambda s: s.sink.buffered_bytes,
    ),
    "fanout_journal_waiting_lines": ("Lines that are not durable in the journal yet.",
        lambda s: s.journal.waiting,
    ),
    "fanout_last_notice_timestamp_seconds": (
        "When a notification last claimed a row.",
        lambda s: s.poll.last_notice_at if s.poll else None,
    ),
}  # fmt: skip

COUNTERS: Mapping[str, tuple[str, Read]] = {
    "fanout_throttles": ("Replies that said to slow down.", lambda s: s.pacer.throttles),
    "fanout_pacing_cuts": ("How often the rate was lowered for them.", lambda s: s.pacer.cuts),
    "fanout_resends": ("Sends of rows that may have been accepted before.", lambda s: s.open_rows.resends),
    "fanout_possible_resends": (
        "Those of rows that may have been sent before, by a process that was killed.",
        lambda s: s.open_rows.possible_resends,
    ),
    "fanout_durable_rows": ("Rows that became durable in a part.", lambda s: s.sink.durable_rows),
    "fanout_journal_lines": ("Lines written to the journal.", lambda s: s.journal.lines),
    "fanout_journal_groups": ("Transactions that wrote them.", lambda s: s.journal.groups),
    "fanout_looks": ("Looks into S3 for rows without a notice.", lambda s: s.reconciler.looks),
    "fanout_looks_found": ("Rows that they found.", lambda s: s.reconciler.found),
    "fanout_given_up": ("Rows given up at their deadline.", lambda s: s.reconciler.expired),
    "fanout_unfounded_notices": ("Notices that S3 did not confirm.", lambda s: s.unfounded),
}

OURS = "ours"
"""Messages about open rows of this run; the others go by why they are not."""


def families(facts: Facts, fold: Fold, look: Snapshot | None) -> Iterator[Metric]:
    """Yield every family that has a value now.

    Args:
        facts: What does not change while rows come and go.
        fold: The rows that have ended.
        look: Where the run stands; None before its engine has started.
    """
    yield from _facts(facts)
    yield from _ended(fold)
    if look is None or look.statistics is None:
        return
    yield _gauge(
        "fanout_rows_ended", "Rows of the run that have ended, in earlier processes too.", look.ended
    )
    if look.total is not None:
        yield _gauge("fanout_input_rows", "Rows of the input, where it is known before its end.", look.total)
    if look.share is not None:
        yield _gauge("fanout_input_read_ratio", "Share of the input that was read.", look.share)
    for name, (text, read) in GAUGES.items():
        value = read(look.statistics)
        if value is not None:
            yield _gauge(name, text, value)
    for name, (text, read) in COUNTERS.items():
        yield CounterMetricFamily(name, text, value=read(look.statistics))
    yield _messages(look.statistics)


def labelled(metrics: Iterable[Metric], labels: Mapping[str, str]) -> Iterator[Metric]:
    """Yield the families with `labels` on every sample."""
    for metric in metrics:
        metric.samples = [
            sample._replace(labels={**sample.labels, **labels})  # the way to copy a named tuple
            for sample in metric.samples
        ]
        yield metric


def _facts(facts: Facts) -> Iterator[Metric]:
    yield InfoMetricFamily(
        "fanout_build", "Versions of the program and its platform.", value=dict(facts.build)
    )
    yield _gauge("fanout_running", "1 while the run goes on, 0 once it has ended.", facts.exit_code is None)
    yield _gauge("fanout_window_rows", "Rows that may be open at once.", facts.window_rows)
    yield _gauge(
        "fanout_held_limit_bytes",
        "What fanout_held_bytes may be at most.",
        facts.held_bytes,
    )
    for name, text, value in (
        ("fanout_start_timestamp_seconds", "When this process began the run.", facts.started_at),
        (
            "fanout_last_completion_timestamp_seconds",
            "When a run last wrote its output, failed rows included.",
            facts.completed_at,
        ),
        (
            "fanout_last_success_timestamp_seconds",
            "When a run last ended with every row succeeded.",
            facts.succeeded_at,
        ),
        ("fanout_exit_code", "How the run ended; absent while it goes on.", facts.exit_code),
    ):
        if value is not None:
            yield _gauge(name, text, value)


def _ended(fold: Fold) -> Iterator[Metric]:
    records = CounterMetricFamily(
        "fanout_records", "Rows that have ended in this process.", labels=["transport", "status"]
    )
    payloads = CounterMetricFamily(
        "fanout_payload_bytes", "Payload bytes of those rows.", labels=["transport"]
    )
    responses = CounterMetricFamily(
        "fanout_response_bytes", "Response bytes of those rows.", labels=["transport"]
    )
    durations = HistogramMetricFamily(
        "fanout_request_duration_seconds",
        "Phases of those rows; total counts from when a row was due.",
        labels=["phase", "transport"],
    )
    for transport, lot in list(fold.lots.items()):
        payloads.add_metric([transport], lot.payload_bytes)
        responses.add_metric([transport], lot.response_bytes)
        for status, count in sorted(lot.statuses.items()):
            records.add_metric([transport, status], count)
        for phase in PHASES:
            seen = lot.phase(phase)
            if seen.count:
                durations.add_metric([phase, transport], seen.cumulative(), seen.sum_s)
    yield from (records, payloads, responses, durations)


def _messages(statistics: PipelineStatistics) -> Metric:
    family = CounterMetricFamily(
        "fanout_messages", "Messages received, by what they turned out to be.", labels=["outcome"]
    )
    if statistics.poll is not None:
        foreign = statistics.poll.foreign
        family.add_metric([OURS], statistics.poll.messages - sum(foreign.values()))
        for reason, count in sorted(foreign.items()):
            family.add_metric([slug(reason)], count)
    return family


def slug(reason: str) -> str:
    """Return a fixed text of `notifications` as a label's value."""
    return re.sub(r"[^a-z0-9]+", "_", reason.lower()).strip("_")


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(name, text, value=value)
