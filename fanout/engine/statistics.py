"""One snapshot of everything in the pipeline that has a queue."""

from __future__ import annotations

from dataclasses import dataclass

from fanout.engine.journal_writer import ScribeStatistics
from fanout.engine.open_rows import LedgerStatistics
from fanout.engine.pacing import PacerStatistics
from fanout.engine.reconcile.reconciler import ReconcileStatistics
from fanout.engine.stages.poll import CollectStatistics
from fanout.engine.stages.write import SinkStatistics


@dataclass(frozen=True, slots=True)
class PipelineStatistics:
    """A snapshot of everything that has a queue."""

    ledger: LedgerStatistics
    pacer: PacerStatistics
    sink: SinkStatistics
    scribe: ScribeStatistics
    reconcile: ReconcileStatistics
    collect: CollectStatistics | None
    held_bytes: int
    unfounded: int
