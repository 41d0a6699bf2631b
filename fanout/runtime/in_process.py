"""Runs the engine in this process: the one place that builds an engine on a session."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import anyio.to_thread

from fanout.concurrency.interpreter import tuned_gc
from fanout.config.model import Config
from fanout.domain.records import Outcome
from fanout.domain.tally import Tally
from fanout.engine.journal_writer import JournalWriter
from fanout.engine.open_rows import OpenRows
from fanout.engine.pacing import Pacer
from fanout.engine.pipeline import Pipeline
from fanout.engine.snapshot import Progress, Snapshot, snapshot
from fanout.engine.wiring import Wiring
from fanout.errors import RunError
from fanout.observability.logging import outcome_folds
from fanout.observability.metrics.fold import Fold
from fanout.ports import Queue, Rows
from fanout.rundir.journal import Journal
from fanout.rundir.recovery import Recovered, recovered_tally
from fanout.runtime.result import WorkResult
from fanout.runtime.session import Session
from fanout.runtime.spec import RunSpec
from fanout.source.subset import Subset

if TYPE_CHECKING:
    from fanout.runtime.kept_place import KeptPlace


class InProcess:
    """`runtime.executor.Executor`: all rows of a run, or of a shard, in this process.

    Args:
        spec: The run.
        journal: Its journal on this machine, None if it keeps none there.
        recovered: What earlier processes left behind.
        kept: Its place in S3, None if it is kept on this machine.
        pacer: Decides when requests are due; by default one that goes by the configuration.
    """

    def __init__(
        self,
        spec: RunSpec,
        *,
        journal: Journal | None,
        recovered: Recovered,
        kept: KeptPlace | None = None,
        pacer: Pacer | None = None,
    ) -> None:
        self._pacer = pacer
        self._spec = spec
        self._kept = kept
        self._journal = journal
        self._recovered = recovered

    def check_free(self) -> None:
        """Return: the process that has the journal open has the run to itself."""

    async def prepare(self, session: Session, *, fold: Fold | None) -> EngineWork:
        """Return the engine's work; see `Executor`."""
        spec, recovered = self._spec, self._recovered
        work: EngineWork | None = None

        def resumable() -> bool:
            if (self._journal is None and self._kept is None) or not spec.can_be_resumed:
                return False
            if self._kept is not None and self._kept.log.fenced:
                return True  # the queue is its new owner's
            # A resume that fails early leaves the earlier process's queue alone.
            return recovered.may_be_received if work is None else work.rows_left

        await session.routing(
            spec.run_id
        )  # what cannot travel as configured is refused before a queue is made

        queue = await session.queue(spec.run_id, resumable=resumable)
        source = await session.source()
        if recovered.durable:
            source.pass_over(recovered.is_durable)
        subset = Subset(source, spec.wanted) if spec.wanted is not None else None
        tally = await anyio.to_thread.run_sync(recovered_tally, recovered)
        pipeline = await build_pipeline(
            session,
            spec.run_id,
            parts=spec.directory.parts,
            source=subset or source,
            queue=queue,
            tally=tally,
            folds=(*((fold.add,) if fold is not None else ()), *outcome_folds()),
            journal=self._journal,
            make_journal=self._kept.make_journal if self._kept is not None else None,
            recovered=recovered,
            pacer=self._pacer,
        )
        count = subset.count if subset is not None else lambda rows: rows
        work = EngineWork(
            pipeline, source=source, tally=tally, wanted=count, rows_left=recovered.may_be_received
        )
        return work


class EngineWork:
    """`runtime.supervisor.Work`: an engine, from its first row to its last durable part.

    Args:
        pipeline: The engine.
        source: Knows how far the reading has come.
        tally: What the engine counts.
        wanted: Returns how many of the first rows of the source are sent.
        rows_left: Whether the endpoint may have rows of an earlier process that have not ended.

    Attributes:
        rows_left: Whether the endpoint may have rows that have not ended; exact once it has run. Rows that were only
            read are none of them.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        *,
        source: Progress,
        tally: Tally,
        wanted: Callable[[int | None], int | None] = lambda rows: rows,
        rows_left: bool = False,
    ) -> None:
        self._pipeline = pipeline
        self._source = source
        self._tally = tally
        self._wanted = wanted
        self.rows_left = rows_left

    async def run(self) -> WorkResult:
        """Take every row to its end; see `Work`."""
        try:
            with tuned_gc():
                parts = await self._pipeline.run()
        finally:
            statistics = self._pipeline.statistics()
            has_caught_up = self._pipeline.has_caught_up
            self.rows_left = self._pipeline.is_owed_results or (self.rows_left and not has_caught_up)
        return WorkResult(parts, self._tally, statistics.pacer.throttles)

    def stop(self, reason: RunError) -> None:
        """Send nothing more, collect what the endpoint has while the grace lasts, then leave with `reason`."""
        self._pipeline.stop(reason)

    def look(self) -> Snapshot:
        """Return where the rows stand."""
        return snapshot(self._pipeline, self._source, self._tally, wanted=self._wanted)


def make_pacer(config: Config, *, leased: bool = False) -> Pacer:
    """Return what decides when requests are due.

    Args:
        config: Says the rates.
        leased: See `Pacer`.
    """
    pacing = config.pacing
    return Pacer(rate_per_s=pacing.rate, bytes_per_s=pacing.bytes_per_s, burst=pacing.burst, leased=leased)


async def build_pipeline(
    session: Session,
    run_id: str,
    *,
    parts: Path | None,
    source: Rows,
    queue: Queue | None,
    tally: Tally,
    folds: Sequence[Callable[[Outcome], None]] = (),
    journal: Journal | None = None,
    make_journal: Callable[[OpenRows], JournalWriter] | None = None,
    recovered: Recovered | None = None,
    deliver: Callable[[Outcome], None] | None = None,
    pacer: Pacer | None = None,
) -> Pipeline:
    """Return the engine that takes the rows of `source` to their end; nothing of it runs yet.

    Args:
        session: Where they are sent, and how.
        run_id: The run's id.
        parts: Directory of the part files; None if outcomes are delivered.
        source: The rows.
        queue: Where notifications arrive; None to find results by listing.
        tally: Counts the outcomes.
        folds: Take every outcome, too.
        journal: The open journal; None to keep none.
        make_journal: Makes what writes the journal, where that is not a file of this machine.
        recovered: What earlier processes of the run left behind.
        deliver: Takes each outcome at once; None to write part files.
        pacer: Decides when requests are due; by default one that goes by the configuration.

    Raises:
        RunError: The endpoint is not there, or rows cannot travel as configured.
    """
    return Pipeline(
        Wiring(
            settings=await session.engine_settings(run_id, parts=parts, notified=queue is not None),
            source=source,
            cloud=session.cloud,
            queue=queue,
            clock=session.clock,
            pacer=make_pacer(session.config) if pacer is None else pacer,
            check_endpoint=session.endpoint_check(),
            tally=tally,
            folds=folds,
            journal=journal,
            make_journal=make_journal,
            recovered=recovered,
            deliver=deliver,
            warn=session.warnings.warn,
        )
    )
