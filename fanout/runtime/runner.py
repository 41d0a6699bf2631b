"""Takes the rows of one run to their end: opens everything it needs, lets the engine run, here or in several processes.

A configuration and a run directory enter, an `RunResult` leaves for whoever concludes it; everything opened on the way
is closed here, whatever happens.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from typing import Any, TypeVar

import anyio.to_thread

from fanout.aws.session import AwsCloud, open_cloud
from fanout.concurrency.clock import SystemClock
from fanout.concurrency.interpreter import tuned_gc
from fanout.config.model import Config
from fanout.domain.row_ranges import Ranges
from fanout.engine.pacing import Pacer
from fanout.engine.pipeline import Pipeline
from fanout.engine.settings import EngineSettings
from fanout.engine.snapshot import Observer, Quiet, Snapshot, snapshot
from fanout.engine.wiring import Wiring
from fanout.errors import RunError, UsageError
from fanout.failpoints import failpoint
from fanout.observability.logging import bind, outcome_folds
from fanout.observability.metrics.exporting import Exporters, exporting
from fanout.observability.metrics.fold import Fold
from fanout.observability.status_file import FOLLOW_S, StatusFile
from fanout.observability.warnings import WarningLog
from fanout.output.parts import Part
from fanout.ports import Endpoint, Queue
from fanout.rundir.journal import Journal
from fanout.rundir.manifest import Manifest
from fanout.rundir.paths import RunDirectory
from fanout.rundir.recovery import Recovered, recover, recovered_tally
from fanout.runtime import settings as compose
from fanout.runtime.endpoint import discover, endpoint_check
from fanout.runtime.executor import Executor
from fanout.runtime.input import open_input
from fanout.runtime.result import FinishRun, RunResult
from fanout.runtime.run_queue import open_run_queue
from fanout.runtime.share import Assignment
from fanout.runtime.simulated import SimulatorAddress, local_aws
from fanout.runtime.supervisor import Supervisor, Work
from fanout.source.source import Source
from fanout.source.subset import Subset

T = TypeVar("T")
_log = logging.getLogger(__name__)


class Runner:
    """One run, or one shard of it, from its configuration to the end of its rows: what the steps of its way share.

    Args:
        run_id: The run's id.
        config: Its configuration, paths absolute.
        directory: Its directory; exists.
        rows: The rows to send, None for all.
        retry_of: The run whose rows these are.
        fingerprint: Of the input that `rows` were counted in.
        executor: Takes the shards of the run to their end; None if it has none and this process does it all.
        observer: Watches.
        assignment: What one of several processes of a run is to do; None for a run of its own.
        orders: Of the process that gave it: see `Supervisor`.
    """

    def __init__(
        self,
        run_id: str,
        config: Config,
        directory: RunDirectory,
        *,
        rows: Ranges | None,
        retry_of: str | None,
        observer: Observer | None,
        fingerprint: str | None = None,
        executor: Executor | None = None,
        assignment: Assignment | None = None,
        orders: Callable[[], AsyncIterator[str]] | None = None,
    ) -> None:
        self._config = config
        self._rows = rows
        self._retry_of = retry_of
        self._fingerprint = fingerprint
        self._observer = observer or Quiet()
        self._clock = SystemClock()
        self._started = self._clock.now()
        self._run_id = run_id
        self._warnings: list[str] = []
        self._directory = directory
        self._open_rows = False
        self._executor = executor
        self._assignment = assignment
        self._stripe = assignment.stripe if assignment is not None else None
        self._orders = orders
        self._fold = Fold() if assignment is not None and assignment.counts else None
        self._status_file = StatusFile(directory.status, run_id=run_id, now=self._clock.now)
        if assignment is not None:
            self._status_file = StatusFile(
                directory.status, run_id=run_id, now=self._clock.now, every_s=FOLLOW_S, more=self._counted
            )
        self._exporters = Exporters()

    async def go(self, *, manifest: Manifest | None, finish_run: FinishRun[T]) -> T:
        """Take the run's rows to their end and return what `finish_run` makes of them, on a thread.

        Args:
            manifest: That of an earlier process of the run, None for a new run.
            finish_run: Writes what is to be found in the end.

        Raises:
            RunError: The run could not be finished; its message names the next step.
        """
        config, directory = self._config, self._directory
        bind(self._run_id)
        journal = Journal(directory.journal, must_exist=manifest is not None) if config.run.journal else None
        failpoint("journal.opened")
        try:
            recovered = Recovered()
            if journal is not None and manifest is None and not journal.is_empty():
                raise UsageError(
                    f"{directory.path} holds a run whose run.json is gone: name another directory"
                )
            if journal is not None and manifest is not None:
                journal.check()
                if self._executor is not None:
                    self._executor.check_free()
                recovered = await anyio.to_thread.run_sync(recover, journal, directory.parts)
            return await self._observed(manifest, journal, recovered, finish_run=finish_run)
        finally:
            if journal is not None:
                unused = journal.is_empty()
                journal.close()
                finished = directory.summary.exists() or directory.subtotal.exists()
                if unused and manifest is None and not finished:
                    directory.remove_if_unused()

    async def _observed(
        self,
        manifest: Manifest | None,
        journal: Journal | None,
        recovered: Recovered,
        *,
        finish_run: FinishRun[T],
    ) -> T:
        """Go, and tell the metrics and `status.json` how it ended."""
        try:
            async with exporting(self._config, now=self._clock.now, warn=self._warn) as self._exporters:
                self._fold = self._fold or self._exporters.fold
                ended = await self._go(manifest, journal, recovered)
                result = await anyio.to_thread.run_sync(finish_run, ended, self._clock.now)
                self._exporters.completed(ended.exit, now=self._clock.now())
        except BaseException as error:
            self._status_file.stopped(str(error) if isinstance(error, RunError) else type(error).__name__)
            raise
        self._status_file.finished()
        return result

    async def _go(
        self, manifest: Manifest | None, journal: Journal | None, recovered: Recovered
    ) -> RunResult:
        """Open what the run stands on, and take its rows to their end."""
        config = self._config
        self._open_rows = bool(
            recovered.open
        )  # a resume that fails early leaves the earlier process's queue alone
        async with AsyncExitStack() as stack:
            warning_log = stack.enter_context(WarningLog())
            simulator = self._assignment.simulator if self._assignment else None
            if self._assignment is None:
                simulator = await stack.enter_async_context(local_aws(config))
            cloud = await stack.enter_async_context(open_cloud(compose.aws_settings(config, simulator)))
            source = await self._source(cloud)
            stack.push_async_callback(source.aclose)
            name = (
                simulator.endpoint
                if simulator
                else compose.required(config.endpoint.name, "no endpoint: name it with --endpoint")
            )
            self._check_manifest(manifest, source, name)
            endpoint = await discover(cloud.control, name)
            result = functools.partial(
                RunResult,
                run_id=self._run_id,
                config=config,
                directory=self._directory,
                endpoint=name,
                passthrough_schema=source.passthrough_schema,
                whole=self._rows is None,
                started_at=self._started,
                simulated=endpoint.simulated if endpoint else simulator is not None,
            )
            if self._executor is not None:
                self._executor.prepare(
                    simulator=simulator, fold=self._fold, warning_log=warning_log, next_step=self._next_step()
                )
                return await self._together(result, self._executor)
            queue = await stack.enter_async_context(
                open_run_queue(
                    cloud,
                    endpoint,
                    config.collect,
                    run_id=self._run_id,
                    warn=self._warn,
                    resumable=lambda: journal is not None and self._open_rows,
                )
            )
            return await self._alone(
                result,
                job=await self._job(name, endpoint, cloud, simulator, notified=queue is not None),
                source=source,
                cloud=cloud,
                queue=queue,
                journal=journal,
                recovered=recovered,
            )

    async def _alone(
        self,
        result: Callable[..., RunResult],
        *,
        job: EngineSettings,
        source: Source,
        cloud: AwsCloud,
        queue: Queue | None,
        journal: Journal | None,
        recovered: Recovered,
    ) -> RunResult:
        """Take the rows to their end in this process."""
        tally = await anyio.to_thread.run_sync(recovered_tally, recovered)
        wanted = self._rows if self._rows is not None else self._stripe
        subset = Subset(source, wanted) if wanted is not None else None
        stages = Wiring(
            job=job,
            source=subset or source,
            cloud=cloud,
            queue=queue,
            clock=self._clock,
            pacer=Pacer(
                rate_per_s=self._config.pacing.rate,
                bytes_per_s=self._config.pacing.bytes_per_s,
                burst=self._config.pacing.burst,
            ),
            check_endpoint=endpoint_check(cloud.control, job.endpoint, clock=self._clock),
            tally=tally,
            folds=(*((self._fold.add,) if self._fold is not None else ()), *outcome_folds()),
            journal=journal,
            recovered=recovered,
        )
        pipeline = Pipeline(stages)
        count = subset.count if subset is not None else lambda rows: rows
        look = functools.partial(snapshot, pipeline, source, tally, wanted=count)
        try:
            with tuned_gc():
                parts = await self._watched(pipeline, look)
        finally:
            self._open_rows = pipeline.statistics().open_rows.open > 0
        throttles = pipeline.statistics().pacer.throttles
        return result(parts=parts, tally=tally, throttles=throttles, warnings=tuple(self._warnings))

    async def _together(self, result: Callable[..., RunResult], executor: Executor) -> RunResult:
        """Take the rows to their end in several processes."""
        parts = await self._watched(executor, executor.look)
        subtotal = executor.subtotal()
        warnings = tuple(dict.fromkeys((*self._warnings, *subtotal.warnings)))
        return result(parts=parts, tally=subtotal.tally, throttles=subtotal.throttles, warnings=warnings)

    async def _source(self, cloud: AwsCloud) -> Source:
        source = await open_input(self._config, cloud)
        for text in source.warnings:
            self._warn(text)
        if self._executor is not None and any(file.streamed for file in source.inputs):
            raise UsageError(
                "a pipe can be read once, and each of several processes reads the whole input: "
                "write it to a file first, or leave out --processes"
            )
        return source

    def _check_manifest(self, manifest: Manifest | None, source: Source, endpoint: str) -> None:
        """Compare the input with that of the run, or write down what it is, before anything is sent."""
        if manifest is None:
            fingerprint = source.fingerprint()
            if self._fingerprint is not None and self._fingerprint != fingerprint:
                raise UsageError(
                    "the input has changed since the earlier run: its rows could not be told apart"
                )
            mine = Manifest(
                self._run_id,
                self._config,
                fingerprint,
                endpoint,
                rows=self._rows,
                retry_of=self._retry_of,
                stripe=self._stripe,
            )
            mine.write(self._directory.manifest)
            failpoint("manifest.written")
        elif "-" in self._config.input.paths:
            raise UsageError("standard input cannot be read again: `fanout export` writes what this run has")
        elif manifest.fingerprint != source.fingerprint():
            raise UsageError(
                "the input has changed since the run began (a file's size or time, or which files there are): "
                "put it back, or start a new run"
            )

    async def _job(
        self,
        name: str,
        endpoint: Endpoint | None,
        cloud: AwsCloud,
        simulator: SimulatorAddress | None,
        *,
        notified: bool,
    ) -> EngineSettings:
        config = self._config
        inline = await cloud.control.supports_inline()
        if not inline and config.transport.mode == "inline":
            raise RunError(f"inline payloads are not available in {cloud.region}: use --transport auto")
        if not inline and config.transport.mode == "auto":
            self._warn(f"inline payloads are not available in {cloud.region}: every payload goes via S3")
        return compose.job(
            config,
            self._run_id,
            name=name,
            endpoint=endpoint,
            routing=compose.routing(config, self._run_id, inline=inline, simulator=simulator),
            parts=self._directory.parts,
            notified=notified,
        )

    async def _watched(self, work: Work[list[Part]], look: Callable[[], Snapshot]) -> list[Part]:
        """Do the work under the eyes of the observers, of the signals and of the deadline."""
        settings = self._config.run
        watch = Supervisor(
            observers=(self._observer, self._status_file, *self._exporters.observers),
            look=look,
            clock=self._clock,
            deadline_at=None if settings.deadline_s is None else self._started + settings.deadline_s,
            grace_s=settings.grace_s,
            next_step=self._next_step(),
            orders=self._orders,
        )
        return await watch.over(work)

    def _next_step(self) -> str:
        directory = self._directory.whole if self._assignment is not None else self._directory
        path = directory.path
        if not self._config.run.journal:
            return "it kept no journal and cannot be resumed: start a new run"
        if self._config.local.enabled:
            return f"the local AWS ends with it; `fanout export {path} -o FILE` writes what it has"
        if "-" in self._config.input.paths:
            return f"standard input cannot be read again; `fanout export {path} -o FILE` writes what there is"
        return f"`fanout resume {path}` goes on"

    def _counted(self) -> dict[str, Any]:
        return {"counted": self._fold.dump()} if self._fold is not None else {}

    def _warn(self, text: str) -> None:
        self._warnings.append(text)
        _log.warning("%s", text)
