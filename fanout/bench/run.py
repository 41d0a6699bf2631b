"""Carries out the experiment on the engine that `run` uses: a configuration enters, an output file and facts leave.

Everything opened on the way is closed here. A signal ends the arrivals; what is under way is collected, and the
report is of what there is.
"""

from __future__ import annotations

import functools
import json
import logging
import shutil
import signal
import tempfile
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass
from pathlib import Path

import anyio
import anyio.to_thread

from fanout.aws.session import AwsCloud, open_cloud
from fanout.bench.arrivals import Arrivals
from fanout.bench.early_stop import PairTally
from fanout.bench.loop_watch import LoopWatch
from fanout.bench.payloads import Dataset, Made, Payloads
from fanout.bench.plan import Plan
from fanout.bench.settings import FILE, plan_of, run_config
from fanout.concurrency.clock import SystemClock
from fanout.config.model import Config
from fanout.domain.ids import new_run
from fanout.engine.pacing import Pacer
from fanout.engine.pipeline import Pipeline
from fanout.engine.settings import EngineSettings
from fanout.engine.snapshot import Observer, Snapshot
from fanout.engine.wiring import Wiring
from fanout.errors import Interrupted, RunError, UsageError, root_cause
from fanout.output.finish import finish
from fanout.output.parts import Part
from fanout.ports import Endpoint
from fanout.runtime import settings as compose
from fanout.runtime.endpoint import discover, endpoint_check
from fanout.runtime.input import open_input
from fanout.runtime.run_queue import open_run_queue
from fanout.runtime.simulated import SimulatorAddress, local_aws

_log = logging.getLogger(__name__)
SIGNALS = (signal.SIGINT, signal.SIGTERM)
BENCH_KEY = "fanout:bench"
"""Metadata of the output file: the plan, as JSON; `report` knows an experiment by it."""


@dataclass(frozen=True, slots=True)
class BenchResult:
    """What an experiment left behind, beside its file.

    Attributes:
        output: The Parquet file: every request, warm-up included.
        lags_ms: How late the event loop was, look by look.
        stopped: Why it ended before its plan did; None if it did not.
        interrupted: A signal was why.
        skipped: Rows of the dataset that could not go both ways, by reason.
        warnings: What a reader should know.
    """

    run_id: str
    endpoint: str
    region: str
    output: Path
    plan: Plan
    lags_ms: tuple[float, ...]
    throttles: int
    errors: Mapping[str, int]
    stopped: str | None
    interrupted: bool
    skipped: Mapping[str, int]
    simulated: bool
    started_at: float
    seconds: float
    warnings: tuple[str, ...]


async def run_bench(config: Config, directory: Path, *, seed: int, observer: Observer) -> BenchResult:
    """Carry out the experiment and write its output file into `directory`, which exists.

    Raises:
        UsageError: A plan that cannot be carried out.
        RunError: It could not be finished; the message names the next step.
    """
    plan = plan_of(config, seed=seed)
    output = directory / FILE
    config = run_config(compose.absolute(config), output=output, seed=seed)
    # Parts are as confidential as the output: a directory that only we may read, on the same disk.
    try:
        parts = Path(tempfile.mkdtemp(prefix=".parts-", dir=directory))
    except OSError as error:
        raise UsageError(f"{directory} cannot be written to ({error.strerror}): choose another -o") from error
    try:
        return await _Bench(config, plan, output=output, parts=parts, observer=observer).go()
    finally:
        shutil.rmtree(parts, ignore_errors=True)


class _Bench:
    """One experiment: what the steps of its way share."""

    def __init__(self, config: Config, plan: Plan, *, output: Path, parts: Path, observer: Observer) -> None:
        self._config = config
        self._plan = plan
        self._output = output
        self._parts = parts
        self._observer = observer
        self._run_id = new_run()
        self._clock = SystemClock()
        self._loop = LoopWatch(self._clock)
        self._stopped: str | None = None
        self._interrupted = False
        self._warnings: list[str] = []

    async def go(self) -> BenchResult:
        config, clock = self._config, self._clock
        started = clock.now()
        async with AsyncExitStack() as stack:
            simulator = await stack.enter_async_context(local_aws(config))
            cloud = await stack.enter_async_context(open_cloud(compose.aws_settings(config, simulator)))
            name = simulator.endpoint if simulator else config.endpoint.name
            if not name:
                raise UsageError("no endpoint: name it with --endpoint, or try --local")
            endpoint = await discover(cloud.control, name, clock=self._clock)
            simulated = endpoint.simulated if endpoint else simulator is not None
            if endpoint is not None and endpoint.instances == 0:
                self._warn("the endpoint had no instance at the start: its service times hold a cold start")
            queue = await stack.enter_async_context(
                open_run_queue(
                    cloud,
                    endpoint,
                    config.collect,
                    run_id=self._run_id,
                    warn=self._warn,
                    resumable=lambda: False,
                )
            )
            payloads = await self._payloads(cloud)
            arrivals = Arrivals(self._plan, payloads, clock=clock, closed=config.bench.closed is not None)

            def enough() -> None:
                self._stopped = f"every size was known to within {config.bench.until_ms:g} ms"
                arrivals.end()

            tally = PairTally(until_ms=config.bench.until_ms, enough=enough)
            stages = Wiring(
                settings=await self._job(name, endpoint, cloud, simulator, notified=queue is not None),
                source=arrivals,
                cloud=cloud,
                queue=queue,
                clock=clock,
                pacer=Pacer(rate_per_s=config.pacing.rate, bytes_per_s=config.pacing.bytes_per_s),
                check_endpoint=endpoint_check(cloud.control, name, clock=clock),
                tally=tally,
            )
            pipeline = Pipeline(stages)
            parts = await self._watched(pipeline, arrivals, tally)
            region = cloud.region
        plan = asdict(self._plan) | {"closed": config.bench.closed, "late_ms": config.bench.late_ms}
        metadata = {
            "fanout:endpoint": name,
            "fanout:simulated": str(simulated).lower(),
            "fanout:throttles": str(pipeline.statistics().pacer.throttles),
            BENCH_KEY: json.dumps(plan),
        }
        merge = functools.partial(
            finish, parts, self._output, run_id=self._run_id, passthrough_schema=arrivals.passthrough_schema,
            expected_rows=tally.rows, metadata=metadata, overwrite=True,
        )  # fmt: skip
        await anyio.to_thread.run_sync(merge)
        return BenchResult(
            run_id=self._run_id,
            endpoint=name,
            region=region,
            output=self._output,
            plan=self._plan,
            lags_ms=tuple(self._loop.lags_ms),
            throttles=pipeline.statistics().pacer.throttles,
            errors=dict(tally.errors),
            stopped=self._stopped,
            interrupted=self._interrupted,
            skipped=payloads.skipped,
            simulated=simulated,
            started_at=started,
            seconds=clock.now() - started,
            warnings=tuple(self._warnings),
        )

    async def _payloads(self, cloud: AwsCloud) -> Payloads:
        if not self._config.input.paths:
            return Made(self._plan)
        return Dataset(await open_input(self._config, cloud), warmup=self._plan.warmup)

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
        if not await cloud.control.supports_inline():
            raise RunError(
                f"inline payloads are not available in {cloud.region}: there is nothing to compare"
            )
        routing = compose.routing(config, self._run_id, inline=True, simulator=simulator)
        if routing.uploads is None:
            raise UsageError(
                "no place for the S3 way's payloads: name one with --input-prefix s3://bucket/prefix"
            )
        return compose.job(
            config,
            self._run_id,
            name=name,
            endpoint=endpoint,
            routing=routing,
            parts=self._parts,
            notified=notified,
        )

    async def _watched(self, pipeline: Pipeline, arrivals: Arrivals, tally: PairTally) -> list[Part]:
        """Run the pipeline under the eyes of the observer, of the loop's watch and of the signals."""

        def look() -> Snapshot:
            open_rows, pacer = pipeline.statistics().open_rows, pipeline.statistics().pacer
            return Snapshot(
                ended=tally.rows,
                succeeded=tally.by_status["succeeded"],
                total=None if self._config.input.paths else 2 * self._planned,
                share=None,
                in_flight=open_rows.in_flight,
                accepted=open_rows.accepted,
                throttles=pacer.throttles,
                resends=open_rows.resends,
                rate_limit_per_s=pacer.rate_per_s,
            )

        parts: list[Part] = []
        try:
            async with anyio.create_task_group() as beside:
                beside.start_soon(self._listen, pipeline, arrivals)
                beside.start_soon(self._loop.watch)
                beside.start_soon(functools.partial(self._observer.watch, look, now=self._clock.now))
                parts = await pipeline.run()
                beside.cancel_scope.cancel()
        except BaseExceptionGroup as group:
            raise root_cause(group) from group
        return parts

    @property
    def _planned(self) -> int:
        return self._plan.warmup + self._plan.pairs * len(self._plan.sizes)

    async def _listen(self, pipeline: Pipeline, arrivals: Arrivals) -> None:
        """First signal: let nothing more arrive and report what there is. Second: stop without a report."""
        with anyio.open_signal_receiver(*SIGNALS) as signals:
            async for number in signals:
                name = signal.Signals(number).name
                self._stopped, self._interrupted = f"{name} came", True
                arrivals.end()
                _log.warning("%s: collecting what is under way; again to stop without a report", name)
                async for _ in signals:
                    pipeline.stop(Interrupted(f"{name}: stopped without a report"))

    def _warn(self, text: str) -> None:
        self._warnings.append(text)
        _log.warning("%s", text)
