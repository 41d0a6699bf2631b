"""The queue in memory, on virtual time: long polls wake when they should, deletes fail one by one."""

from __future__ import annotations

import anyio
import orjson
from support.memory import RUN, START, failing, invocation, mailbox_of

from fanout.errors import Phase
from fanout.simulator.settings import FaultSettings, SimulatorSettings, Spread


def test_a_long_poll_waits_as_long_as_it_was_told_and_no_longer(simulate):
    async def scenario(cloud, clock):
        run_queue = await mailbox_of(cloud)
        assert await cloud.queue(run_queue.url).receive(wait_s=7.5) == []
        assert clock.now() == START + 7.5
        assert await cloud.queue(run_queue.url).receive(wait_s=0.0) == []
        assert clock.now() == START + 7.5

    simulate(scenario)


def test_a_long_poll_wakes_for_what_happens_after_it_began(simulate):
    async def scenario(cloud, clock):
        run_queue = await mailbox_of(cloud)
        arrivals: list[float] = []

        async def poll():
            await cloud.queue(run_queue.url).receive(wait_s=20.0)
            arrivals.append(clock.now())

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(poll)
            await clock.sleep_until(START + 3.0)
            await cloud.invoker.invoke(invocation())
        assert arrivals == [START + 5.0]

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(poll)
            await clock.sleep_until(START + 9.0)
            cloud.world.publish_test_notification(now=clock.now())
        # The filter on the run keeps a TestNotification out, so the poll ends with nothing, in its time.
        assert arrivals[1] == START + 25.0

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(poll)
            await clock.sleep_until(START + 26.0)
            cloud.world.queues.send(f"fanout-{RUN}", "by hand", now=clock.now())
        assert arrivals[2] == START + 26.0

    simulate(scenario, SimulatorSettings(service_time=Spread(median_s=2.0)))


def test_a_long_poll_returns_a_message_whose_visibility_ends(simulate):
    async def scenario(cloud, clock):
        run_queue = await mailbox_of(cloud)
        queue = cloud.queue(run_queue.url)
        await cloud.invoker.invoke(invocation())
        [first] = await queue.receive()
        [second] = await queue.receive()
        assert clock.now() == START + 8.0
        assert (first.body, first.receipt) != (second.body, second.receipt)
        assert first.body == second.body

    simulate(scenario, SimulatorSettings(mailbox_visibility_s=8))


def test_many_pollers_share_the_messages_and_each_comes_once(simulate):
    async def scenario(cloud, clock):
        run_queue = await mailbox_of(cloud)
        queue = cloud.queue(run_queue.url)
        seen: list[str] = []

        async def poll():
            while len(seen) < 300:
                for message in await queue.receive(wait_s=5.0):
                    seen.append(orjson.loads(message.body)["inferenceId"])
                    await queue.delete([message.receipt])

        async def send():
            for row in range(300):
                await cloud.invoker.invoke(invocation(row))
                await clock.sleep_until(clock.now() + 0.01)

        async with anyio.create_task_group() as tasks:
            for _ in range(4):
                tasks.start_soon(poll)
            tasks.start_soon(send)
        assert sorted(seen) == sorted(f"{RUN}.{row}.0.1" for row in range(300))

    simulate(scenario, SimulatorSettings(instances=4, service_time=Spread(median_s=0.5, sigma=0.7)))


def test_deletes_fail_for_each_message_alone(simulate):
    async def scenario(cloud, clock):
        run_queue = await mailbox_of(cloud)
        queue = cloud.queue(run_queue.url)
        for row in range(10):
            await cloud.invoker.invoke(invocation(row))
        receipts = [message.receipt for message in await queue.receive()]
        refused = list(await queue.delete(receipts))
        assert 0 < len(refused) < 10
        left = cloud.world.queues.statistics(f"fanout-{RUN}", now=clock.now())
        assert left.in_flight == len(refused)

    simulate(scenario, SimulatorSettings(faults=FaultSettings(partial_delete_failure_share=0.5)))


def test_a_handle_that_was_never_given_is_refused_inside_the_200(simulate):
    async def scenario(cloud, clock):
        run_queue = await mailbox_of(cloud)
        queue = cloud.queue(run_queue.url)
        await cloud.invoker.invoke(invocation())
        [message] = await queue.receive()
        assert await queue.delete([message.receipt, "garbage"]) == ["garbage"]
        for receipts in ([], ["1.1"] * 11):
            async with failing(
                Phase.REPLY, "AWS.SimpleQueueService.TooManyEntriesInBatchRequest", status=400
            ):
                await queue.delete(receipts)

    simulate(scenario)


def test_a_queue_refuses_what_sqs_refuses(simulate):
    async def scenario(cloud, clock):
        run_queue = await mailbox_of(cloud)
        async with failing(Phase.REPLY, "InvalidParameterValue", status=400):
            await cloud.queue(run_queue.url).receive(wait_s=21.0)
        async with failing(Phase.REPLY, "ReadCountOutOfRange", status=400):
            await cloud.queue(run_queue.url).receive(max_messages=11)
        gone = cloud.queue("https://sqs.us-east-1.amazonaws.com/123456789012/gone")
        async with failing(Phase.REPLY, "AWS.SimpleQueueService.NonExistentQueue", status=400):
            await gone.receive(wait_s=0.0)
        async with failing(Phase.REPLY, "AWS.SimpleQueueService.NonExistentQueue", status=400):
            await gone.delete(["1.1"])

    simulate(scenario)


def test_a_queue_that_is_deleted_ends_its_long_polls(simulate):
    async def scenario(cloud, clock):
        run_queue = await mailbox_of(cloud)

        async def poll():
            async with failing(Phase.REPLY, "AWS.SimpleQueueService.NonExistentQueue", status=400):
                await cloud.queue(run_queue.url).receive(wait_s=20.0)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(poll)
            await clock.sleep_until(START + 1.0)
            await cloud.control.close_run_queue(run_queue)
            assert cloud.world.queues.names == ()

    simulate(scenario)
