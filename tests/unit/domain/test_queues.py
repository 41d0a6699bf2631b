"""The tags of a run's queue, and the redrive policy of a shared one."""

from __future__ import annotations

import re

import pytest

from fanout.domain.queues import Redrive, parse_redrive, queue_name, queue_tags, run_of_queue, seen_at

DEAD = "arn:aws:sqs:us-east-1:123456789012:dead"


def test_the_tags_say_whose_queue_it_is_and_since_when():
    tags = queue_tags("abcdefghij", endpoint="my-endpoint", created_at=1_795_000_000.9, version="0.1.0")
    assert tags == {
        "fanout:run": "abcdefghij",
        "fanout:endpoint": "my-endpoint",
        "fanout:created": "2026-11-18T11:06:40Z",
        "fanout:seen": "2026-11-18T11:06:40Z",
        "fanout:version": "0.1.0",
    }
    for text in (*tags, *tags.values()):  # what all services allow in tags (Tagging AWS resources)
        assert re.fullmatch(r"[a-zA-Z0-9 _.:/=+@-]{1,128}", text)


@pytest.mark.parametrize(
    ("name", "run"),
    [
        (queue_name("abcdefghij"), "abcdefghij"),
        (queue_name("abcdefghij", again="01ab9f"), "abcdefghij"),
        ("fanout-abcdefghij-01AB9F", None),
        ("fanout-abcdefghij-01ab9", None),
        ("fanout-abcdefghij01ab9f", None),
        ("fanout-abcdefghi1", None),  # base32 has no 1
        ("fanout-abcdefghi", None),
        ("fanout-dead-letters", None),
        ("fanout-", None),
        ("my-fanout-abcdefghij", None),
        ("abcdefghij", None),
    ],
)
def test_the_name_of_a_queue_tells_its_run_and_looks_like_no_other(name, run):
    assert run_of_queue(name) == run


@pytest.mark.parametrize(
    ("said", "instant"),
    [
        ("2026-11-18T11:06:40Z", 1_795_000_000.0),
        ("2026-11-18T11:06:40", None),
        ("2026-11-18 11:06:40Z", None),
        ("", None),
        ("soon", None),
    ],
)
def test_a_tag_tells_when_its_run_last_lived(said, instant):
    assert seen_at({"fanout:seen": said, "fanout:created": "2026-11-18T11:06:40Z"}) == instant
    assert seen_at({"fanout:created": "2026-11-18T11:06:40Z"}) is None


@pytest.mark.parametrize(
    ("policy", "redrive"),
    [
        (None, None),
        ("", None),
        (f'{{"deadLetterTargetArn": "{DEAD}", "maxReceiveCount": "5"}}', Redrive(DEAD, 5)),
        (f'{{"deadLetterTargetArn": "{DEAD}", "maxReceiveCount": 5}}', Redrive(DEAD, 5)),
        ("{}", Redrive(None, None)),
        ("[]", Redrive(None, None)),
        ("not JSON", Redrive(None, None)),
        ('{"maxReceiveCount": "many"}', Redrive(None, None)),
    ],
)
def test_a_redrive_policy_is_read_as_sqs_writes_it(policy, redrive):
    assert parse_redrive(policy) == redrive
