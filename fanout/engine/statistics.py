"""Joins the statistics of everything in the pipeline that has a queue in one snapshot."""

from __future__ import annotations

from dataclasses import dataclass

from fanout.engine.flow import SinkStatistics
from fanout.engine.journal_writer import JournalWriterStatistics
from fanout.engine.pacing import PacerStatistics
from fanout.engine.reconcile.reconciler import ReconcilerStatistics
from fanout.engine.row_counts import OpenRowsStatistics
from fanout.engine.stages.poll import PollStatistics


@dataclass(frozen=True, slots=True)
class PipelineStatistics:
    """A snapshot of everything that has a queue."""

    open_rows: OpenRowsStatistics
    pacer: PacerStatistics
    sink: SinkStatistics
    journal: JournalWriterStatistics
    reconciler: ReconcilerStatistics
    poll: PollStatistics | None
    held_bytes: int
    unfounded: int
