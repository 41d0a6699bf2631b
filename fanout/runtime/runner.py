"""Runs one run to its end: opens its journal and its session, has its rows sent and collected, and finishes it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import TypeVar

import anyio.to_thread

from fanout.concurrency.clock import SystemClock
from fanout.engine.snapshot import Observer, Quiet
from fanout.failpoints import failpoint
from fanout.observability.logging import bind
from fanout.observability.metrics.fold import Fold
from fanout.observability.warnings import WarningLog
from fanout.rundir.journal import Journal
from fanout.rundir.recovery import Recovered, recover
from fanout.runtime.executor import Executor
from fanout.runtime.finish import prove_output
from fanout.runtime.in_process import InProcess
from fanout.runtime.monitoring import Monitor, monitoring
from fanout.runtime.result import FinishRun, RunResult, WorkResult
from fanout.runtime.run_journal import open_journal
from fanout.runtime.session import Session, open_session
from fanout.runtime.simulated import SimulatorAddress
from fanout.runtime.spec import RunSpec
from fanout.runtime.supervisor import Supervisor, Work

T = TypeVar("T")


class Runner:
    """One run, or one shard of it.

    Args:
        spec: The run.
        observer: Watches, for a person.
        executor: Has the rows sent elsewhere; by default this process sends them.
        simulator: The local AWS of the process that started this one, None if there is none.
        fold: Counts the outcomes of a shard for the process that started it, None if it does not ask.
        orders: Of that process: see `Supervisor`.
    """

    def __init__(
        self,
        spec: RunSpec,
        *,
        observer: Observer | None = None,
        executor: Executor | None = None,
        simulator: SimulatorAddress | None = None,
        fold: Fold | None = None,
        orders: Callable[[], AsyncIterator[str]] | None = None,
    ) -> None:
        self._spec = spec
        self._observer = observer or Quiet()
        self._executor = executor
        self._simulator = simulator
        self._fold = fold
        self._orders = orders
        self._clock = SystemClock()
        self._started = self._clock.now()
        within_s = spec.config.run.deadline_s
        self._deadline_at = None if within_s is None else self._started + within_s

    async def run(self, finish_run: FinishRun[T]) -> T:
        """Take the run's rows to their end and return what `finish_run` makes of them.

        Raises:
            RunError: The run could not be finished; its message names the next step.
        """
        bind(self._spec.run_id)
        now = self._clock.now
        with WarningLog() as warnings, open_journal(self._spec) as journal:
            recovered = await self._recovered(journal)
            async with monitoring(self._spec, fold=self._fold, now=now, warn=warnings.warn) as monitor:
                here = InProcess(self._spec, journal=journal, recovered=recovered)
                async with open_session(
                    self._spec.config,
                    clock=self._clock,
                    warnings=warnings,
                    simulator=self._simulator,
                    deadline_at=self._deadline_at,
                ) as session:
                    result = await self._result(session, self._executor or here, monitor)
                    await session.close_queue()
                    # What closing has left behind is in the summary, too.
                    finished = await finish_run(result.warned(warnings.of_run), session)
                monitor.completed(result.exit)
        return finished

    async def _recovered(self, journal: Journal | None) -> Recovered:
        """Return what earlier processes of the run left behind."""
        if journal is None or not self._spec.begun:
            return Recovered()
        if self._executor is not None:
            self._executor.check_free()
        return await anyio.to_thread.run_sync(recover, journal, self._spec.directory.parts)

    async def _result(self, session: Session, executor: Executor, monitor: Monitor) -> RunResult:
        """Check endpoint and input, do the run's work, and return what came of it."""
        spec = self._spec
        source = await session.source()
        name, fingerprint = session.endpoint_name, source.fingerprint()
        spec.check_input(fingerprint)
        if not spec.begun:
            spec.manifest(fingerprint=fingerprint, endpoint=name).write(spec.directory.manifest)
            failpoint("manifest.written")
        simulated = await session.is_simulated()
        if spec.stripe is None:
            await prove_output(session, spec.config, run_id=spec.run_id)
        work = await executor.prepare(session, fold=monitor.fold)
        ended = await self._supervised(work, monitor)
        return RunResult(
            run_id=spec.run_id,
            config=spec.config,
            directory=spec.directory,
            endpoint=name,
            parts=ended.parts,
            passthrough_schema=source.passthrough_schema,
            whole=spec.rows is None,
            tally=ended.tally,
            throttles=ended.throttles,
            started_at=self._started,
            simulated=simulated,
            warnings=tuple(dict.fromkeys((*session.warnings.of_run, *ended.warnings))),
        )

    async def _supervised(self, work: Work[WorkResult], monitor: Monitor) -> WorkResult:
        """Do the work while observers watch; a signal or the deadline stops it."""
        supervisor = Supervisor(
            observers=(self._observer, *monitor.observers),
            clock=self._clock,
            deadline_at=self._deadline_at,
            grace_s=self._spec.config.run.grace_s,
            next_step=self._spec.next_step,
            orders=self._orders,
        )
        return await supervisor.run(work)
