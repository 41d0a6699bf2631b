"""Carries out one experiment, through the engine that `run` uses, and writes its output file.

A signal ends the arrivals; what is under way is collected, and the report is of what there is.
"""

from __future__ import annotations

import functools
import json
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import anyio.to_thread

from fanout.bench.arrivals import Arrivals
from fanout.bench.early_stop import PairTally
from fanout.bench.loop_watch import LoopWatch
from fanout.bench.payloads import Dataset, Made, Payloads
from fanout.bench.plan import Plan
from fanout.bench.settings import FILE, plan_of, run_config
from fanout.bench.setup import Setup, setup_of
from fanout.concurrency.clock import SystemClock
from fanout.config.model import Config
from fanout.domain.ids import new_run
from fanout.engine.snapshot import Observer, Snapshot
from fanout.errors import Interrupted, RunError, UsageError, next_time
from fanout.output.finish import finish
from fanout.ports import Queue
from fanout.runtime import settings as compose
from fanout.runtime.describe_run import describe_run
from fanout.runtime.in_process import EngineWork, build_pipeline
from fanout.runtime.result import WorkResult
from fanout.runtime.session import Session, open_session
from fanout.runtime.supervisor import Supervisor

BENCH_KEY = "fanout:bench"
"""Metadata of the output file: the plan, as JSON; `report` knows an experiment by it."""


@dataclass(frozen=True, slots=True)
class BenchResult:
    """What an experiment left behind, beside its file.

    Attributes:
        setup: How it was carried out.
        output: The Parquet file: every request, warm-up included.
        lags_ms: How late the event loop was, look by look.
        stopped: Why it ended before its plan did; None if it did not.
        interrupted: A signal was why.
        skipped: Rows of the dataset that could not go both ways, by reason.
        warnings: What a reader should know.
    """

    run_id: str
    endpoint: str
    setup: Setup
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
    bench = _Bench(config, plan, output=output, parts=parts, observer=observer)
    try:
        with bench.supervisor.listening(), next_time("start it again"):
            return await bench.go()
    finally:
        shutil.rmtree(parts, ignore_errors=True)


@dataclass(slots=True)
class _Experiment:
    """`runtime.supervisor.Work`: the engine's, but that a signal ends the arrivals and what is under way goes on.

    Attributes:
        stopped: Why the arrivals ended before their plan did; None if they did not.
        interrupted: A signal was why.
    """

    engine: EngineWork
    arrivals: Arrivals
    stopped: str | None = None
    interrupted: bool = False

    async def run(self) -> WorkResult:
        return await self.engine.run()

    def stop(self, reason: RunError) -> None:
        self.end(f"{reason.by} came" if isinstance(reason, Interrupted) else str(reason))
        self.interrupted = True

    def look(self) -> Snapshot:
        return self.engine.look()

    def end(self, why: str) -> None:
        """Let no further pair arrive."""
        self.stopped = why
        self.arrivals.end()


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
        self.supervisor = Supervisor(
            clock=self._clock, next_step="an experiment cannot be resumed: start it again", grace_s=None
        )

    async def go(self) -> BenchResult:
        return await self.supervisor.run(self._go)

    async def _go(self) -> BenchResult:
        started = self._clock.now()
        async with open_session(self._config, clock=self._clock) as session:
            endpoint = await session.endpoint()
            if endpoint is not None and endpoint.instances == 0:
                session.warnings.warn(
                    "the endpoint had no instance at the start: its service times include a cold start"
                )
            await self._check_transports(session)
            payloads = await self._payloads(session)
            arrivals = Arrivals(
                self._plan, payloads, clock=self._clock, closed=self._config.bench.closed is not None
            )
            queue = await session.queue(self._run_id)
            setup = setup_of(
                self._config,
                region=session.cloud.region,
                notified=queue is not None,
                instances=None if endpoint is None else endpoint.instances,
                fingerprint=(await session.source()).fingerprint() if self._config.input.paths else None,
            )
            experiment = await self._experiment(session, arrivals, queue)
            ended = await self.supervisor.attend(experiment, (self._observer, self._loop))
            name, simulated = session.endpoint_name, await session.is_simulated()
            warnings = session.warnings.of_run
            provenance = describe_run(
                self._config, endpoint=endpoint, region=session.cloud.region, started_at=started
            )
        plan = asdict(self._plan) | {
            "closed": self._config.bench.closed,
            "late_ms": self._config.bench.late_ms,
        }
        merge = functools.partial(
            finish,
            ended.parts,
            self._output,
            run_id=self._run_id,
            passthrough_schema=arrivals.passthrough_schema,
            expected_rows=ended.tally.rows,
            metadata={
                "fanout:endpoint": name,
                "fanout:simulated": str(simulated).lower(),
                "fanout:throttles": str(ended.throttles),
                BENCH_KEY: json.dumps(plan),
                **provenance.as_metadata(),
            },
            overwrite=True,
        )
        await anyio.to_thread.run_sync(merge)
        return BenchResult(
            run_id=self._run_id,
            endpoint=name,
            setup=setup,
            output=self._output,
            plan=self._plan,
            lags_ms=tuple(self._loop.lags_ms),
            throttles=ended.throttles,
            errors=dict(ended.tally.errors),
            stopped=experiment.stopped,
            interrupted=experiment.interrupted,
            skipped=payloads.skipped,
            simulated=simulated,
            started_at=started,
            seconds=self._clock.now() - started,
            warnings=warnings,
        )

    async def _check_transports(self, session: Session) -> None:
        """Return if payloads can go both ways.

        Raises:
            RunError: They cannot go inline here.
            UsageError: There is no place for those that go via S3.
        """
        if not await session.cloud.control.supports_inline():
            raise RunError(
                f"inline payloads are not available in {session.cloud.region}: there is nothing to compare"
            )
        if (await session.routing(self._run_id)).uploads is None:
            raise UsageError(
                "no place for the S3 way's payloads: name one with --input-prefix s3://bucket/prefix"
            )

    async def _payloads(self, session: Session) -> Payloads:
        if not self._config.input.paths:
            return Made(self._plan)
        return Dataset(await session.source(), warmup=self._plan.warmup)

    async def _experiment(self, session: Session, arrivals: Arrivals, queue: Queue | None) -> _Experiment:
        until_ms = self._config.bench.until_ms
        tally = PairTally(
            until_ms=until_ms,
            enough=lambda: experiment.end(f"every size was known to within {until_ms:g} ms"),
        )
        pipeline = await build_pipeline(
            session,
            self._run_id,
            parts=self._parts,
            source=arrivals,
            queue=queue,
            tally=tally,
        )
        experiment = _Experiment(EngineWork(pipeline, source=arrivals, tally=tally), arrivals)
        return experiment
