"""Receives and deletes the messages of one SQS queue in AWS JSON 1.0; one attempt a call."""

from __future__ import annotations

import math
from collections.abc import Sequence
from hashlib import sha256
from typing import Any

import orjson

from fanout.aws.http.channel import HttpChannel
from fanout.aws.http.channels import HttpChannels
from fanout.aws.http.reply_errors import json_object, unreadable
from fanout.aws.http.reply_parser import Answer
from fanout.aws.http.sigv4 import Template
from fanout.aws.sdk.queue import BATCH, LONGEST_POLL_S, POLL_SLACK_S
from fanout.domain.records import Message
from fanout.ports import Queue

REPLY_CAP_BYTES = 64 * 1024 * 1024
"""Ten messages of 1 MiB at most, in which JSON may spell each byte with six."""
_RECEIVE, _DELETE = "ReceiveMessage", "DeleteMessageBatch"


class HttpQueue:
    """`ports.Queue` on one `HttpChannel`.

    Args:
        channels: To SQS.
        url: The queue's url.
        otherwise: Takes the calls where no channel leads to the queue.
        timeout_s: Bound of a call as a whole, beyond the wait of a long poll.
    """

    def __init__(self, channels: HttpChannels, url: str, *, otherwise: Queue, timeout_s: float) -> None:
        self._channels = channels
        self._url = url
        self._otherwise = otherwise
        self._timeout_s = timeout_s
        self._templates: dict[tuple[HttpChannel, str], Template] = {}

    def __repr__(self) -> str:
        return f"HttpQueue({self._url!r})"

    async def receive(
        self, *, max_messages: int = BATCH, wait_s: float = LONGEST_POLL_S
    ) -> Sequence[Message]:
        """Return what has come; see `ports.Queue`. SQS counts whole seconds: a fraction is rounded up."""
        channel = await self._channel()
        if channel is None:
            return await self._otherwise.receive(max_messages=max_messages, wait_s=wait_s)
        seconds = min(LONGEST_POLL_S, math.ceil(wait_s))
        question = {
            "QueueUrl": self._url,
            "MaxNumberOfMessages": min(BATCH, max_messages),
            "WaitTimeSeconds": seconds,
        }
        timeout_s = seconds + min(self._timeout_s, POLL_SLACK_S)
        answer = await self._ask(channel, _RECEIVE, question, timeout_s=timeout_s)
        try:
            return [
                Message(body=found["Body"], receipt=found["ReceiptHandle"])
                for found in json_object(answer).get("Messages") or ()
            ]
        except (KeyError, TypeError) as error:
            raise unreadable(answer, "a message without body or receipt") from error

    async def delete(self, receipts: Sequence[str]) -> Sequence[str]:
        """Delete up to 10 messages; return the receipts that the reply does not call successful."""
        if not receipts:
            return []
        channel = await self._channel()
        if channel is None:
            return await self._otherwise.delete(receipts)
        entries = [{"Id": str(index), "ReceiptHandle": receipt} for index, receipt in enumerate(receipts)]
        question = {"QueueUrl": self._url, "Entries": entries}
        answer = await self._ask(channel, _DELETE, question, timeout_s=self._timeout_s)
        try:
            done = {entry["Id"] for entry in json_object(answer).get("Successful") or ()}
        except (KeyError, TypeError) as error:
            raise unreadable(answer, "an entry without id") from error
        return [receipt for index, receipt in enumerate(receipts) if str(index) not in done]

    async def _channel(self) -> HttpChannel | None:
        return self._channels.known(self._url) or await self._channels.find(
            self._url, "receive_message", QueueUrl=self._url
        )

    async def _ask(
        self, channel: HttpChannel, action: str, question: dict[str, Any], *, timeout_s: float
    ) -> Answer:
        body = orjson.dumps(question)
        template = self._templates.get((channel, action))
        if template is None:
            template = self._templates[channel, action] = to_template(channel, action)
        return await channel.send(
            template,
            (),
            payload=sha256(body).hexdigest(),
            body=body,
            timeout_s=timeout_s,
            cap_bytes=REPLY_CAP_BYTES,
        )


def to_template(channel: HttpChannel, action: str) -> Template:
    """Return the kind of request that asks for `action`."""
    return Template(
        "POST",
        host=channel.route.host,
        path=channel.route.path,
        headers={
            "content-type": "application/x-amz-json-1.0",
            "x-amz-target": f"AmazonSQS.{action}",
            # Has errors named as they were before SQS spoke JSON, too: those names say more.
            "x-amzn-query-mode": "true",
        },
        unsigned={"user-agent": channel.route.user_agent},
    )
