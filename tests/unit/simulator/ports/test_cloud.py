"""The invoker in memory, on virtual time: what calls cost in seconds, what they raise, what they leave behind."""

from __future__ import annotations

import hashlib

import anyio
import orjson
import pytest
from support.memory import RUN, START, failing, invocation, mailbox_of

from fanout.concurrency.clock import SystemClock
from fanout.domain.location import Location
from fanout.domain.records import Options
from fanout.errors import CallError, Phase
from fanout.simulator.faults import FOREIGN_LOCATION
from fanout.simulator.ports.cloud import MemoryCloud
from fanout.simulator.settings import (
    FaultSettings,
    LatencySettings,
    NotificationSettings,
    SimulatorSettings,
    Spread,
    ThrottleSettings,
)
from fanout.simulator.world import World


def test_an_invocation_comes_back_by_message_and_object(simulate):
    async def scenario(cloud, clock):
        run_queue = await mailbox_of(cloud)
        reply = await cloud.invoker.invoke(invocation(7, options=Options(content_type="text/csv")))
        assert (reply.inference_id, reply.output_location, reply.failure_location) == (
            "abcdefghij.7.0.1",
            "s3://simulated/async-outputs/fanout/abcdefghij/07/7.0",
            "s3://simulated/async-failures/fanout/abcdefghij/07/7.0",
        )
        queue = cloud.queue(run_queue.url)
        [message] = await queue.receive()
        assert clock.now() == START + 2.0
        assert orjson.loads(message.body)["inferenceId"] == "abcdefghij.7.0.1"
        stored = await cloud.objects.get(Location.parse(reply.output_location))
        assert (stored.content_type, stored.modified_at) == ("application/json", START + 2.0)
        assert orjson.loads(stored.body)["sha256"] == hashlib.sha256(b"payload").hexdigest()
        assert await queue.delete([message.receipt]) == []
        assert cloud.world.queues.statistics(f"fanout-{RUN}", now=clock.now()).in_flight == 0

    simulate(scenario, SimulatorSettings(service_time=Spread(median_s=2.0)))


def test_options_reach_the_endpoint(simulate):
    async def scenario(cloud, clock):
        await mailbox_of(cloud)
        options = Options(
            content_type="a/b", accept="c/d", custom_attributes="e", ttl_s=60, invocation_timeout_s=3
        )
        await cloud.invoker.invoke(invocation(0, options=options))
        await cloud.invoker.invoke(invocation(1, options=options))
        await clock.sleep_until(START + 100.0)
        [first, second] = await cloud.queue(f"x/fanout-{RUN}").receive()
        assert orjson.loads(first.body)["requestParameters"] == {
            "endpointName": "simulated",
            "contentType": "a/b",
            "accept": "c/d",
            "customAttributes": "e",
        }
        ends = [
            (orjson.loads(m.body)["invocationStatus"], orjson.loads(m.body)["eventTime"])
            for m in (first, second)
        ]
        assert ends == [("Failed", "1970-01-01T00:16:43.000Z"), ("Failed", "1970-01-01T00:16:46.000Z")]

    simulate(
        scenario,
        SimulatorSettings(instances=1, concurrency_per_instance=1, service_time=Spread(median_s=50.0)),
    )


def test_calls_take_their_services_latency(simulate):
    async def scenario(cloud, clock):
        async def took(awaitable) -> float:
            before = clock.now()
            await awaitable
            return round(clock.now() - before, 9)

        run_queue = await mailbox_of(cloud)
        queue, location = cloud.queue(run_queue.url), Location("simulated", "k")
        assert await took(cloud.invoker.invoke(invocation())) == 1.0
        assert cloud.world.log[0].arrived_at == pytest.approx(clock.now() - 0.5)
        assert await took(cloud.objects.put(location, b"")) == 2.0
        assert await took(cloud.objects.get(location)) == 2.0
        assert await took(queue.receive(wait_s=0.0)) == 3.0
        assert await took(queue.receive(wait_s=4.0)) == 7.0
        assert await took(queue.delete(["1.1"])) == 3.0
        assert await took(cloud.control.close_run_queue(run_queue)) == 2 * 4.0 + 3.0

    latency = LatencySettings(
        runtime=Spread(median_s=1.0),
        s3=Spread(median_s=2.0),
        sqs=Spread(median_s=3.0),
        sns=Spread(median_s=4.0),
    )
    simulate(scenario, SimulatorSettings(latency=latency))


@pytest.mark.parametrize(
    ("share", "phase", "code", "status", "accepted"),
    [
        ("refuse_share", Phase.CONNECT, "ConnectionRefusedError", None, False),
        ("reset_before_share", Phase.EXCHANGE, "ConnectionResetError", None, False),
        ("throttle_share", Phase.REPLY, "ThrottlingException", 400, False),
        ("server_error_share", Phase.REPLY, "InternalFailure", 500, False),
        ("html_error_share", Phase.REPLY, "502", 502, False),
        ("server_error_after_accept_share", Phase.REPLY, "InternalFailure", 500, True),
        ("reset_after_accept_share", Phase.EXCHANGE, "ConnectionResetError", None, True),
        ("hang_share", Phase.EXCHANGE, "ReadTimeout", None, True),
        ("dribble_share", Phase.EXCHANGE, "ReadTimeout", None, True),
        ("garbage_reply_share", Phase.EXCHANGE, "UnreadableReply", 202, True),
        ("reply_without_location_share", Phase.EXCHANGE, "UnreadableReply", 202, True),
    ],
)
def test_a_fault_of_the_call_says_how_far_it_came(
    simulate, share: str, phase: Phase, code: str, status: int | None, *, accepted: bool
):
    async def scenario(cloud, clock):
        async with failing(phase, code, status=status):
            await cloud.invoker.invoke(invocation())
        assert len(cloud.world.log) == accepted
        assert clock.now() == START + (30.0 if code == "ReadTimeout" else 0.0)

    simulate(scenario, SimulatorSettings(faults=FaultSettings.model_validate({share: 1.0})))


def test_a_202_may_name_a_foreign_location(simulate):
    async def scenario(cloud, clock):
        reply = await cloud.invoker.invoke(invocation())
        assert reply.output_location == FOREIGN_LOCATION
        assert reply.inference_id == "abcdefghij.0.0.1"

    simulate(scenario, SimulatorSettings(faults=FaultSettings(reply_foreign_location_share=1.0)))


def test_throttling_says_when_to_come_back(simulate):
    async def scenario(cloud, clock):
        await cloud.invoker.invoke(invocation(0))
        with pytest.raises(CallError) as caught:
            await cloud.invoker.invoke(invocation(1))
        assert (caught.value.code, caught.value.retry_after_s) == ("ThrottlingException", 0.25)
        await clock.sleep_until(START + 0.5)
        await cloud.invoker.invoke(invocation(1))

    simulate(scenario, SimulatorSettings(throttle=ThrottleSettings(rate_per_s=2.0, retry_after_s=0.25)))


def test_a_row_that_the_service_refuses(simulate):
    async def scenario(cloud, clock):
        async with failing(Phase.REPLY, "ValidationError", status=400):
            await cloud.invoker.invoke(invocation(body=b"x" * 128_001))
        async with failing(Phase.REPLY, "ValidationError", status=400):
            await cloud.invoker.invoke(invocation(endpoint="other"))
        assert cloud.world.log == []

    simulate(scenario)


def test_an_early_notification_is_deliverable_before_the_reply(simulate):
    async def scenario(cloud, clock):
        run_queue = await mailbox_of(cloud)
        await cloud.invoker.invoke(invocation())
        assert clock.now() == START + 3.0
        assert len(await cloud.queue(run_queue.url).receive(wait_s=0.0)) == 1
        assert clock.now() == START + 3.0

    simulate(
        scenario,
        SimulatorSettings(
            service_time=Spread(median_s=1.0), notifications=NotificationSettings(early=True, delay_s=2.0)
        ),
    )


def test_a_reply_that_waits_too_long_for_its_notification_is_lost(simulate):
    async def scenario(cloud, clock):
        async with failing(Phase.EXCHANGE, "ReadTimeout", status=None):
            await cloud.invoker.invoke(invocation())
        assert clock.now() == START + 30.0

    simulate(
        scenario,
        SimulatorSettings(service_time=Spread(median_s=60.0), notifications=NotificationSettings(early=True)),
    )


@pytest.mark.parametrize("operation", ["InvokeEndpointAsync", "PutObject", "GetObject", "DeleteObjects",
                                       "ListObjectsV2", "ReceiveMessage", "DeleteMessageBatch"])  # fmt: skip
def test_each_operation_can_be_denied(simulate, operation: str):
    async def scenario(cloud, clock):
        run_queue = await mailbox_of(cloud)
        here = Location("simulated", "k")
        calls = {
            "InvokeEndpointAsync": lambda: cloud.invoker.invoke(invocation()),
            "PutObject": lambda: cloud.objects.put(here, b""),
            "GetObject": lambda: cloud.objects.get(here),
            "DeleteObjects": lambda: cloud.objects.delete([here]),
            "ListObjectsV2": lambda: anext(cloud.objects.list("simulated", "")),
            "ReceiveMessage": lambda: cloud.queue(run_queue.url).receive(wait_s=0.0),
            "DeleteMessageBatch": lambda: cloud.queue(run_queue.url).delete(["1.1"]),
        }
        with pytest.raises(CallError, match=operation) as caught:
            await calls[operation]()
        assert (caught.value.status, caught.value.code[:12]) == (403, "AccessDenied")

    simulate(scenario, SimulatorSettings(faults=FaultSettings(denied=[operation])))


def test_two_clouds_on_one_world_see_the_same(simulate):
    async def scenario(cloud, clock):
        run_queue = await mailbox_of(cloud)
        await cloud.invoker.invoke(invocation())
        successor = MemoryCloud(cloud.world, clock)
        assert len(await successor.queue(run_queue.url).receive()) == 1

    simulate(scenario)


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_it_runs_on_both_backends_in_real_time(backend: str):
    async def scenario() -> None:
        clock = SystemClock()
        cloud = MemoryCloud(
            World(SimulatorSettings(service_time=Spread(median_s=0.01)), now=clock.now()), clock
        )
        run_queue = await mailbox_of(cloud)

        async def poll() -> None:
            with anyio.fail_after(10.0):
                messages = await cloud.queue(run_queue.url).receive()
            assert orjson.loads(messages[0].body)["inferenceId"] == "abcdefghij.3.0.1"

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(poll)
            await anyio.lowlevel.checkpoint()
            await cloud.invoker.invoke(invocation(3))

    anyio.run(scenario, backend=backend)
