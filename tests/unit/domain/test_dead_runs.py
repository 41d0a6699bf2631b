"""Which run is gone, and what is certainly a run's: every line of the decision, and what is in doubt stays."""

from __future__ import annotations

import pytest

from fanout.domain.dead_runs import (
    QUEUE_SILENT_S,
    UNTOLD,
    QueueOwner,
    Sight,
    is_stranded,
    judge,
    queue_owner,
)
from fanout.domain.leftovers import Subscription
from fanout.domain.queues import filter_policy, queue_name, queue_tags

RUN, OTHER = "abcdefghij", "klmnopqrst"
NOW = 1_795_000_000.0
DAY = 86_400.0
TAGS = queue_tags(RUN, endpoint="e", created_at=NOW - 50.0, version="1")


def sight(*, lives=False, age_s=0.0):
    return Sight(RUN, "/rd", "e", lives=lives, age_s=age_s)


@pytest.mark.parametrize(
    ("seen", "silent_s", "older_than_s", "gone"),
    [
        (sight(lives=True, age_s=9 * DAY), 9 * DAY, 0.0, False),
        (sight(), 0.0, 0.0, True),  # its lock is free: dead at once
        (sight(), None, 0.0, True),
        (sight(age_s=60.0), 9 * DAY, DAY, False),
        (sight(age_s=DAY), None, DAY, True),
        (None, None, 0.0, False),
        (None, QUEUE_SILENT_S - 1, 0.0, False),  # whatever is asked for
        (None, QUEUE_SILENT_S, 0.0, True),
        (None, QUEUE_SILENT_S, DAY, False),
        (None, DAY - 1, DAY, False),
        (None, DAY, DAY, True),
    ],
)
def test_a_run_is_gone_by_its_lock_or_by_its_silence(seen, silent_s, older_than_s, gone):
    verdict = judge(seen, silent_s=silent_s, older_than_s=older_than_s)
    assert verdict.gone is gone
    assert verdict.age_s == (silent_s if seen is None else seen.age_s)


def test_fifteen_minutes_are_three_renewals():
    assert QUEUE_SILENT_S == 900.0


def test_the_reason_tells_what_decided():
    assert judge(None, silent_s=None, older_than_s=0.0).reason == UNTOLD
    assert "less than 15 min" in judge(None, silent_s=1.0, older_than_s=0.0).reason
    assert "--older-than" in judge(None, silent_s=1_000.0, older_than_s=DAY).reason
    assert "at work in /rd" in judge(sight(lives=True), silent_s=None, older_than_s=0.0).reason


@pytest.mark.parametrize(
    ("name", "tags", "seen", "owner"),
    [
        (queue_name(RUN), TAGS, None, QueueOwner(RUN, "e", 50.0, None)),
        (queue_name(RUN, again="00ff00"), TAGS, None, QueueOwner(RUN, "e", 50.0, None)),
        (queue_name(RUN), {}, sight(), QueueOwner(RUN, "e", None, None)),
        (queue_name(RUN), None, sight(), QueueOwner(RUN, "e", None, None)),
        (queue_name(RUN), {**TAGS, "fanout:seen": "?"}, None, QueueOwner(RUN, "e", None, None)),
        # A clock that is ahead makes no run look older than it is.
        (queue_name(RUN), queue_tags(RUN, endpoint="e", created_at=NOW + 9.0, version="1"), None,
         QueueOwner(RUN, "e", 0.0, None)),
        (queue_name(RUN), {}, None, QueueOwner(RUN, None, None, "another program's")),
        (queue_name(RUN), None, None, QueueOwner(RUN, None, None, "may not be read")),
        (queue_name(RUN), {"fanout:run": OTHER}, sight(), QueueOwner(RUN, "e", None, f"another run, {OTHER}")),
        ("fanout-dead-letters", TAGS, None, None),
    ],
)  # fmt: skip
def test_a_queue_is_a_runs_by_its_name_and_its_tag_or_its_runs_directory(name, tags, seen, owner):
    found = queue_owner(name, tags, sights={} if seen is None else {RUN: seen}, now=NOW)
    if owner is None or owner.doubt is None:
        assert found == owner
    else:
        assert (found.run_id, found.endpoint, found.silent_s) == (
            owner.run_id,
            owner.endpoint,
            owner.silent_s,
        )
        assert owner.doubt in found.doubt


def subscription(*, account="123456789012", region="us-east-1", name="fanout-abcdefghij"):
    topic = "arn:aws:sns:us-east-1:123456789012:ok"
    return Subscription(f"{topic}:1", topic, f"arn:aws:sqs:{region}:{account}:{name}")


@pytest.mark.parametrize(
    ("found", "policy", "stranded"),
    [
        (subscription(), filter_policy(RUN), True),
        (subscription(), '{"inferenceId":[{"prefix":"abcdefghij."}]}', True),
        (subscription(), filter_policy(OTHER), False),
        (subscription(), None, False),
        (subscription(), "not JSON", False),
        (subscription(account="210987654321"), filter_policy(RUN), False),  # cannot be seen from here
        (subscription(region="eu-west-1"), filter_policy(RUN), False),
        (subscription(name="fanout-letters"), filter_policy(RUN), False),
    ],
)
def test_a_subscription_without_a_queue_is_a_runs_by_its_filter(found, policy, stranded):
    assert is_stranded(found, policy) is stranded
