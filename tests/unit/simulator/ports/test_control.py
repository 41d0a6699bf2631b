"""The control port in memory: descriptions, and mailboxes that leave nothing behind."""

from __future__ import annotations

import anyio
import pytest
from support.memory import RUN, START, failing, invocation, mailbox_of

from fanout.errors import CallError, Phase, RunError
from fanout.simulator.settings import FaultSettings, LatencySettings, SimulatorSettings, Spread


def test_the_mailbox_is_filtered_by_run_and_leaves_nothing_when_it_closes(simulate):
    async def scenario(cloud, clock):
        run_queue = await mailbox_of(cloud)
        assert run_queue.url == f"https://sqs.us-east-1.amazonaws.com/123456789012/fanout-{RUN}"
        assert (run_queue.filtered, len(run_queue.subscriptions)) == (True, 2)
        other = await cloud.control.open_run_queue("bbbbbbbbbb", cloud.world.topics.arns)
        await cloud.invoker.invoke(invocation())
        assert await cloud.queue(other.url).receive(wait_s=1.0) == []
        assert len(await cloud.queue(run_queue.url).receive(wait_s=1.0)) == 1
        for box in (run_queue, run_queue, other):
            await cloud.control.close_run_queue(box)
        assert cloud.world.queues.names == ()
        assert [cloud.world.topics.list_subscriptions_by_topic(arn) for arn in cloud.world.topics.arns] == [
            (),
            (),
        ]

    simulate(scenario)


def test_opening_the_mailbox_of_a_run_again_finds_its_messages(simulate):
    async def scenario(cloud, clock):
        first = await mailbox_of(cloud)
        await cloud.invoker.invoke(invocation())
        assert await mailbox_of(cloud) == first
        assert len(await cloud.queue(first.url).receive(wait_s=0.0)) == 1

    simulate(scenario)


def test_without_a_free_filter_the_mailbox_takes_everything(simulate):
    async def scenario(cloud, clock):
        world = cloud.world
        for number in range(200):
            world.topics.subscribe(
                world.settings.success_topic,
                world.queues.arn(f"q{number}"),
                attributes={"FilterPolicy": '{"a":["b"]}'},
            )
        run_queue = await mailbox_of(cloud)
        assert not run_queue.filtered
        await cloud.invoker.invoke(invocation(inference_id="somebody.else"))
        assert len(await cloud.queue(run_queue.url).receive(wait_s=0.0)) == 1

    simulate(scenario)


def test_a_mailbox_that_cannot_be_opened_leaves_nothing(simulate):
    async def denied(cloud, clock):
        async with failing(Phase.REPLY, "AuthorizationError", status=403):
            await mailbox_of(cloud)
        assert cloud.world.queues.names == ()

    async def no_topic(cloud, clock):
        missing = "arn:aws:sns:us-east-1:123456789012:missing"
        with pytest.raises(CallError, match=r"^NotFound: "):
            await cloud.control.open_run_queue(RUN, [cloud.world.settings.success_topic, missing])
        assert cloud.world.queues.names == ()
        assert cloud.world.topics.list_subscriptions_by_topic(cloud.world.settings.success_topic) == ()

    async def cancelled(cloud, clock):
        with anyio.move_on_after(15.0):
            await cloud.control.open_run_queue(RUN, cloud.world.topics.arns)
        assert clock.now() == START + 15.0
        assert cloud.world.queues.names == ()
        assert cloud.world.topics.list_subscriptions_by_topic(cloud.world.settings.success_topic) == ()

    simulate(denied, SimulatorSettings(faults=FaultSettings(denied=["Subscribe"])))
    simulate(no_topic)
    simulate(cancelled, SimulatorSettings(latency=LatencySettings(sns=Spread(median_s=10.0))))


@pytest.mark.parametrize(
    ("operation", "code"),
    [
        ("DescribeEndpoint", "AccessDeniedException"),
        ("DescribeEndpointConfig", "AccessDeniedException"),
        ("CreateQueue", "AccessDenied"),
        ("Subscribe", "AuthorizationError"),
    ],
)
def test_what_is_denied_is_named(simulate, operation: str, code: str):
    async def scenario(cloud, clock):
        with pytest.raises(CallError, match=rf"^{code}: .*{operation}"):
            await mailbox_of(cloud)

    simulate(scenario, SimulatorSettings(faults=FaultSettings(denied=[operation])))


def test_describe_refuses_what_is_no_asynchronous_endpoint(simulate):
    async def unknown(cloud, clock):
        async with failing(Phase.REPLY, "ValidationException", status=400):
            await cloud.control.describe("other")

    async def real_time(cloud, clock):
        with pytest.raises(RunError, match="endpoint simulated is not asynchronous"):
            await cloud.control.describe("simulated")

    simulate(unknown)
    simulate(real_time, SimulatorSettings(asynchronous=False))


def test_inline_is_supported(simulate):
    async def scenario(cloud, clock):
        assert await cloud.control.supports_inline()

    simulate(scenario)


def test_the_backlog_is_told_by_the_minute_and_late(simulate):
    async def scenario(cloud, clock):
        began_at = cloud.world.started_at // 60.0 * 60.0 + 60.0
        await clock.sleep_until(began_at)
        await cloud.invoker.invoke(invocation())
        await clock.sleep_until(began_at + 200.0)
        name = cloud.world.settings.endpoint_name
        told = await cloud.control.backlog(name, since=began_at, until=clock.now())
        assert [(point.began_at - began_at, point.length_s, point.most) for point in told] == [
            (0.0, 60.0, 1.0),
            (60.0, 60.0, 0.0),
        ]
        assert await cloud.control.backlog("another", since=began_at, until=clock.now()) == []

    simulate(scenario, SimulatorSettings(service_time=Spread(median_s=20.0)))


def test_a_backlog_that_may_not_be_asked_for_is_none(simulate):
    async def scenario(cloud, clock):
        name = cloud.world.settings.endpoint_name
        assert await cloud.control.backlog(name, since=0.0, until=clock.now()) is None

    simulate(scenario, SimulatorSettings(faults=FaultSettings(denied=frozenset({"GetMetricStatistics"}))))
