"""Long polls and delete batches, as they come over the wire."""

from __future__ import annotations

import json

import pytest

from fanout.domain.records import Message

pytestmark = pytest.mark.asyncio
URL = "https://sqs.us-east-1.amazonaws.com/123456789012/q"


def answer(wire, content):
    return wire.answering(wire.reply(200, json.dumps(content).encode()))


async def test_messages_are_body_and_receipt(wire):
    found = {"Messages": [{"MessageId": "1", "Body": "b", "ReceiptHandle": "r", "MD5OfBody": "x"}]}
    async with wire.cloud_against(answer(wire, found)) as (cloud, server):
        assert await cloud.queue(URL).receive(max_messages=3, wait_s=0.2) == [Message("b", "r")]
    assert json.loads(server.requests[0].body) == {
        "QueueUrl": URL,
        "MaxNumberOfMessages": 3,
        "WaitTimeSeconds": 1,
    }


async def test_what_sqs_does_not_allow_is_not_asked(wire):
    async with wire.cloud_against(answer(wire, {})) as (cloud, server):
        assert await cloud.queue(URL).receive(max_messages=50, wait_s=60) == []
    assert json.loads(server.requests[0].body) == {
        "QueueUrl": URL,
        "MaxNumberOfMessages": 10,
        "WaitTimeSeconds": 20,
    }


@pytest.mark.parametrize(
    "reply",
    [
        {
            "Successful": [{"Id": "0"}],
            "Failed": [{"Id": "1", "Code": "ReceiptHandleIsInvalid", "SenderFault": True}],
        },
        {"Successful": [{"Id": "0"}]},  # not even named as failed
    ],
)
async def test_delete_returns_what_the_reply_does_not_call_successful(wire, reply):
    async with wire.cloud_against(answer(wire, reply)) as (cloud, server):
        assert await cloud.queue(URL).delete(["r0", "r1"]) == ["r1"]
        assert await cloud.queue(URL).delete([]) == []
    assert len(server.requests) == 1
    assert json.loads(server.requests[0].body)["Entries"] == [
        {"Id": "0", "ReceiptHandle": "r0"}, {"Id": "1", "ReceiptHandle": "r1"}
    ]  # fmt: skip
