"""Which policies of a queue let a topic send to it."""

from __future__ import annotations

import orjson
import pytest

from fanout.domain.queue_policy import allows_topic

TOPIC = "arn:aws:sns:us-east-1:123456789012:done"
SNS = {"Service": "sns.amazonaws.com"}


def policy(*statements: dict[str, object]) -> str:
    return orjson.dumps({"Statement": list(statements)}).decode()


def allow(**changes: object) -> dict[str, object]:
    statement = {
        "Effect": "Allow",
        "Principal": SNS,
        "Action": "sqs:SendMessage",
        "Condition": {"ArnEquals": {"aws:SourceArn": TOPIC}},
    }
    return statement | changes


@pytest.mark.parametrize(
    ("document", "allowed"),
    [
        ("", False),
        (policy(), False),
        (policy(allow()), True),
        (orjson.dumps({"Statement": allow()}).decode(), True),
        (policy(allow(Condition=None)), True),
        (policy(allow(Principal="*")), True),
        (policy(allow(Principal={"AWS": "*"})), True),
        (policy(allow(Principal={"Service": ["s3.amazonaws.com", "sns.amazonaws.com"]})), True),
        (policy(allow(Principal={"Service": "s3.amazonaws.com"})), False),
        (policy(allow(Action=["sqs:ReceiveMessage", "SQS:SendMessage"])), True),
        (policy(allow(Action="sqs:*")), True),
        (policy(allow(Action="sqs:ReceiveMessage")), False),
        (policy(allow(Condition={"ArnEquals": {"aws:SourceArn": [TOPIC + "x", TOPIC]}})), True),
        (policy(allow(Condition={"ArnEquals": {"aws:SourceArn": TOPIC + "x"}})), False),
        (policy(allow(Condition={"ArnLike": {"aws:SourceArn": "arn:aws:sns:*:123456789012:*"}})), True),
        (policy(allow(Condition={"StringEquals": {"AWS:SourceArn": TOPIC}})), True),
        (policy(allow(Condition={"StringEquals": {"aws:SourceArn": "arn:*"}})), False),
        (policy(allow(Condition={"StringEquals": {"aws:SourceAccount": "123456789012"}})), True),
        (policy(allow(Condition={"StringEquals": {"aws:SourceAccount": "210987654321"}})), False),
        (
            policy(
                allow(
                    Condition={
                        "ArnLike": {"aws:SourceArn": TOPIC},
                        "StringEquals": {"aws:SourceAccount": "123456789012"},
                    }
                )
            ),
            True,
        ),
        (policy(allow(Condition={"Bool": {"aws:SecureTransport": "true"}})), False),
        ("not json", False),
        (policy(allow(), allow(Effect="Deny", Principal="*")), False),
    ],
)
def test_a_topic_may_send_if_a_statement_allows_it_and_none_denies_it(document: str, *, allowed: bool):
    assert allows_topic(document, TOPIC) is allowed
