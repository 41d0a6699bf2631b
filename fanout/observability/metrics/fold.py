"""Counts rows, durations and bytes of outcomes by transport, for the metrics; no other module counts them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

from fanout.domain.records import Outcome
from fanout.observability.metrics.histogram import Histogram

Dumped = dict[str, dict[str, Any]]
"""By transport, what a `Lot` counted: JSON values."""

PHASES = ("wait", "upload", "invoke", "service", "notify", "fetch", "total")
"""As the output file's `*_ms` columns, with the same ends."""

NO_TRANSPORT = "none"
"""The transport of rows that were rejected before they were routed."""


class Lot:
    """Counts the ended rows of one transport."""

    __slots__ = ("payload_bytes", "response_bytes", "statuses", *PHASES)

    def __init__(self) -> None:
        self.statuses: Counter[str] = Counter()
        self.payload_bytes = 0
        self.response_bytes = 0
        self.wait = Histogram()
        self.upload = Histogram()
        self.invoke = Histogram()
        self.service = Histogram()
        self.notify = Histogram()
        self.fetch = Histogram()
        self.total = Histogram()

    def phase(self, name: str) -> Histogram:
        """Return the durations of one of `PHASES`."""
        found: Histogram = getattr(self, name)
        return found


class Fold:
    """Counts of the rows that ended in this process."""

    __slots__ = ("lots",)

    def __init__(self) -> None:
        self.lots: dict[str, Lot] = {}

    def add(self, outcome: Outcome) -> None:
        """Count an outcome, each phase with the ends that `schema.derive` gives it."""
        transport = outcome.transport or NO_TRANSPORT
        lot = self.lots.get(transport)
        if lot is None:
            lot = self.lots[transport] = Lot()
        lot.statuses[outcome.status] += 1
        lot.payload_bytes += outcome.payload_bytes
        if outcome.response is not None:
            lot.response_bytes += len(outcome.response)
        due, sent, completed = outcome.due_at, outcome.sent_at, outcome.completed_at
        notified, fetched = outcome.notified_at, outcome.fetched_at
        uploading, uploaded = outcome.upload_started_at, outcome.uploaded_at
        waited = sent - due if sent is not None and due is not None else None
        if uploading is not None and uploaded is not None:
            lot.upload.observe(uploaded - uploading)
            if waited is not None and due is not None and uploading >= due:
                waited -= uploaded - uploading
        if waited is not None:
            lot.wait.observe(waited)
        if sent is not None and outcome.accepted_at is not None:
            lot.invoke.observe(outcome.accepted_at - sent)
        if completed is not None:
            if outcome.received_at is not None:
                lot.service.observe(completed - outcome.received_at)
            if notified is not None:
                lot.notify.observe(notified - completed)
        if fetched is not None and outcome.collected_at is not None:
            lot.fetch.observe(fetched - outcome.collected_at)
        begin = outcome.began_at
        end = notified if fetched is None else fetched
        if end is None:  # given up or refused: it took until then all the same
            end = outcome.ended_at
        if begin is not None and end is not None:
            lot.total.observe(end - begin)

    def dump(self) -> Dumped:
        """Return the counts as JSON values, for `replace_by` in another process."""
        return {
            transport: {
                "statuses": dict(lot.statuses),
                "payload_bytes": lot.payload_bytes,
                "response_bytes": lot.response_bytes,
                **{phase: lot.phase(phase).dump() for phase in PHASES},
            }
            for transport, lot in self.lots.items()
        }

    def replace_by(self, dumps: Iterable[Dumped]) -> None:
        """Count what other processes counted, and nothing else."""
        lots: dict[str, Lot] = {}
        for transport, dumped in (item for dump in dumps for item in dump.items()):
            lot = lots.setdefault(transport, Lot())
            lot.statuses.update(dumped["statuses"])
            lot.payload_bytes += dumped["payload_bytes"]
            lot.response_bytes += dumped["response_bytes"]
            for phase in PHASES:
                lot.phase(phase).add_dumped(dumped[phase])
        self.lots = lots
