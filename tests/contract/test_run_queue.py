"""`ports.Queue`, and the run queue of `ports.Control`, on every cloud."""

from __future__ import annotations

import json
import time

import pytest
from support.stalls import watched

from fanout.domain.ids import new_run
from fanout.domain.queue_policy import allows_topic
from fanout.domain.queues import Redrive, parse_redrive
from fanout.errors import CallError, Phase

pytestmark = pytest.mark.asyncio(loop_scope="module")

MISSING = "AWS.SimpleQueueService.NonExistentQueue"


def notification(run, row=0):
    return json.dumps(
        {"inferenceId": f"{run}.{row}.0.1", "invocationStatus": "Completed", "note": 'ünï ☃ "<&>"'}
    )


async def drain(storage, run_queue):
    """Return all messages that are there; real SNS takes its time, the others deliver while they publish."""
    messages = []
    while found := await storage.cloud.queue(run_queue.url).receive(
        wait_s=5 if storage.name == "live" else 0
    ):
        messages += found
    return messages


async def fill(storage, run, count):
    for row in range(count):
        await storage.publish(storage.topics[0], notification(run, row))


async def test_a_message_of_the_run_arrives_as_it_was_published(storage, run):
    text = notification(run)
    async with storage.run_queue(run) as run_queue:
        await storage.publish(storage.topics[0], text)
        (message,) = await storage.cloud.queue(run_queue.url).receive(wait_s=20)
    assert message.body == text
    assert message.receipt


async def test_every_topic_is_heard(storage, run):
    async with storage.run_queue(run) as run_queue:
        assert len(run_queue.subscriptions) == len(storage.topics)
        for row, topic in enumerate(storage.topics):
            await storage.publish(topic, notification(run, row))
        bodies = {message.body for message in await drain(storage, run_queue)}
    assert bodies == {notification(run, row) for row in range(len(storage.topics))}


async def test_strangers_messages_are_filtered(storage, run):
    other = new_run()
    async with storage.run_queue(run) as run_queue:
        assert run_queue.filtered
        await storage.publish(storage.topics[0], notification(other))
        await storage.publish(storage.topics[0], notification(f"x{run}"))
        await storage.publish(storage.topics[0], json.dumps({"eventName": "TestNotification"}))
        await storage.publish(storage.topics[0], notification(run))
        bodies = {message.body for message in await drain(storage, run_queue)}
    if storage.name == "live":  # a filter may take 15 minutes to hold
        assert notification(run) in bodies
    else:
        assert bodies == {notification(run)}


async def test_two_runs_each_hear_their_own(storage, run):
    other = new_run()
    async with storage.run_queue(run) as ours, storage.run_queue(other) as theirs:
        assert ours.url != theirs.url
        await storage.publish(storage.topics[0], notification(run))
        await storage.publish(storage.topics[0], notification(other))
        assert notification(run) in {found.body for found in await drain(storage, ours)}
        assert notification(other) in {found.body for found in await drain(storage, theirs)}


async def test_opening_again_takes_over_what_is_there(storage, run):
    async with storage.run_queue(run) as first:
        await storage.publish(storage.topics[0], notification(run))
        async with storage.run_queue(run) as second:
            assert second.url == first.url
            (message,) = await drain(storage, second)
            assert message.body == notification(run)


async def test_an_empty_queue_is_waited_for_and_returns_nothing(storage, run):
    async with storage.run_queue(run) as run_queue:
        queue = storage.cloud.queue(run_queue.url)
        assert list(await queue.receive(wait_s=0)) == []  # connects
        started = time.monotonic()
        assert list(await queue.receive(wait_s=0)) == []
        beside_s = time.monotonic() - started
        with watched() as machine:
            started = time.monotonic()
            assert list(await queue.receive(wait_s=1)) == []
            waited_s = time.monotonic() - started
        assert 0.9 <= waited_s < 1.0 + 2 * beside_s + 0.3 + machine.late_s


async def test_a_message_in_flight_is_not_received_again(storage, run):
    async with storage.run_queue(run) as run_queue:
        queue = storage.cloud.queue(run_queue.url)
        await fill(storage, run, 1)
        assert len(await queue.receive(wait_s=20)) == 1
        assert list(await queue.receive(wait_s=0)) == []


async def test_batches_of_ten(storage, run):
    async with storage.run_queue(run) as run_queue:
        queue = storage.cloud.queue(run_queue.url)
        await fill(storage, run, 12)
        assert len(await queue.receive(max_messages=3, wait_s=20)) <= 3
        messages = await queue.receive(wait_s=20)
        assert len(messages) <= 10
        assert len({message.receipt for message in messages}) == len(messages)
        assert list(await queue.delete([message.receipt for message in messages])) == []


async def test_a_bad_receipt_fails_alone(storage, run):
    async with storage.run_queue(run) as run_queue:
        queue = storage.cloud.queue(run_queue.url)
        await fill(storage, run, 1)
        (message,) = await queue.receive(wait_s=20)
        assert list(await queue.delete(["no-such-receipt", message.receipt])) == ["no-such-receipt"]
        assert await drain(storage, run_queue) == []


async def test_closing_twice_is_harmless_and_leaves_no_queue(storage, run):
    run_queue = await storage.cloud.control.open_run_queue(run, storage.topics)
    await storage.cloud.control.close_run_queue(run_queue)
    await storage.cloud.control.close_run_queue(run_queue)
    if storage.name == "live":  # SQS takes up to a minute
        return
    with pytest.raises(CallError) as caught:
        await storage.cloud.queue(run_queue.url).receive(wait_s=0)
    assert (caught.value.phase, caught.value.code, caught.value.status) == (Phase.REPLY, MISSING, 400)


async def test_a_queue_that_is_not_there(storage, run):
    async with storage.run_queue(run) as run_queue:
        queue = storage.cloud.queue(f"{run_queue.url}-missing")
        for call in (queue.receive(wait_s=0), queue.delete(["receipt"])):
            with pytest.raises(CallError) as caught:
                await call
            assert (caught.value.phase, caught.value.code, caught.value.status) == (Phase.REPLY, MISSING, 400)


async def test_a_topic_that_is_not_there_opens_nothing(storage, run):
    topic = storage.topics[0] + "-missing"
    with pytest.raises(CallError) as caught:
        await storage.cloud.control.open_run_queue(run, [storage.topics[0], topic])
    assert (caught.value.phase, caught.value.code, caught.value.status) == (Phase.REPLY, "NotFound", 404)
    if storage.world is not None:
        assert f"fanout-{run}" not in storage.world.queues.names
        assert storage.world.topics.list_subscriptions_by_topic(storage.topics[0]) == ()


async def tags_of(storage, url):
    """Return the tags of a queue, as SQS lists them."""
    if storage.name == "memory":
        return storage.world.queues.tags(url.rpartition("/")[2])
    return (await storage.cloud._clients["sqs"].list_queue_tags(QueueUrl=url)).get("Tags", {})


async def test_the_queue_carries_its_tags(storage, run):
    tags = {"fanout:run": run, "fanout:created": "2026-11-30T10:00:00Z"}
    run_queue = await storage.cloud.control.open_run_queue(run, storage.topics, tags=tags)
    try:
        assert run_queue.tagged
        assert await tags_of(storage, run_queue.url) == tags
        again = await storage.cloud.control.open_run_queue(run, storage.topics, tags={"fanout:run": run})
        assert await tags_of(storage, again.url) == tags, "what is taken over keeps its own"
    finally:
        await storage.cloud.control.close_run_queue(run_queue)


async def test_the_attributes_of_a_queue_are_told_by_their_names(storage, run):
    async with storage.run_queue(run) as run_queue:
        told = await storage.cloud.control.queue_attributes(run_queue.url)
        assert int(told["VisibilityTimeout"]) >= 300
        assert all(allows_topic(told["Policy"], topic) for topic in storage.topics)
        assert not allows_topic(told["Policy"], f"{storage.topics[0]}-another")


async def test_a_redrive_policy_is_told(storage, run):
    dead, control = new_run(), storage.cloud.control
    async with storage.run_queue(run) as run_queue, storage.run_queue(dead) as letters:
        assert "RedrivePolicy" not in await control.queue_attributes(run_queue.url)
        arn = f"{storage.topics[0].replace(':sns:', ':sqs:').rpartition(':')[0]}:fanout-{dead}"
        attributes = {"RedrivePolicy": json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": 5})}
        if storage.name == "memory":
            storage.world.queues.set_attributes(f"fanout-{run}", attributes)
        else:
            sqs = storage.cloud._clients["sqs"]
            await sqs.set_queue_attributes(QueueUrl=run_queue.url, Attributes=attributes)
        told = await control.queue_attributes(run_queue.url)
        assert parse_redrive(told["RedrivePolicy"]) == Redrive(arn, 5)
        assert "RedrivePolicy" not in await control.queue_attributes(letters.url)
    with pytest.raises(CallError) as caught:
        await control.queue_attributes(f"{run_queue.url}-missing")
    assert (caught.value.phase, caught.value.code, caught.value.status) == (Phase.REPLY, MISSING, 400)
