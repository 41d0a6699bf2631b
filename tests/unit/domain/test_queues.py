"""The tags of a run's queue, and the redrive policy of a shared one."""

from __future__ import annotations

import re

import pytest

from fanout.domain.queues import Redrive, parse_redrive, queue_tags

DEAD = "arn:aws:sqs:us-east-1:123456789012:dead"


def test_the_tags_say_whose_queue_it_is_and_since_when():
    tags = queue_tags("abcdefghij", endpoint="my-endpoint", created_at=1_795_000_000.9, version="0.1.0")
    assert tags == {
        "fanout:run": "abcdefghij",
        "fanout:endpoint": "my-endpoint",
        "fanout:created": "2026-11-18T11:06:40Z",
        "fanout:version": "0.1.0",
    }
    for text in (*tags, *tags.values()):  # what all services allow in tags (Tagging AWS resources)
        assert re.fullmatch(r"[a-zA-Z0-9 _.:/=+@-]{1,128}", text)


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
