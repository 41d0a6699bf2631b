"""Runs one run to its end: opens its journal and its session, has its rows sent and collected, and finishes it."""

from __future__ import annotations

import functools
import logging
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import anyio.to_thread

from fanout.concurrency.clock import SystemClock, uptime_s
from fanout.config.shown import shown_settings
from fanout.engine.pacing import Pacer
from fanout.engine.snapshot import Observer, Quiet
from fanout.errors import Exit, InputError, RunError, StateLost, TooManyFailures
from fanout.failpoints import failpoint
from fanout.observability.logging import bind, bind_process, is_json
from fanout.observability.metrics.fold import Fold
from fanout.observability.versions import versions
from fanout.observability.warnings import WarningLog
from fanout.output.object_place import is_remote, object_place
from fanout.ports import Clock
from fanout.rundir.claim import Claim, Owner
from fanout.rundir.journal import Journal
from fanout.rundir.manifest import is_owed
from fanout.rundir.recovery import Recovered, recover
from fanout.runtime.claimed_invoker import ClaimedInvoker
from fanout.runtime.executor import Executor
from fanout.runtime.finish import prove_output
from fanout.runtime.in_process import InProcess, make_pacer
from fanout.runtime.monitoring import Monitor, monitoring
from fanout.runtime.object_claim import ObjectClaim
from fanout.runtime.result import FinishRun, RunResult
from fanout.runtime.run_journal import open_journal
from fanout.runtime.session import Session, open_session
from fanout.runtime.simulated import SimulatorAddress
from fanout.runtime.spec import RunSpec
from fanout.runtime.supervisor import Supervisor

if TYPE_CHECKING:
    from fanout.runtime.kept_place import KeptPlace

T = TypeVar("T")
_log = logging.getLogger(__name__)


def _tell_beginning(spec: RunSpec) -> None:
    """Begin a log that a machine reads with what this run is: programs, settings, directory."""
    if not is_json():  # the versions cost 20 ms
        return
    how = "goes on" if spec.begun else "begins"
    _log.info(
        "run %s %s, in %s",
        spec.run_id,
        how,
        spec.directory.path,
        extra={"versions": versions(), "settings": shown_settings(spec.config)},
    )


def _leaves_run(spec: RunSpec, journal: Journal | None, kept: KeptPlace | None) -> bool:
    """Whether a later start has to find the run as it is now: otherwise it has finished, or is removed as unused."""
    directory = spec.directory
    if not is_owed(directory, spec.config):
        return False
    if kept is not None:
        return spec.begun or not kept.has_sent_nothing
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
        slot: What a shard has to hold while it sends, where others wait for it; None if none do.
        pace: Says the rate of a shard, beside it, until it has ended; None where that is its configuration's.
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
        slot: ObjectClaim | None = None,
        pace: Callable[[Pacer, Clock], Coroutine[Any, Any, None]] | None = None,
    ) -> None:
        self._pace = pace
        self._spec = spec
        self._held = held
        self._slot = slot
        self._observer = observer or Quiet()
        self._executor = executor
        self._simulator = simulator
        self._fold = fold
        self._unused = False
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
        if spec.stripe is None:
            bind_process(spec.run_id)
            _tell_beginning(spec)
        try:
            with self._supervisor.listening(), WarningLog() as warnings, open_journal(spec) as journal:
                recovered = await self._recovered(journal)
                async with monitoring(spec, fold=self._fold, now=now, warn=warnings.warn) as monitor:
                    way = functools.partial(
                        self._way,
                        finish_run,
                        monitor=monitor,
                        warnings=warnings,
                        journal=journal,
                        recovered=recovered,
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
        if not spec.begun and (self._unused or not spec.directory.path.exists()):
            return spec.unsent(text)
        steps = {
            TooManyFailures: spec.after_failures,
            InputError: spec.exported,
            StateLost: spec.next_step,
        }
        step = steps.get(type(error), "")
        return f"{text}; {step}" if step else text

    async def _way(
        self,
        finish_run: FinishRun[T],
        *,
        monitor: Monitor,
        warnings: WarningLog,
        journal: Journal | None,
        recovered: Recovered,
    ) -> tuple[T, Exit]:
        """Have the rows sent and the run finished; return what came of it, with the exit code that it deserves."""
        opened = open_session(
            self._spec.config,
            clock=self._clock,
            warnings=warnings,
            simulator=self._simulator,
            deadline_at=self._deadline_at,
            chosen=self._spec.inputs,
            part=self._spec.part,
        )
        async with opened as session, self._kept(session, monitor) as kept:
            here = InProcess(
                self._spec,
                journal=journal,
                recovered=recovered if kept is None else kept.recovered,
                kept=kept,
                pacer=self._pacer(),
            )
            leaves_run = functools.partial(_leaves_run, self._spec, journal, kept)
            async with self._claimed(session, leaves_run):
                result = await self._result(session, self._executor or here, monitor)
                await session.close_queue()
                # What closing has left behind is in the summary, too.
                return await finish_run(result.warned(warnings.of_run), session), result.exit

    def _pacer(self) -> Pacer | None:
        """Return the pacer whose rate is said from elsewhere; None where the configuration says it."""
        if self._pace is None:
            return None
        pacer = make_pacer(self._spec.config, leased=True)
        self._supervisor.alongside(functools.partial(self._pace, pacer, self._clock))
        return pacer

    @asynccontextmanager
    async def _kept(self, session: Session, monitor: Monitor) -> AsyncIterator[KeptPlace | None]:
        """Own the run's place in S3 inside the block; None for a run that is kept on this machine."""
        if self._spec.place is None:
            yield None
            return
        from fanout.runtime.open_place import open_place

        async with open_place(self._spec, session) as kept:
            session.kept = kept
            for worker in kept.workers():
                self._supervisor.alongside(worker)
            try:
                yield kept
            except BaseException as error:
                # What stopped the run is known before a cancellation has brought it to the top.
                monitor.ended(self._supervisor.reason or error)
                raise
            else:
                monitor.ended(None)
            finally:
                self._unused = not self._spec.begun and kept.has_sent_nothing

    @asynccontextmanager
    async def _claimed(self, session: Session, leaves_run: Callable[[], bool]) -> AsyncIterator[None]:
        """Have the run's output to ourselves inside the block, if it is in S3; a shard's is its whole run's."""
        spec, path = self._spec, self._spec.config.output.path or ""
        if self._slot is not None:
            self._supervisor.alongside(self._slot.keep)
            session.cloud.invoker = ClaimedInvoker(session.cloud.invoker, self._slot)
        if spec.is_shard or not is_remote(path):
            yield
            return
        owner = Owner.here(spec.run_id, run_dir=spec.where, now=self._clock.now(), begun=spec.begun)
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
            if session.kept is not None:
                await session.kept.begin()
            failpoint("manifest.written")
        simulated = await session.is_simulated()
        warn = session.warnings.warn
        if not spec.is_shard:
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
