"""Takes one run to its summary: opens everything it needs, lets the pipeline run, writes the output.

A configuration and a run directory enter, a `Summary` and an output file leave; everything opened on the way is
closed here, whatever happens.
"""

from __future__ import annotations

import functools
import logging
import shutil
from collections.abc import Sequence
from contextlib import AsyncExitStack

import anyio.to_thread

from fanout import compose
from fanout.aws.filesystem import input_filesystem
from fanout.aws.session import AwsCloud, open_cloud
from fanout.clock import SystemClock
from fanout.config import Config
from fanout.endpoint import discover, endpoint_check
from fanout.errors import RunError, UsageError
from fanout.failpoints import failpoint
from fanout.heartbeat import Heartbeat
from fanout.job import Job
from fanout.journal import Journal
from fanout.local import Ready, local_aws
from fanout.logs import bind, outcome_folds
from fanout.mailbox import listening
from fanout.memory import give_back
from fanout.metrics import Exporters, exporting
from fanout.output import finish
from fanout.output.parts import Part
from fanout.pacing import Pacer
from fanout.pipeline import Pipeline
from fanout.ports import Endpoint
from fanout.progress import Observer, Quiet, Snapshot
from fanout.recover import Recovered, recover, recovered_tally
from fanout.rundir import Manifest, RunDirectory
from fanout.source import Source, open_source
from fanout.subset import Ranges, Subset
from fanout.summary import Summary, summarize, write_summary
from fanout.tally import Tally
from fanout.watch import Watch

_log = logging.getLogger(__name__)


class Conductor:
    """One run, from its configuration to its summary: what the steps of its way share.

    Args:
        run: The run's id.
        config: Its configuration, paths absolute.
        directory: Its directory; exists.
        rows: The rows to send, None for all.
        retry_of: The run whose rows these are.
        fingerprint: Of the input that `rows` were counted in.
        observer: Watches.
    """

    def __init__(
        self,
        run: str,
        config: Config,
        directory: RunDirectory,
        *,
        rows: Ranges | None,
        retry_of: str | None,
        observer: Observer | None,
        fingerprint: str | None = None,
    ) -> None:
        self._config = config
        self._rows = rows
        self._retry_of = retry_of
        self._fingerprint = fingerprint
        self._observer = observer or Quiet()
        self._clock = SystemClock()
        self._started = self._clock.now()
        self._id = run
        self._warnings: list[str] = []
        self._output = config.output.path or ""
        self._directory = directory
        self._open_rows = False
        self._heartbeat = Heartbeat(directory.status, run=run, now=self._clock.now)
        self._exporters = Exporters()

    async def go(self, *, manifest: Manifest | None) -> Summary:
        """Take the run to its summary; `manifest` is that of an earlier process, None for a new run.

        Raises:
            RunError: The run could not be finished; its message names the next step.
        """
        config, directory = self._config, self._directory
        bind(self._id)
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
                recovered = await anyio.to_thread.run_sync(recover, journal, directory.parts)
            return await self._told(manifest, journal, recovered)
        finally:
            if journal is not None:
                unused = journal.is_empty()
                journal.close()
                if unused and manifest is None and not directory.summary.exists():
                    directory.remove_if_unused()

    async def _told(
        self, manifest: Manifest | None, journal: Journal | None, recovered: Recovered
    ) -> Summary:
        """Go, and tell the metrics and `status.json` how it ended."""
        try:
            async with exporting(self._config, now=self._clock.now, warn=self._warn) as self._exporters:
                summary = await self._go(manifest, journal, recovered)
                self._exporters.completed(summary.exit, now=self._clock.now())
        except BaseException as error:
            self._heartbeat.stopped(str(error) if isinstance(error, RunError) else type(error).__name__)
            raise
        self._heartbeat.finished()
        return summary

    async def _go(self, manifest: Manifest | None, journal: Journal | None, recovered: Recovered) -> Summary:
        config = self._config
        self._open_rows = bool(
            recovered.open
        )  # a resume that fails early leaves the earlier process's queue alone
        async with AsyncExitStack() as stack:
            ready = await stack.enter_async_context(local_aws(config))
            cloud = await stack.enter_async_context(open_cloud(compose.aws_settings(config, ready)))
            source = await self._source(cloud)
            stack.push_async_callback(source.aclose)
            name = (
                ready.endpoint
                if ready
                else required(config.endpoint.name, "no endpoint: name it with --endpoint")
            )
            self._check_manifest(manifest, source, name)
            endpoint = await discover(cloud.control, name)
            queue = await stack.enter_async_context(
                listening(
                    cloud,
                    endpoint,
                    config.collect,
                    run=self._id,
                    warn=self._warn,
                    resumable=lambda: journal is not None and self._open_rows,
                )
            )
            tally = await anyio.to_thread.run_sync(recovered_tally, recovered)
            pipeline = Pipeline(
                job=await self._job(name, endpoint, cloud, ready, notified=queue is not None),
                source=source if self._rows is None else Subset(source, self._rows),
                cloud=cloud,
                queue=queue,
                clock=self._clock,
                pacer=Pacer(
                    rate_per_s=config.pacing.rate,
                    bytes_per_s=config.pacing.bytes_per_s,
                    burst=config.pacing.burst,
                ),
                check_endpoint=endpoint_check(cloud.control, name, clock=self._clock),
                tally=tally,
                folds=(*self._exporters.folds, *outcome_folds()),
                journal=journal,
                recovered=recovered,
            )
            parts = await self._watched(pipeline, source, tally)
        return await self._finish(parts, pipeline, source, tally, endpoint=name, simulated=ready is not None)

    async def _source(self, cloud: AwsCloud) -> Source:
        settings = compose.input_settings(self._config)
        filesystem = None
        if any(path.startswith("s3://") for path in settings.paths):
            filesystem = await input_filesystem(cloud)
        make = functools.partial(
            open_source, settings, compose.selection(self._config), filesystem=filesystem
        )
        return await anyio.to_thread.run_sync(make)

    def _check_manifest(self, manifest: Manifest | None, source: Source, endpoint: str) -> None:
        """Compare the input with that of the run, or write down what it is, before anything is sent."""
        if manifest is None:
            fingerprint = source.fingerprint()
            if self._fingerprint is not None and self._fingerprint != fingerprint:
                raise UsageError(
                    "the input has changed since the earlier run: its rows could not be told apart"
                )
            mine = Manifest(
                self._id, self._config, fingerprint, endpoint, rows=self._rows, retry_of=self._retry_of
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
        self, name: str, endpoint: Endpoint | None, cloud: AwsCloud, ready: Ready | None, *, notified: bool
    ) -> Job:
        config = self._config
        inline = await cloud.control.supports_inline()
        if not inline and config.transport.mode == "inline":
            raise RunError(f"inline payloads are not available in {cloud.region}: use --transport auto")
        if not inline and config.transport.mode == "auto":
            self._warn(f"inline payloads are not available in {cloud.region}: every payload goes by S3")
        return Job(
            run=self._id,
            endpoint=name,
            output_path=endpoint.output_path if endpoint else None,
            failure_path=endpoint.failure_path if endpoint else None,
            routing=compose.routing(config, self._id, inline=inline, ready=ready),
            parts=self._directory.parts,
            limits=compose.limits(config),
            patience=compose.patience(config, notified=notified),
            retry=compose.model_retry(config),
            shared_queue=config.collect.queue_url is not None,
            trust_responses=config.collect.trust_responses,
            keep_inputs=config.transport.keep_inputs,
            seed=config.run.seed,
        )

    async def _watched(self, pipeline: Pipeline, source: Source, tally: Tally) -> list[Part]:
        """Run the pipeline under the eyes of the observers, of the signals and of the deadline."""
        settings = self._config.run
        watch = Watch(
            observers=(self._observer, self._heartbeat, *self._exporters.observers),
            look=lambda: snapshot(pipeline, source, tally),
            clock=self._clock,
            deadline_at=None if settings.deadline_s is None else self._started + settings.deadline_s,
            grace_s=settings.grace_s,
            way_on=self._way_on(),
        )
        try:
            return await watch.over(pipeline)
        finally:
            self._open_rows = pipeline.statistics().ledger.open > 0

    def _way_on(self) -> str:
        path = self._directory.path
        if not self._config.run.journal:
            return "it kept no journal and cannot be resumed: start a new run"
        if self._config.local.enabled:
            return f"the local AWS ends with it; `fanout export {path} -o FILE` writes what it has"
        return f"`fanout resume {path}` goes on"

    async def _finish(
        self,
        parts: Sequence[Part],
        pipeline: Pipeline,
        source: Source,
        tally: Tally,
        *,
        endpoint: str,
        simulated: bool,
    ) -> Summary:
        await anyio.to_thread.run_sync(give_back)
        finished = await anyio.to_thread.run_sync(
            functools.partial(
                finish,
                parts,
                self._output,
                run=self._id,
                kept_schema=source.kept_schema,
                expected_rows=tally.rows if self._rows is None else None,
                metadata={
                    "fanout:endpoint": endpoint,
                    "fanout:simulated": str(simulated).lower(),
                    "fanout:throttles": str(pipeline.statistics().pacer.throttles),
                },
                overwrite=self._config.output.overwrite,
            )
        )
        summary = await anyio.to_thread.run_sync(
            functools.partial(
                summarize,
                run=self._id,
                endpoint=endpoint,
                output=self._output,
                run_dir=self._directory.path,
                output_bytes=finished.size_bytes,
                tally=tally,
                statistics=pipeline.statistics(),
                started_at=self._started,
                seconds=self._clock.now() - self._started,
                simulated=simulated,
                warnings=tuple(self._warnings),
            )
        )
        write_summary(summary, self._directory.summary)
        failpoint("summary.written")
        if not self._config.run.keep_dir:  # the output holds every row of them
            remove = functools.partial(shutil.rmtree, self._directory.parts, ignore_errors=True)
            await anyio.to_thread.run_sync(remove)
        return summary

    def _warn(self, text: str) -> None:
        self._warnings.append(text)
        _log.warning("%s", text)


def snapshot(pipeline: Pipeline, source: Source, tally: Tally) -> Snapshot:
    """Return where the run stands, for a person."""
    statistics, read = pipeline.statistics(), source.statistics()
    ledger = statistics.ledger
    return Snapshot(
        ended=tally.rows,
        succeeded=tally.by_status["succeeded"],
        total=source.total_rows(),
        share=read.bytes_read / read.bytes_total if read.bytes_total else None,
        in_flight=ledger.in_flight,
        accepted=ledger.accepted,
        throttles=statistics.pacer.throttles,
        resends=ledger.resends,
        rate_limit_per_s=statistics.pacer.rate_per_s,
        note=f"{ledger.unknown:,} of unknown fate" if ledger.unknown else "",
        read=read.rows,
        statistics=statistics,
    )


def required(value: str | None, otherwise: str) -> str:
    """Return `value`.

    Raises:
        UsageError: There is none; says `otherwise`.
    """
    if not value:
        raise UsageError(otherwise)
    return value
