"""Rows handed over one by one, on the virtual clock: each gets its own outcome, whatever happens to the others."""

from __future__ import annotations

import hashlib
import random
from contextlib import asynccontextmanager

import anyio
import pytest
from support.loop import LoopClock, run_seeded
from support.settings import engine_limits, lookup_policy, model_retry, routing

from fanout.domain.location import Location
from fanout.domain.records import Options, Record
from fanout.domain.response_fields import TAKES_ANY
from fanout.domain.tally import Tally
from fanout.engine.pacing import Pacer
from fanout.engine.pipeline import Pipeline
from fanout.engine.settings import EngineSettings
from fanout.engine.wiring import Wiring
from fanout.errors import Interrupted, RunError
from fanout.runtime.endpoint import discover, endpoint_check
from fanout.runtime.live import Submissions
from fanout.simulator.ports.cloud import MemoryCloud
from fanout.simulator.settings import SimulatorSettings
from fanout.simulator.world import World

RUN = "abcdefghij"
QUICK = {"service_time": {"median_s": 0.05, "sigma": 0.3}, "instances": 4, "concurrency_per_instance": 64}


@asynccontextmanager
async def serving(*, window=10_000, rate=None, settings=QUICK):
    """Yield submissions, the world and the pipeline of a session; drains at the end."""
    clock = LoopClock()
    simulator = SimulatorSettings.model_validate(settings)
    world = World(simulator, now=clock.now())
    cloud = MemoryCloud(world, clock)
    endpoint = await discover(cloud.control, simulator.endpoint_name, clock=clock)
    run_queue = await cloud.control.open_run_queue(RUN, endpoint.topics)
    submissions = Submissions()
    wiring = Wiring(
        settings=EngineSettings(
            responses=TAKES_ANY,
            run_id=RUN,
            endpoint=simulator.endpoint_name,
            output_path=endpoint.output_path,
            failure_path=endpoint.failure_path,
            routing=routing(RUN, uploads=Location(simulator.buckets[0], "inputs")),
            parts=None,
            limits=engine_limits(window=window),
            lookup=lookup_policy(notified=True),
            retry=model_retry(),
            seed=0,
        ),
        source=submissions,
        cloud=cloud,
        queue=cloud.queue(run_queue.url),
        clock=clock,
        pacer=Pacer(rate_per_s=rate),
        check_endpoint=endpoint_check(cloud.control, simulator.endpoint_name, clock=clock),
        tally=Tally(),
        deliver=submissions.deliver,
    )
    pipeline = Pipeline(wiring)

    async def run():
        try:
            await pipeline.run()
        except RunError as error:
            submissions.fail(error)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(run)
        yield submissions, world, pipeline
        submissions.close()


def record(payload, ident=None):
    return Record(-1, ident, payload, Options())


def digest(payload):
    return hashlib.sha256(payload).hexdigest()


async def send(submissions, payload, ident=None):
    ticket = submissions.submit(record(payload, ident))
    try:
        return await ticket.wait()
    except BaseException:
        ticket.drop()
        raise


def test_a_thousand_at_once_each_get_their_own_answer():
    async def main():
        answers = {}
        payloads = {f"id-{n}": b"%d" % n + b"x" * (150_000 if n % 100 == 0 else 10) for n in range(1_000)}

        async def one(ident):
            outcome = await send(submissions, payloads[ident], ident)
            answers[ident] = (outcome.id, outcome.status, outcome.response.decode(), outcome.transport)

        async with serving() as (submissions, world, pipeline):
            async with anyio.create_task_group() as tasks:
                for ident in payloads:
                    tasks.start_soon(one, ident)
            statistics = pipeline.statistics()
        assert len(submissions) == 0
        assert statistics.open_rows.open == 0
        left = world.queues.statistics(f"fanout-{RUN}", now=LoopClock().now())
        assert (left.sent, left.visible, left.in_flight) == (1_000, 0, 0)  # every message was deleted
        for ident, payload in payloads.items():
            found = answers[ident]
            assert found[:2] == (ident, "succeeded")
            assert digest(payload) in found[2]
            assert found[3] == ("s3" if len(payload) > 128_000 else "inline")

    run_seeded(main, seed=1)


@pytest.mark.parametrize("seed", range(5))
def test_a_hundred_random_cancellations_leave_the_others_alone(seed):
    async def main():
        rng = random.Random(seed)
        answers, cancelled = {}, set()

        async def one(number):
            payload = b"payload %d" % number
            with anyio.CancelScope() as scope:
                scopes[number] = scope
                outcome = await send(submissions, payload, str(number))
                answers[number] = (outcome.id, digest(payload) in outcome.response.decode())

        scopes = {}
        async with serving(rate=400) as (submissions, _, pipeline), anyio.create_task_group() as tasks:
            for number in range(300):
                tasks.start_soon(one, number)
            await anyio.sleep(0.02)
            for number in rng.sample(range(300), 100):
                await anyio.sleep(rng.random() * 0.01)
                if number not in answers:
                    scopes[number].cancel()
                    cancelled.add(number)
        assert len(cancelled) > 30
        assert answers.keys() == set(range(300)) - cancelled
        assert set(answers.values()) == {(str(number), True) for number in answers}
        assert len(submissions) == 0
        assert pipeline.statistics().open_rows.open == 0

    run_seeded(main, seed=seed)


def test_a_bad_row_has_an_outcome_and_raises_nothing():
    async def main():
        async with serving() as (submissions, _, _):
            ticket = submissions.submit(Record(-1, "a", b"x", Options(ttl_s=1)))
            outcome = await ticket.wait()
        assert (outcome.id, outcome.status) == ("a", "rejected")

    run_seeded(main, seed=0)


def test_the_window_bounds_what_is_open():
    async def main():
        most = 0

        async def watch():
            nonlocal most
            while True:
                most = max(most, pipeline.statistics().open_rows.open)
                await anyio.sleep(0.001)

        async with serving(window=20) as (submissions, _, pipeline), anyio.create_task_group() as tasks:
            tasks.start_soon(watch)
            async with anyio.create_task_group() as sends:
                for number in range(200):
                    sends.start_soon(send, submissions, b"%d" % number)
            tasks.cancel_scope.cancel()
        assert 10 <= most <= 20

    run_seeded(main, seed=0)


def test_a_session_that_breaks_ends_every_send_with_its_error():
    async def main():
        errors = []

        async def one(number):
            try:
                await send(submissions, b"%d" % number)
            except RunError as error:
                errors.append(str(error))

        async with serving(rate=10, settings=QUICK) as (submissions, _, pipeline):
            async with anyio.create_task_group() as tasks:
                for number in range(500):
                    tasks.start_soon(one, number)
                await anyio.sleep(1.0)
                pipeline.stop(Interrupted("it broke"))
            with pytest.raises(RunError, match="it broke"):
                submissions.submit(record(b"late"))
        assert set(errors) == {"it broke"}
        assert 400 <= len(errors) < 500

    run_seeded(main, seed=0)


def test_a_closed_session_takes_nothing_more():
    async def main():
        async with serving() as (submissions, _, _):
            pass
        with pytest.raises(RunError, match="closed"):
            submissions.submit(record(b"late"))

    run_seeded(main, seed=0)
