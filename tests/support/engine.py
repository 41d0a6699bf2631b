"""The whole engine in one process on virtual time: rows in a list, the world in memory, a seed for everything."""

from __future__ import annotations

import random
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import anyio
import pyarrow as pa
import pyarrow.parquet as pq
from support.loop import LoopClock, run_seeded
from support.settings import engine_limits, lookup_policy, model_retry, routing

from fanout.domain.location import Location
from fanout.domain.records import Options, Record, Rejected
from fanout.domain.response_fields import TAKES_ANY
from fanout.domain.routing import Mode
from fanout.domain.tally import Tally
from fanout.engine.open_row import OpenRow
from fanout.engine.pacing import Pacer
from fanout.engine.pipeline import Pipeline
from fanout.engine.settings import EngineLimits, EngineSettings
from fanout.engine.statistics import PipelineStatistics
from fanout.engine.wiring import Wiring
from fanout.output.finish import finish
from fanout.rundir.journal import Journal
from fanout.rundir.recovery import Recovered
from fanout.runtime.endpoint import discover, endpoint_check
from fanout.simulator.ports.cloud import MemoryCloud
from fanout.simulator.settings import SimulatorSettings
from fanout.simulator.world import World

T = TypeVar("T")
RUN = "abcdefghij"
LONGEST_S = 86_400.0
"""Of virtual time: whatever is lost, three generations have had their TTL and time-out by then (I8: it ends)."""


@dataclass
class ListRows:
    """`ports.Rows` from a list."""

    rows: Sequence[Record | Rejected]
    chunk: int = 64
    passthrough_schema: pa.Schema = field(default_factory=lambda: pa.schema([]))

    async def chunks(self) -> AsyncGenerator[list[Record | Rejected], None]:
        for start in range(0, len(self.rows), self.chunk):
            await anyio.lowlevel.checkpoint()
            yield list(self.rows[start : start + self.chunk])


NO_COLUMNS = pa.schema([])


@dataclass
class Ran:
    table: pa.Table
    world: World
    statistics: PipelineStatistics
    tally: Tally
    seconds: float
    peak_held_bytes: int

    @property
    def accepted(self) -> list[dict[str, object]]:
        return [line._asdict() for line in self.world.log]


def records(payloads: Sequence[bytes], **options: object) -> list[Record]:
    return [Record(row, None, payload, Options(**options)) for row, payload in enumerate(payloads)]  # type: ignore[arg-type]


def random_payloads(count: int, *, seed: int = 0, large_share: float = 0.0) -> list[bytes]:
    """Payloads of 1 to 200 bytes; a share of them over the inline limit."""
    rng = random.Random(seed)
    return [
        rng.randbytes(rng.randint(128_001, 130_000) if rng.random() < large_share else rng.randint(1, 200))
        for _ in range(count)
    ]


def run_engine(
    rows: Sequence[Record | Rejected],
    directory: Path,
    *,
    simulator: SimulatorSettings | None = None,
    mode: Mode = "auto",
    rate: float | None = None,
    limits: EngineLimits | None = None,
    notified: bool = True,
    trust: bool = False,
    trust_failures: bool = False,
    quiet_s: float = 10.0,
    patience: Mapping[str, Any] | None = None,
    seed: int = 0,
    before: Callable[[World], None] = lambda world: None,
    recovered: Recovered | None = None,
    kept: pa.Schema = NO_COLUMNS,
) -> Ran:
    """Run to the end on a virtual clock, and merge the output."""
    random.seed(seed)  # the jitter of repeated calls is drawn from it

    async def main() -> Ran:
        clock = LoopClock()
        settings = simulator or SimulatorSettings(seed=seed)
        world = World(settings, now=clock.now())
        before(world)
        cloud = MemoryCloud(world, clock)
        endpoint = await discover(cloud.control, settings.endpoint_name, clock=clock)
        assert endpoint is not None
        run_queue = (
            await cloud.control.open_run_queue(RUN, endpoint.topics) if notified and endpoint.topics else None
        )
        tally = Tally()
        source = ListRows(rows, passthrough_schema=kept)
        parts = directory / "parts"
        parts.mkdir()
        journal = Journal(directory / "journal.sqlite")
        wiring = Wiring(
            settings=EngineSettings(
                responses=TAKES_ANY,
                run_id=RUN,
                endpoint=settings.endpoint_name,
                output_path=endpoint.output_path,
                failure_path=endpoint.failure_path,
                routing=routing(RUN, mode=mode, uploads=Location(settings.buckets[0], "inputs")),
                parts=parts,
                limits=limits or engine_limits(),
                lookup=lookup_policy(
                    notified=run_queue is not None,
                    **({"quiet_s": quiet_s, "unknown_s": quiet_s} if patience is None else patience),
                ),
                retry=model_retry(),
                shared_queue=False,
                hears_failures=run_queue is not None and endpoint.error_topic is not None,
                trust_responses=trust,
                trust_failures=trust_failures,
                keep_inputs=False,
                seed=seed,
            ),
            source=source,
            cloud=cloud,
            queue=cloud.queue(run_queue.url) if run_queue else None,
            clock=clock,
            pacer=Pacer(rate_per_s=rate),
            check_endpoint=endpoint_check(cloud.control, settings.endpoint_name, clock=clock),
            tally=tally,
            journal=journal,
            recovered=recovered,
            run_blocking=in_place,
        )
        pipeline = Pipeline(wiring)
        peak, enter = 0, wiring.rows._enter

        def noting(row: OpenRow) -> None:
            nonlocal peak
            enter(row)
            peak = max(peak, wiring.rows.held_bytes)

        wiring.rows._enter = noting  # type: ignore[method-assign]
        started = clock.now()
        with anyio.fail_after(LONGEST_S):
            written = await pipeline.run()
        seconds = clock.now() - started
        output = directory / "out.parquet"
        finish(
            written,
            output,
            run_id=RUN,
            passthrough_schema=source.passthrough_schema,
            expected_rows=tally.rows,
        )
        return Ran(pq.read_table(output), world, pipeline.statistics(), tally, seconds, peak)

    return run_seeded(main, seed=seed)


async def in_place(call: Callable[[], T], /) -> T:
    await anyio.lowlevel.checkpoint()
    return call()
