"""The whole experiment on virtual time: the engine, the world in memory, and no machine to be slow."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from support.engine import RUN, in_place
from support.loop import LoopClock, run_seeded
from support.settings import engine_limits, lookup_policy, model_retry, routing

from fanout.bench.arrivals import Arrivals
from fanout.bench.early_stop import PairTally
from fanout.bench.payloads import Made
from fanout.bench.plan import Plan
from fanout.bench.run import BENCH_KEY
from fanout.domain.location import Location
from fanout.domain.response_fields import TAKES_ANY
from fanout.engine.pacing import Pacer
from fanout.engine.pipeline import Pipeline
from fanout.engine.settings import EngineLimits, EngineSettings
from fanout.engine.wiring import Wiring
from fanout.output.finish import finish
from fanout.runtime.endpoint import discover, endpoint_check
from fanout.simulator.ports.cloud import MemoryCloud
from fanout.simulator.settings import SimulatorSettings
from fanout.simulator.world import World

Experiment = Callable[..., Path]


def plan(**changes: object) -> Plan:
    """A small experiment, but for what `changes` says."""
    standard: dict[str, object] = {
        "seed": 1, "rate_per_s": 20.0, "arrivals": "poisson", "pairs": 20, "warmup": 4, "sizes": (100, 2_000),
    }  # fmt: skip
    return Plan(**(standard | changes))  # type: ignore[arg-type]


@pytest.fixture
def experiment(tmp_path: Path) -> Experiment:
    """Runs an experiment on a world with these settings; returns its output file."""

    def run(
        wanted: Plan,
        settings: SimulatorSettings,
        *,
        closed: int | None = None,
        limits: EngineLimits | None = None,
        until_ms: float | None = None,
    ) -> Path:
        directory = tmp_path / f"bench-{wanted.seed}"
        (directory / "parts").mkdir(parents=True)

        async def main() -> Path:
            clock = LoopClock()
            cloud = MemoryCloud(World(settings, now=clock.now()), clock)
            endpoint = await discover(cloud.control, settings.endpoint_name, clock=clock)
            assert endpoint is not None
            run_queue = await cloud.control.open_run_queue(RUN, endpoint.topics)
            arrivals = Arrivals(wanted, Made(wanted), clock=clock, closed=closed is not None)
            tally = PairTally(until_ms=until_ms, enough=arrivals.end)
            job = EngineSettings(
                responses=TAKES_ANY,
                run_id=RUN,
                endpoint=settings.endpoint_name,
                output_path=endpoint.output_path,
                failure_path=endpoint.failure_path,
                routing=routing(RUN, uploads=Location(settings.buckets[0], "inputs")),
                parts=directory / "parts",
                limits=limits or engine_limits(window=closed or 10_000),
                lookup=lookup_policy(notified=True),
                retry=model_retry(generations=0),
                seed=wanted.seed,
            )
            wiring = Wiring(
                settings=job,
                source=arrivals,
                cloud=cloud,
                queue=cloud.queue(run_queue.url),
                clock=clock,
                pacer=Pacer(),
                check_endpoint=endpoint_check(cloud.control, settings.endpoint_name, clock=clock),
                tally=tally,
                run_blocking=in_place,
            )
            pipeline = Pipeline(wiring)
            parts = await pipeline.run()
            output = directory / "bench.parquet"
            metadata = {
                "fanout:simulated": "true",
                "fanout:throttles": "0",
                BENCH_KEY: '{"closed": null, "late_ms": 10}',
            }
            finish(
                parts, output, run_id=RUN, passthrough_schema=arrivals.passthrough_schema,
                expected_rows=tally.rows, metadata=metadata,
            )  # fmt: skip
            return output

        return run_seeded(main, seed=wanted.seed)

    return run
