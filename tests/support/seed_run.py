"""One seed from its first process to the merged output: killed, stopped, resumed, watched, and audited.

Enters a `Scenario` and an empty directory, leaves a `Report` or an `AssertionError` that says which invariant broke.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import anyio
import pyarrow.parquet as pq
from support.crashable_ports import CrashableCloud, Watch, WatchedJournal
from support.driven import drive, driven
from support.engine import ListRows
from support.fault_counts import FaultCounts
from support.invariants import check
from support.kill_switch import KillSwitch
from support.loop import LoopClock, run_seeded
from support.scenario import BUCKET, Interruption, Scenario
from support.settings import routing

from fanout.domain.ids import Send
from fanout.domain.location import Location
from fanout.domain.response_fields import TAKES_ANY
from fanout.domain.tally import Tally
from fanout.engine.journal_writer import JournalWriter
from fanout.engine.open_rows import OpenRows
from fanout.engine.pacing import Pacer
from fanout.engine.pipeline import Pipeline
from fanout.engine.reconcile.schedule import LookupPolicy
from fanout.engine.settings import EngineSettings
from fanout.engine.wiring import Wiring
from fanout.errors import Fenced, Interrupted, RunError, StorageError
from fanout.output.finish import finish
from fanout.output.parts import Part
from fanout.ports import Clock, RunQueue
from fanout.rundir.recovery import Recovered, recover, recovered_tally
from fanout.runtime.endpoint import discover, endpoint_check
from fanout.simulator.ports.cloud import MemoryCloud
from fanout.simulator.world import World


@dataclass
class Report:
    """What came of a seed."""

    seed: int
    rows: int
    accepted: int = 0
    resends: int = 0
    attempts: list[int] = field(default_factory=list)
    """Requests that the output says were sent, and that it says may have been."""
    sent: int = 0
    """Inference ids under which a request left."""
    virtual_s: float = 0.0
    statuses: Counter[str] = field(default_factory=Counter)
    endings: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)


def live(scenario: Scenario, directory: Path) -> Report:
    """Run the scenario to its end and audit it.

    Raises:
        AssertionError: An invariant does not hold.
    """
    random.seed(scenario.seed)  # tenacity draws its jitter from it
    return run_seeded(SeedRun(scenario, directory).main, seed=scenario.seed)


class SeedRun:
    """A run whose journal is a file; `support.place_run` has one whose state is kept in S3."""

    def __init__(self, scenario: Scenario, directory: Path) -> None:
        self._scenario = scenario
        self._directory = directory
        self._parts = directory / "parts"
        self._parts.mkdir()
        self._source = ListRows(scenario.rows, chunk=scenario.chunk)
        self._durable: set[int] = set()
        self._sent_at: list[float] = []
        self._sent_ids: set[str] = set()
        self._tally = Tally()
        self._pipeline: Pipeline | None = None
        self._report = Report(scenario.seed, len(scenario.rows))
        self._violations: list[str] = []

    async def main(self) -> Report:
        scenario = self._scenario
        clock = self._clock = LoopClock()
        world = World(scenario.simulator, now=clock.now())
        for place, payload in scenario.existing:
            world.objects.put(*place, payload, content_type=None, now=clock.now())
        fault_counts = FaultCounts(world)
        cloud = driven(world, clock)
        started = clock.now()
        parts: list[Part] | None = None
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(drive, world, clock)
            with anyio.move_on_after(scenario.horizon_s):
                parts = await self._lives(world, cloud)
            tasks.cancel_scope.cancel()
        if parts is None:
            statistics = self._pipeline.statistics() if self._pipeline else None
            raise AssertionError(
                f"I8: not ended after {scenario.horizon_s:,.0f} virtual seconds: {statistics}"
            )
        assert not self._violations, "; ".join(self._violations)
        output = self._directory / "out.parquet"
        assert not output.exists(), "I5: an output before the end"
        finish(
            parts,
            output,
            run_id=scenario.run,
            passthrough_schema=self._source.passthrough_schema,
            expected_rows=self._tally.rows,
        )
        table = pq.read_table(output, use_threads=False)
        report = self._report
        report.virtual_s = clock.now() - started
        report.accepted = len(world.log)
        report.sent = len(self._sent_ids)
        report.faults = fault_counts.counts()
        report.statuses = Counter(table["status"].to_pylist())
        report.resends = sum(table["resends"].to_pylist())
        check(
            scenario,
            table,
            fault_counts,
            sent_at=self._sent_at,
            sent_ids=self._sent_ids,
            journal=self._journal(world),
        )
        attempts = zip(table["attempts"].to_pylist(), table["possible_attempts"].to_pylist(), strict=True)
        report.attempts = [sum(column) for column in zip(*attempts, strict=True)]
        assert report.statuses == self._tally.by_status, "the summary's counts are not the output's"
        return report

    def _journal(self, world: World) -> Path:
        """Return the journal as a file, in which no secret may stand."""
        return self._directory / "journal.sqlite"

    async def _lives(self, world: World, cloud: MemoryCloud) -> list[Part]:
        """Run process after process; return the parts of the one that ended by itself."""
        for interruption in self._scenario.interruptions:
            parts = await self._life(world, cloud, interruption)
            if parts is not None:
                return parts
            await anyio.sleep(interruption.pause_s)
            world.status = "InService"
        parts = await self._life(world, cloud, None)
        assert parts is not None
        return parts

    async def _life(
        self, world: World, cloud: MemoryCloud, interruption: Interruption | None
    ) -> list[Part] | None:
        """Run one process; return its parts, None if it was interrupted."""
        scenario = self._scenario
        kind = interruption.kind if interruption else None
        step = interruption.step if interruption else None
        fate = KillSwitch(
            fatal_step=step if kind == "step" else None,
            full_at=step if kind == "disk" else None,
            fsync_s=scenario.fsync_s,
        )
        watch = Watch(scenario.run, self._clock, self._durable, scenario.shared_queue)
        run_queue = await self._listen(cloud)
        journal = WatchedJournal(self._directory / "journal.sqlite")
        journal.watch = watch
        try:
            recovered = recover(journal, self._parts)
            known = {row for row, durable in enumerate(recovered.durable) if durable}
            # A commit that was cut off may have come through; what was reported must have.
            assert known == self._durable, (
                f"I4: durable rows {sorted(self._durable ^ known)[:5]} were forgotten"
            )
            self._tally = recovered_tally(recovered)
            pipeline = self._pipeline = self._compose(
                cloud, journal, recovered, run_queue, fate=fate, watch=watch
            )
            parts = await self._until(pipeline, fate, interruption, world)
        finally:
            journal.close()
            self._sent_at += watch.sent_at
            self._sent_ids |= watch.sent_ids
            self._violations += watch.violations
            if watch.in_flight_most > scenario.limits.concurrency:
                self._violations.append(f"I6: {watch.in_flight_most} requests in flight")
        if parts is not None:
            assert pipeline.statistics().open_rows.open == 0
            if run_queue is not None:
                await cloud.control.close_run_queue(run_queue)
        return parts

    async def _listen(self, cloud: MemoryCloud) -> RunQueue | None:
        scenario = self._scenario
        endpoint = await discover(cloud.control, scenario.simulator.endpoint_name, clock=self._clock)
        assert endpoint is not None
        return await cloud.control.open_run_queue(scenario.run, endpoint.topics) if scenario.listens else None

    def _compose(
        self,
        cloud: MemoryCloud,
        journal: WatchedJournal | None,
        recovered: Recovered,
        run_queue: RunQueue | None,
        *,
        fate: KillSwitch,
        watch: Watch,
        mortal: CrashableCloud | None = None,
        make_journal: Callable[[OpenRows], JournalWriter] | None = None,
        clock: Clock | None = None,
        parts: Path | None = None,
        tally: Tally | None = None,
        policy: LookupPolicy | None = None,
    ) -> Pipeline:
        scenario = self._scenario
        simulator, limits = scenario.simulator, scenario.limits
        mortal = mortal or CrashableCloud(cloud, fate, watch)
        wiring = Wiring(
            settings=EngineSettings(
                responses=TAKES_ANY,
                run_id=scenario.run,
                endpoint=simulator.endpoint_name,
                output_path=simulator.output_path,
                failure_path=simulator.failure_path,
                routing=routing(scenario.run, uploads=Location(BUCKET, "inputs")),
                parts=parts or self._parts,
                limits=limits,
                lookup=policy or scenario.patience,
                retry=scenario.retry,
                shared_queue=scenario.shared_queue,
                hears_failures=run_queue is not None and simulator.error_topic is not None,
                trust_responses=scenario.trusts,
                trust_failures=scenario.trusts,
                keep_inputs=scenario.keep_inputs,
                seed=scenario.seed,
            ),
            source=self._source,
            cloud=mortal,
            queue=mortal.queue(run_queue.url) if run_queue else None,
            clock=clock or self._clock,
            pacer=Pacer(rate_per_s=scenario.rate, bytes_per_s=scenario.bytes_per_s),
            check_endpoint=endpoint_check(cloud.control, simulator.endpoint_name, clock=self._clock),
            tally=self._tally if tally is None else tally,
            journal=journal,
            make_journal=make_journal,
            recovered=recovered,
            run_blocking=fate.run_blocking,
        )
        pipeline = Pipeline(wiring)
        open_rows = wiring.rows
        # What an earlier process had in hand comes back whatever the window is.
        most = max(limits.window, recovered.last + 1 - sum(recovered.durable))

        def superseded(send: Send) -> bool:
            row = open_rows._open.get(send.row) or open_rows._settled._rows.get(send.row)
            return row is not None and row.generation > send.generation

        def bounds() -> None:
            if len(open_rows) > most:
                watch.note(f"I6: {len(open_rows)} rows are open, the window is {limits.window}")

        watch.superseded, watch.bounds = superseded, bounds
        return pipeline

    async def _until(
        self, pipeline: Pipeline, fate: KillSwitch, interruption: Interruption | None, world: World
    ) -> list[Part] | None:
        """Run the pipeline until it ends or is interrupted."""
        parts: list[Part] | None = None
        ending = "finished"
        async with anyio.create_task_group() as tasks:
            if interruption is not None:
                tasks.start_soon(_doom, interruption, pipeline, fate, world)
            with fate.scope:
                try:
                    parts = await pipeline.run()
                except RunError as error:
                    ending = _expected(error, interruption, world)
                except BaseException:
                    if not fate.dead:
                        raise
            tasks.cancel_scope.cancel()
        if fate.dead:
            parts, ending = None, "killed"
        elif fate.scope.cancelled_caught:
            ending = "aborted"
        self._report.endings[ending] += 1
        return parts


async def _doom(interruption: Interruption, pipeline: Pipeline, fate: KillSwitch, world: World) -> None:
    """Interrupt a process at an instant."""
    await anyio.sleep(interruption.at)
    if interruption.kind == "instant":
        fate.kill()
    elif interruption.kind == "abort":
        fate.scope.cancel()
    elif interruption.kind == "stop":
        pipeline.stop(Interrupted("simulated signal"))
    elif interruption.kind == "outage":
        world.status = "Failed"


def _expected(error: RunError, interruption: Interruption | None, world: World) -> str:
    """Return the name of an ending that was asked for; raise if it was not."""
    kind = interruption.kind if interruption else None
    if isinstance(error, Fenced):
        raise error  # no file is taken over: a process of `support.place_run` is meant
    if kind == "disk" and isinstance(error, StorageError):
        return "disk full"
    if kind == "stop" and isinstance(error, Interrupted):
        return "stopped"
    if kind == "outage" and world.status != "InService":
        return "endpoint out of service"
    raise AssertionError(f"I8: ended with {type(error).__name__}: {error}") from error
