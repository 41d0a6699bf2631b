"""What runs have in an account in memory: all of it, of some runs, and what a role may not see."""

from __future__ import annotations

import anyio
import pytest
from support.in_memory import in_memory
from support.left_behind import BUCKET, LeftBehind

from fanout.commands.account_scan import SHARDS, input_prefix, scan_account, topics_of
from fanout.domain.ids import input_key, new_run
from fanout.domain.location import Location
from fanout.domain.queues import RUN_TAG, queue_name
from fanout.errors import RunError
from fanout.simulator.errors import ServiceError

UPLOADS = Location(BUCKET, "inputs")


@pytest.fixture
def left(tmp_path, monkeypatch):
    return LeftBehind(in_memory(monkeypatch), tmp_path)


def scan(left, **asked):
    async def main():
        return await scan_account(left.account.cloud, clock=left.account.clock, **asked)

    return anyio.run(main)


def refusing(monkeypatch, left, *operations, code="AccessDenied", status=403):
    permit = left.account.world.faults.permit

    def refuse(asked):
        if asked in operations:
            raise ServiceError(status, code, "no")
        permit(asked)

    monkeypatch.setattr(left.account.world.faults, "permit", refuse)


def test_all_that_runs_left_is_found_and_nothing_of_anybody_else(left):
    runs = [left.run(), left.run()]
    left.put("inputs/not-a-payload", age_s=0.0)
    found = scan(left, uploads=UPLOADS, places=[Location(BUCKET, left.output_key(runs[0]))])
    assert {url.rpartition("/")[2] for url in found.queues} == set(map(queue_name, runs))
    assert {tags[RUN_TAG] for tags in found.queues.values()} == set(runs)
    assert sorted(each.queue for each in found.subscriptions) == sorted(map(queue_name, [*runs, *runs]))
    assert {run: (each.count, each.size_bytes, each.shards) for run, each in found.inputs.items()} == {
        run: (1, 7, {300 % SHARDS}) for run in runs
    }
    assert [each.location.key for each in found.uploads] == [
        *sorted(f"inputs/05/{run}/5" for run in runs), left.output_key(runs[0]),
    ]  # fmt: skip
    assert (found.stranded, found.unseen) == ([], [])


def test_of_one_run_no_other_is_found(left):
    run, _ = left.run(), left.run()
    found = scan(left, uploads=UPLOADS, run_ids={run})
    assert {url.rpartition("/")[2] for url in found.queues} == {queue_name(run)}
    assert found.inputs.keys() == {run}
    assert [each.location.key for each in found.uploads] == [f"inputs/05/{run}/5"]


def test_without_a_prefix_no_payloads_are_looked_for(left):
    left.run()
    assert (scan(left).inputs, scan(left).uploads) == ({}, [])


def test_a_subscription_without_its_queue_is_found_by_its_filter(left):
    run = new_run()
    arn = left.account.world.settings.success_topic.replace(":sns:", ":sqs:").rpartition(":")[0]
    left.subscribe(run, f"{arn}:{queue_name(run)}")
    found = scan(left)
    assert [each.queue for each in found.subscriptions] == [queue_name(run)]
    assert found.stranded == [each.arn for each in found.subscriptions]


def test_where_queues_may_not_be_seen_no_subscription_counts_as_stranded(left, monkeypatch):
    left.run()
    refusing(monkeypatch, left, "ListQueues")
    found = scan(left, uploads=UPLOADS)
    assert (found.queues, found.subscriptions, found.stranded) == ({}, [], [])
    assert found.unseen == ["queues could not be seen: grant sqs:ListQueues."]
    assert len(found.inputs) == 1, "the rest is found"


def test_tags_that_may_not_be_read_leave_a_queue_without_any(left, monkeypatch):
    left.run()
    left.run()
    refusing(monkeypatch, left, "ListQueueTags")
    found = scan(left)
    assert [*found.queues.values()] == [None, None]
    assert found.unseen == ["tags of queues could not be seen: grant sqs:ListQueueTags."], "it is said once"


def test_who_may_see_nothing_is_told_what_to_grant(left, monkeypatch):
    refusing(monkeypatch, left, "ListQueues", "ListSubscriptions")
    with pytest.raises(
        RunError, match=r"nothing could be looked at: subscriptions .*sns:ListSubscriptions\. queues"
    ):
        scan(left)


def test_a_bucket_that_is_gone_is_empty_for_a_run_that_is_given_up_and_a_mistake_otherwise(left):
    gone = Location("gone", "inputs")
    run = left.run()
    assert scan(left, uploads=gone, run_ids={run}).inputs == {}
    with pytest.raises(RunError, match="uploaded payloads: "):
        scan(left, uploads=gone)


@pytest.mark.parametrize("row", [0, 5, 255, 256, 300])
def test_a_shards_prefix_begins_the_keys_of_its_rows(row):
    run = new_run()
    prefix = input_prefix(UPLOADS, run, row)
    assert input_key("inputs", run, row).startswith(prefix)
    assert prefix == input_prefix(UPLOADS, run, row % SHARDS)


def test_the_topics_are_the_endpoints_and_none_of_one_that_is_gone(left):
    async def topics(endpoint):
        return await topics_of(left.account.cloud, endpoint)

    settings = left.account.world.settings
    assert set(anyio.run(topics, "simulated")) == {settings.success_topic, settings.error_topic}
    assert anyio.run(topics, "another") == anyio.run(topics, None) == ()
