"""Receives and deletes the messages of one SQS queue through aiobotocore; one attempt a call."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from fanout.aws.errors import UNREADABLE
from fanout.aws.timeouts import bounded
from fanout.domain.records import Message
from fanout.errors import CallError, Phase

BATCH = 10
"""Messages of one ReceiveMessage or DeleteMessageBatch (API reference)."""
LONGEST_POLL_S = 20
"""WaitTimeSeconds at most (API reference)."""
POLL_SLACK_S = 15.0
"""How long after its own wait a poll may still answer; the client's read timeout is set by it, too."""


class SqsQueue:
    """`ports.Queue` on one SQS client.

    Args:
        client: An aiobotocore client whose read timeout exceeds `LONGEST_POLL_S`.
        url: The queue's url.
        timeout_s: Bound of a call as a whole, beyond the wait of a long poll.
    """

    def __init__(self, client: Any, url: str, *, timeout_s: float) -> None:
        self._client = client
        self._url = url
        self._timeout_s = timeout_s

    def __repr__(self) -> str:
        return f"SqsQueue({self._url!r})"

    async def receive(
        self, *, max_messages: int = BATCH, wait_s: float = LONGEST_POLL_S
    ) -> Sequence[Message]:
        """Return what has come; see `ports.Queue`. SQS counts whole seconds: a fraction is rounded up."""
        seconds = min(LONGEST_POLL_S, math.ceil(wait_s))
        async with bounded(seconds + min(self._timeout_s, POLL_SLACK_S)):
            answer = await self._client.receive_message(
                QueueUrl=self._url, MaxNumberOfMessages=min(BATCH, max_messages), WaitTimeSeconds=seconds
            )
        try:
            return [
                Message(body=found["Body"], receipt=found["ReceiptHandle"])
                for found in answer.get("Messages", ())
            ]
        except KeyError as error:
            message = "a message without body or receipt"
            raise CallError(Phase.EXCHANGE, UNREADABLE, message=message) from error

    async def delete(self, receipts: Sequence[str]) -> Sequence[str]:
        """Delete up to 10 messages; return the receipts that the reply does not call successful.

        A batch fails entry by entry inside a 200.
        """
        if not receipts:
            return []
        entries = [{"Id": str(index), "ReceiptHandle": receipt} for index, receipt in enumerate(receipts)]
        async with bounded(self._timeout_s):
            answer = await self._client.delete_message_batch(QueueUrl=self._url, Entries=entries)
        done = {entry["Id"] for entry in answer.get("Successful", ())}
        return [receipt for index, receipt in enumerate(receipts) if str(index) not in done]
