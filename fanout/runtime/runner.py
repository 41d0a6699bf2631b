"""Runs one run to its end: opens its journal and its session, has its rows sent and collected, and finishes it."""

from __future__ import annotations

import functools
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

import anyio.to_thread

from fanout.concurrency.clock import SystemClock, uptime_s
from fanout.engine.snapshot import Observer, Quiet
from fanout.errors import Exit, InputError, RunError, TooManyFailures
from fanout.failpoints import failpoint
from fanout.observability.logging import bind
from fanout.observability.metrics.fold import Fold
from fanout.observability.warnings import WarningLog
from fanout.output.object_place import is_remote, object_place
from fanout.rundir.claim import Claim, Owner
from fanout.rundir.journal import Journal
from fanout.rundir.manifest import is_owed
from fanout.rundir.recovery import Recovered, recover
from fanout.runtime.executor import Executor
from fanout.runtime.finish import prove_output
from fanout.runtime.in_process import InProcess
from fanout.runtime.monitoring import Monitor, monitoring
from fanout.runtime.object_claim import ClaimedInvoker, ObjectClaim
from fanout.runtime.result import FinishRun, RunResult
from fanout.runtime.run_journal import open_journal
from fanout.runtime.session import Session, open_session
from fanout.runtime.simulated import SimulatorAddress
from fanout.runtime.spec import RunSpec
from fanout.runtime.supervisor import Supervisor

T = TypeVar("T")


def _leaves_run(spec: RunSpec, journal: Journal | None) -> bool:
    """Whether a later start has to find the run as it is now: otherwise it has finished, or is removed as unused."""
    directory = spec.directory
    if not is_owed(directory, spec.config):
        return False
    return spec.begun or journal is None or directory.has_shards or not journal.has_sent_nothing()


class Runner:
    """One run, or one shard of it.

    Args:
        spec: The run.
        observer: Watches, for a person.
        executor: Has the rows sent elsewhere; by default this process sends them.
        simulator: The local AWS of the process that started this one, None if there is none.
        fold: Counts the outcomes of a shard for the process that started it, None if it does not ask.
        orders: Of that process: see `Supervisor`.
        held: The claim of an output on this machine; None for a shard, and for an output in S3.
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
        held: Claim | None = None,
    ) -> None:
        self._spec = spec
        self._held = held
        self._observer = observer or Quiet()
        self._executor = executor
        self._simulator = simulator
        self._fold = fold
        self._clock = SystemClock()
        self._started = self._clock.now()
        settings = spec.config.run
        self._deadline_at = None if settings.deadline_s is None else self._started + settings.deadline_s
        self._supervisor = Supervisor(
            clock=self._clock,
            deadline_at=self._deadline_at,
            grace_s=settings.grace_s,
            next_step=spec.next_step,
            orders=orders,
        )

    async def run(self, finish_run: FinishRun[T]) -> T:
        """Take the run's rows to their end and return what `finish_run` makes of them.

        Raises:
            RunError: The run could not be finished; its message names the next step.
        """
        spec, now = self._spec, self._clock.now
        bind(spec.run_id)
        try:
            with self._supervisor.listening(), WarningLog() as warnings, open_journal(spec) as journal:
                recovered = await self._recovered(journal)
                async with monitoring(spec, fold=self._fold, now=now, warn=warnings.warn) as monitor:
                    way = functools.partial(
                        self._way,
                        finish_run,
                        monitor=monitor,
                        warnings=warnings,
                        here=InProcess(spec, journal=journal, recovered=recovered),
                        leaves_run=functools.partial(_leaves_run, spec, journal),
                    )
                    finished, code = await self._supervisor.run(way)
                    monitor.completed(code)
        except RunError as error:
            error.args = (self._with_next_step(error),)
            raise
        return finished

    def _with_next_step(self, error: RunError) -> str:
        """Return the text of an error with what a person can do about this run, which is closed by now."""
        spec, text = self._spec, str(error)
        if not spec.begun and not spec.directory.path.exists():
            return spec.unsent(text)
        steps = {TooManyFailures: spec.after_failures, InputError: spec.exported}
        step = steps.get(type(error), "")
        return f"{text}; {step}" if step else text

    async def _way(
        self,
        finish_run: FinishRun[T],
        *,
        monitor: Monitor,
        warnings: WarningLog,
        here: InProcess,
        leaves_run: Callable[[], bool],
    ) -> tuple[T, Exit]:
        """Have the rows sent and the run finished; return what came of it, with the exit code that it deserves."""
        opened = open_session(
            self._spec.config,
            clock=self._clock,
            warnings=warnings,
            simulator=self._simulator,
            deadline_at=self._deadline_at,
            chosen=self._spec.inputs,
        )
        async with opened as session, self._claimed(session, leaves_run):
            result = await self._result(session, self._executor or here, monitor)
            await session.close_queue()
            # What closing has left behind is in the summary, too.
            return await finish_run(result.warned(warnings.of_run), session), result.exit

    @asynccontextmanager
    async def _claimed(self, session: Session, leaves_run: Callable[[], bool]) -> AsyncIterator[None]:
        """Have the run's output to ourselves inside the block, if it is in S3; a shard's is its whole run's."""
        spec, path = self._spec, self._spec.config.output.path or ""
        if spec.stripe is not None or not is_remote(path):
            yield
            return
        owner = Owner.here(spec.run_id, run_dir=spec.directory.path, now=self._clock.now(), begun=spec.begun)
        claim = ObjectClaim(
            session.cloud.objects, object_place(path), owner=owner, clock=self._clock, uptime=uptime_s
        )
        await claim.take()
        try:
            self._supervisor.alongside(claim.keep)
            session.claim, session.cloud.invoker = claim, ClaimedInvoker(session.cloud.invoker, claim)
            yield
        finally:
            await claim.release("stopped" if leaves_run() else "released")

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
        for claim in (self._held, session.claim):
            if claim is not None:
                await claim.begin()
        if not spec.begun:
            spec.manifest(fingerprint=fingerprint, endpoint=name).write(spec.directory.manifest)
            failpoint("manifest.written")
        simulated = await session.is_simulated()
        warn = session.warnings.warn
        if spec.stripe is None:
            await prove_output(session, spec.config, run_id=spec.run_id, directory=spec.directory, warn=warn)
        work = await executor.prepare(session, fold=monitor.fold)
        ended = await self._supervisor.attend(work, (self._observer, *monitor.observers))
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
