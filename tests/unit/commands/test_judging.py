"""Of which run each thing in an account is, and whether it may go: `domain.dead_runs` has the rules."""

from __future__ import annotations

import pytest

from fanout.commands.account_scan import AccountScan, Inputs
from fanout.commands.judging import KEPT, NOT_NOTED, judged
from fanout.commands.leftovers import FoundInputs, FoundQueue, Stranded
from fanout.domain.dead_runs import Sight
from fanout.domain.leftovers import BegunUploads, Subscription, UnfinishedUpload
from fanout.domain.location import Location
from fanout.domain.queues import queue_name, queue_tags

NOW, DAY = 1_800_000_000.0, 86_400.0
RUN, OTHER = "abcdefghij", "bcdefghijk"
UPLOADS = Location("bucket", "inputs")
OUTPUT = Location("results", "out.parquet")
URL = f"https://sqs/1/{queue_name(RUN)}"


def tags(*, silent_s, endpoint="mine", run=RUN):
    return queue_tags(run, endpoint=endpoint, created_at=NOW - silent_s, version="1")


def subscription(run=RUN):
    return Subscription("arn:s", "arn:aws:sns:r:1:t", f"arn:aws:sqs:r:1:{queue_name(run)}")


def sight(*, lives=False, age_s=DAY, keeps_inputs=False, run=RUN):
    return {run: Sight(run, "rd", "mine", lives=lives, age_s=age_s, keeps_inputs=keeps_inputs)}


def judge(*, sights=None, begun=None, endpoint=None, older_than_s=0.0, unfinished=(), **found):
    nothing = {"queues": {}, "subscriptions": [], "stranded": [], "inputs": {}, "unseen": []}
    return judged(
        AccountScan(now=NOW, uploads=unfinished, **(nothing | found)),
        sights=sights or {},
        uploads=UPLOADS,
        begun=begun or {},
        endpoint=endpoint,
        older_than_s=older_than_s,
    )


def payloads(*, age_s=2 * DAY, run=RUN):
    return {run: Inputs(run, {5}, count=3, size_bytes=300, newest_at=NOW - age_s)}


@pytest.mark.parametrize(("silent_s", "goes"), [(899.0, False), (901.0, True)])
def test_a_queue_goes_once_its_run_is_silent_for_a_quarter_of_an_hour(silent_s, goes):
    [queue] = judge(queues={URL: tags(silent_s=silent_s)})
    assert (queue.kind, queue.name, queue.run_id, queue.endpoint) == ("queue", URL, RUN, "mine")
    assert (queue.verdict.gone, queue.verdict.age_s) == (goes, silent_s)
    assert queue.target == FoundQueue(URL, NOW - silent_s)


def test_what_a_person_asks_for_counts_beyond_that():
    [queue] = judge(queues={URL: tags(silent_s=3_600)}, older_than_s=7_200)
    assert (queue.verdict.gone, queue.verdict.reason) == (
        False,
        "its run was alive more recently than --older-than says",
    )


def test_queues_of_nobody_and_of_doubtful_owners_are_left():
    queues = {
        "https://sqs/1/theirs": {},
        URL: None,
        f"https://sqs/1/{queue_name(OTHER)}": tags(silent_s=DAY),  # it names the first run
    }
    found = judge(queues=queues)
    assert [(each.run_id, each.verdict.gone, each.verdict.reason) for each in found] == [
        (RUN, False, "its tags may not be read"),
        (OTHER, False, f"its tag fanout:run names another run, {RUN}"),
    ]


def test_a_subscription_goes_with_its_queue_or_when_that_is_gone():
    with_queue = judge(queues={URL: tags(silent_s=60)}, subscriptions=[subscription()])
    assert [(each.kind, each.verdict.gone) for each in with_queue] == [
        ("queue", False),
        ("subscription", False),
    ]
    [alone] = judge(subscriptions=[subscription()], stranded=["arn:s"])
    assert (alone.verdict.gone, alone.verdict.reason) == (True, "its queue is gone")
    assert alone.target == Stranded(subscription())
    [lives] = judge(subscriptions=[subscription()], stranded=["arn:s"], sights=sight(lives=True))
    assert (lives.verdict.gone, lives.verdict.reason) == (False, "its run is at work in rd")


@pytest.mark.parametrize(("age_s", "goes"), [(DAY - 1, False), (DAY + 1, True)])
def test_payloads_without_a_queue_go_after_a_day(age_s, goes):
    [inputs] = judge(inputs=payloads(age_s=age_s))
    assert (inputs.kind, inputs.count, inputs.size_bytes, inputs.verdict.gone) == ("inputs", 3, 300, goes)
    assert inputs.name == f"s3://bucket/inputs/*/{RUN}/"
    assert inputs.target == FoundInputs(UPLOADS, payloads(age_s=age_s)[RUN])


def test_payloads_of_a_run_go_by_its_queue_however_old_or_young_they_are():
    old = judge(queues={URL: tags(silent_s=60)}, inputs=payloads(age_s=9 * DAY))
    young = judge(queues={URL: tags(silent_s=2_000)}, inputs=payloads(age_s=10))
    assert [each.verdict.gone for each in old] == [False, False]
    assert [each.verdict.gone for each in young] == [True, True]


def test_a_directory_in_sight_counts_more_than_all_tags():
    [kept] = judge(inputs=payloads(), sights=sight(keeps_inputs=True))
    assert kept.verdict == KEPT
    [at_work] = judge(queues={URL: tags(silent_s=9 * DAY)}, sights=sight(lives=True))
    assert not at_work.verdict.gone
    [stopped] = judge(queues={URL: tags(silent_s=0)}, sights=sight(age_s=60))
    assert (stopped.verdict.gone, stopped.sight) == (True, sight(age_s=60)[RUN])


def test_an_unfinished_upload_is_a_runs_by_its_place_or_by_what_the_run_has_noted():
    payload = UnfinishedUpload(Location("bucket", f"inputs/05/{RUN}/5"), "u1", NOW - 2 * DAY)
    own = UnfinishedUpload(OUTPUT, "u2", NOW - 2 * DAY)
    stranger = UnfinishedUpload(OUTPUT, "u3", NOW - 60)
    nowhere = UnfinishedUpload(Location("bucket", "other/file"), "u4", NOW - 2 * DAY)
    begun = {RUN: BegunUploads(frozenset({(OUTPUT, "u2")}), ((OUTPUT, 0.0, 1.0),))}
    found = judge(begun=begun, unfinished=[payload, own, stranger, nowhere])
    assert [(each.target, each.run_id, each.verdict.gone) for each in found] == [
        (payload, RUN, True), (own, RUN, True), (stranger, RUN, False),
    ]  # fmt: skip
    assert found[2].verdict.reason == NOT_NOTED
    assert found[0].name == f"s3://bucket/inputs/05/{RUN}/5 (upload u1)"


def test_of_one_endpoint_what_may_be_anothers_stays_and_what_is_anothers_is_not_told():
    queues = {
        URL: tags(silent_s=DAY),
        f"https://sqs/1/{queue_name(OTHER)}": tags(silent_s=DAY, endpoint="b", run=OTHER),
    }
    nobodys = payloads(run="cdefghijkl")
    found = judge(queues=queues, inputs=nobodys, endpoint="mine")
    assert [(each.run_id, each.verdict.gone) for each in found] == [(RUN, True), ("cdefghijkl", False)]
    assert found[1].verdict.reason == "nothing tells of which endpoint its run is"
