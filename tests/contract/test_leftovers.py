"""`domain.leftovers.Leftovers`, and the renewal of a queue's tag, on every cloud: what a clean-up goes by."""

from __future__ import annotations

import time

import pytest

from fanout.domain.ids import new_run
from fanout.domain.leftovers import Subscription
from fanout.domain.location import Location
from fanout.domain.queues import SEEN_TAG, instant_tag, queue_name, queue_tags, seen_at
from fanout.errors import CallError
from fanout.ports import RunQueue

pytestmark = pytest.mark.asyncio(loop_scope="module")

LONG_AGO = 1_700_000_000.0
ODD = 'ünï ☃ "<&>" +%41'


LOOKED_INTO = pytest.mark.parametrize(
    "storage", ["memory", "simulator", "simulator-aiobotocore"], indirect=True
)
"""Only where what makes a second page can be put there at once: a thousand calls to make it take minutes."""


def tags_of(run, *, at=LONG_AGO):
    return queue_tags(run, endpoint="e", created_at=at, version="1")


async def test_queues_are_found_by_their_names_beginning(storage, run):
    leftovers, other = storage.cloud.leftovers, new_run()
    async with storage.run_queue(run) as run_queue, storage.run_queue(other):
        urls, now = await leftovers.queues(queue_name(run))
        assert list(urls) == [run_queue.url]
        assert now == pytest.approx(time.time(), abs=60), "by the clock of SQS"
        together, _ = await leftovers.queues("fanout-")
        assert {url.rpartition("/")[2] for url in together} >= {queue_name(run), queue_name(other)}
        assert (await leftovers.queues(f"no-such-{run}"))[0] == []


@LOOKED_INTO
async def test_every_page_of_queues_is_asked_for(storage, run):
    for number in range(1_001):
        storage.world.queues.create(f"many-{run}-{number:04d}", {})
    urls, _ = await storage.cloud.leftovers.queues(f"many-{run}")
    assert [url.rpartition("-")[2] for url in urls] == [f"{number:04d}" for number in range(1_001)]


async def test_a_run_says_in_a_tag_that_it_lives_by_the_clock_of_sqs(storage, run):
    control, leftovers = storage.cloud.control, storage.cloud.leftovers
    run_queue = await control.open_run_queue(run, storage.topics, tags=tags_of(run))
    try:
        made = await leftovers.tags(run_queue.url)
        assert {**made, SEEN_TAG: ""} == {**tags_of(run), SEEN_TAG: ""}
        assert seen_at(made) == pytest.approx(time.time(), abs=60), "whatever the run's clock says"
        # What a killed run left is taken over with its tags, and renewed.
        await control.open_run_queue(run, storage.topics, tags=tags_of(run))
        before = instant_tag(time.time() - 1)
        await control.renew_run_queue(run_queue.url)
        renewed = await leftovers.tags(run_queue.url)
        assert renewed[SEEN_TAG] >= before
        assert {**renewed, SEEN_TAG: ""} == {**made, SEEN_TAG: ""}
    finally:
        await control.close_run_queue(run_queue)
    if storage.name != "live":  # SQS takes up to a minute
        assert await leftovers.tags(run_queue.url) is None


async def test_a_queue_that_is_gone_cannot_be_renewed(storage, run):
    async with storage.run_queue(run) as run_queue:
        with pytest.raises(CallError):
            await storage.cloud.control.renew_run_queue(f"{run_queue.url}-missing")


async def test_subscriptions_are_found_by_topic_and_by_account_with_the_mark_of_their_run(storage, run):
    leftovers = storage.cloud.leftovers
    async with storage.run_queue(run) as run_queue:
        arn = f"{storage.topics[0].replace(':sns:', ':sqs:').rpartition(':')[0]}:{queue_name(run)}"
        wanted = [
            Subscription(subscription, topic, arn)
            for subscription, topic in zip(run_queue.subscriptions, storage.topics, strict=True)
        ]
        assert wanted[0].queue == queue_name(run)
        for each in wanted:
            assert each in await leftovers.subscriptions(each.topic)
        account = await leftovers.subscriptions(None)
        assert [each for each in account if each.queue == queue_name(run)] == wanted
        assert f'"{run}."' in await leftovers.filter_of(run_queue.subscriptions[0])
        await leftovers.unsubscribe(run_queue.subscriptions[0])
        await leftovers.unsubscribe(run_queue.subscriptions[0])
        assert wanted[0] not in await leftovers.subscriptions(storage.topics[0])
        if storage.name != "live":  # SNS tells of a removed one for a while
            assert await leftovers.filter_of(run_queue.subscriptions[0]) is None
    assert list(await leftovers.subscriptions(f"{storage.topics[0]}-missing")) == []


@LOOKED_INTO
async def test_every_page_of_subscriptions_is_asked_for(storage, run):
    topics, arn = storage.world.topics, storage.world.queues.arn
    for number in range(201):
        topics.subscribe(storage.topics[0], arn(f"many-{run}-{number}"))
    for topic in (storage.topics[0], None):
        found = await storage.cloud.leftovers.subscriptions(topic)
        assert len({each.arn for each in found if f"many-{run}-" in each.queue}) == 201


async def test_unfinished_uploads_are_found_below_a_prefix_and_removed(storage, run):
    objects, leftovers = storage.cloud.objects, storage.cloud.leftovers
    keys = [f"{run}/{ODD}", f"{run}/a", f"{run}/a"]
    begun = [await objects.begin_upload(Location(storage.bucket, key)) for key in keys]
    whole = await objects.begin_upload(Location(storage.bucket, f"{run}/whole"))
    await whole.put_part(1, b"x")
    await whole.complete()
    elsewhere = await objects.begin_upload(Location(storage.bucket, f"{run}-other"))
    found = await leftovers.uploads(storage.bucket, f"{run}/")
    assert sorted((each.location.key, each.id) for each in found) == sorted(
        (key, upload.id) for key, upload in zip(keys, begun, strict=True)
    )
    assert {each.location.bucket for each in found} == {storage.bucket}
    for each in found:
        assert each.began_at == pytest.approx(time.time(), abs=60) or storage.name == "moto"  # a fixed date
        await leftovers.abort(each)
        await leftovers.abort(each)
    assert await leftovers.uploads(storage.bucket, f"{run}/") == []
    assert [each.id for each in await leftovers.uploads(storage.bucket, f"{run}-")] == [elsewhere.id]
    await elsewhere.abort()


@LOOKED_INTO
async def test_every_page_of_unfinished_uploads_is_asked_for(storage, run):
    for number in range(1_001):
        key = f"many-{run}/{number // 2:04d}"  # pages end between two uploads of one key, too
        storage.world.objects.create_multipart(storage.bucket, key, content_type=None)
    found = await storage.cloud.leftovers.uploads(storage.bucket, f"many-{run}/")
    assert len({each.id for each in found}) == len(found) == 1_001


async def test_a_queue_of_a_clean_up_is_closed_like_a_runs_own(storage, run):
    control, leftovers = storage.cloud.control, storage.cloud.leftovers
    await control.open_run_queue(run, storage.topics)
    (url,), _ = await leftovers.queues(queue_name(run))
    found = [each.arn for each in await leftovers.subscriptions(None) if each.queue == queue_name(run)]
    await control.close_run_queue(RunQueue(url, tuple(found), filtered=False))
    assert [each for each in await leftovers.subscriptions(None) if each.queue == queue_name(run)] == []
