"""Answers SQS's calls on messages: send, receive with long polls, delete, change visibility, singly and in batches.

Message attributes and delays are not simulated and are refused, not dropped.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from hashlib import md5

from fanout.simulator.errors import ServiceError
from fanout.simulator.http.fields import Fields
from fanout.simulator.http.messages import Reply
from fanout.simulator.http.polls import Polls
from fanout.simulator.http.replies import JSON_1_0, json_reply
from fanout.simulator.queue import Received
from fanout.simulator.queues import Queues

MAX_BATCH = 10  # SQS API reference: entries of a batch
MAX_WAIT_S = 20  # SQS API reference: WaitTimeSeconds
_UNSUPPORTED = ("MessageAttributes", "MessageSystemAttributes", "MessageGroupId", "DelaySeconds")
_CODES = "AWS.SimpleQueueService."


@dataclass(frozen=True, slots=True)
class Call:
    """One call: its parameters, the Host that it was sent to, and when."""

    fields: Fields
    host: str
    now: float

    @property
    def queue(self) -> str:
        """Name of the queue that QueueUrl means, whatever host it names."""
        return self.fields.text("QueueUrl").rpartition("/")[2]


class Messages:
    """The operations on messages.

    Args:
        queues: The queues.
        polls: Where long polls wait.
        account_id: Who has sent every message.
        refuse_entry: Decides for each entry of a delete batch whether it fails by a fault.
    """

    def __init__(
        self,
        queues: Queues,
        polls: Polls,
        *,
        account_id: str,
        refuse_entry: Callable[[], bool] = lambda: False,
    ) -> None:
        self._queues = queues
        self._polls = polls
        self._account_id = account_id
        self._refuse_entry = refuse_entry
        self.operations: dict[str, Callable[[Call], Reply | Awaitable[Reply]]] = {
            "SendMessage": self._send,
            "ReceiveMessage": self._receive,
            "DeleteMessage": self._delete,
            "DeleteMessageBatch": self._delete_batch,
            "ChangeMessageVisibility": self._change_visibility,
            "ChangeMessageVisibilityBatch": self._change_visibility_batch,
        }

    def _send(self, call: Call) -> Reply:
        for name in _UNSUPPORTED:
            if call.fields.has(name):
                raise ServiceError(400, f"{_CODES}UnsupportedOperation", f"{name} is not simulated.")
        body = call.fields.text("MessageBody")
        if not body:
            raise _invalid("The message body must not be empty.")
        message_id = self._queues.send(call.queue, body, now=call.now)
        return _reply({"MessageId": message_id, "MD5OfMessageBody": _md5(body)})

    def _receive(self, call: Call) -> Reply | Awaitable[Reply]:
        fields, name = call.fields, call.queue
        wait_s = fields.integer("WaitTimeSeconds")
        if wait_s is None:
            wait_s = int(self._queues.attributes(name, now=call.now)["ReceiveMessageWaitTimeSeconds"])
        if not 0 <= wait_s <= MAX_WAIT_S:
            raise _invalid(
                f"Value {wait_s} for parameter WaitTimeSeconds is invalid. Must be >= 0 and <= {MAX_WAIT_S}."
            )
        count = fields.integer("MaxNumberOfMessages")
        visibility_s = fields.integer("VisibilityTimeout")
        wanted = frozenset(fields.texts("AttributeNames") + fields.texts("MessageSystemAttributeNames"))

        def take(now: float) -> list[Received]:
            return self._queues.receive(
                name, max_messages=1 if count is None else count, visibility_s=visibility_s, now=now
            )

        received = take(call.now)
        if received or not wait_s:
            return self._received(received, wanted)
        return self._poll(name, take, wanted, until=call.now + wait_s)

    async def _poll(
        self, name: str, take: Callable[[float], list[Received]], wanted: frozenset[str], *, until: float
    ) -> Reply:
        while True:
            now = await self._polls.wait(name, until=until)
            received = take(now)
            if received or now >= until:
                return self._received(received, wanted)

    def _received(self, received: list[Received], wanted: frozenset[str]) -> Reply:
        if not received:
            return _reply({})
        return _reply({"Messages": [self._entry(message, wanted) for message in received]})

    def _entry(self, message: Received, wanted: frozenset[str]) -> dict[str, object]:
        entry: dict[str, object] = {
            "MessageId": message.message_id,
            "ReceiptHandle": message.receipt,
            "MD5OfBody": _md5(message.body),
            "Body": message.body,
        }
        if wanted:
            attributes = {
                "SenderId": self._account_id,
                "SentTimestamp": str(int(message.sent_at * 1000)),
                "ApproximateReceiveCount": str(message.receive_count),
            }
            entry["Attributes"] = {
                name: value for name, value in attributes.items() if name in wanted or "All" in wanted
            }
        return entry

    def _delete(self, call: Call) -> Reply:
        self._queues.delete_message(call.queue, call.fields.text("ReceiptHandle"), now=call.now)
        return _reply({})

    def _delete_batch(self, call: Call) -> Reply:
        name = call.queue

        def delete(entry: Fields) -> None:
            if self._refuse_entry():
                raise ServiceError(
                    500, "InternalError", "We encountered an internal error. Please try again."
                )
            self._queues.delete_message(name, entry.text("ReceiptHandle"), now=call.now)

        return _batch(call.fields, delete)

    def _change_visibility(self, call: Call) -> Reply:
        self._hide(call.queue, call.fields, call.now)
        return _reply({})

    def _change_visibility_batch(self, call: Call) -> Reply:
        name = call.queue
        return _batch(call.fields, lambda entry: self._hide(name, entry, call.now))

    def _hide(self, name: str, fields: Fields, now: float) -> None:
        visibility_s = fields.integer("VisibilityTimeout")
        if visibility_s is None:
            raise ServiceError(
                400, "MissingParameter", "The request must contain the parameter VisibilityTimeout."
            )
        self._queues.change_visibility(name, fields.text("ReceiptHandle"), visibility_s, now=now)


def _batch(fields: Fields, act: Callable[[Fields], None]) -> Reply:
    """Do `act` for every entry; an entry that fails is part of the 200, as with SQS."""
    entries = fields.entries("Entries")
    ids = [entry.text("Id") for entry in entries]
    if not entries:
        raise ServiceError(
            400, f"{_CODES}EmptyBatchRequest", "There should be at least one entry in the request."
        )
    if len(entries) > MAX_BATCH:
        message = f"Maximum number of entries per request are {MAX_BATCH}."
        raise ServiceError(400, f"{_CODES}TooManyEntriesInBatchRequest", message)
    if len(set(ids)) < len(ids):
        raise ServiceError(
            400, f"{_CODES}BatchEntryIdsNotDistinct", "Two or more batch entries have the same Id."
        )
    successful: list[dict[str, str]] = []
    failed: list[dict[str, object]] = []
    for identity, entry in zip(ids, entries, strict=True):
        try:
            act(entry)
        except ServiceError as error:
            if error.code == f"{_CODES}NonExistentQueue":
                raise  # no entry's fault
            sender = error.status < 500
            failed.append(
                {"Id": identity, "SenderFault": sender, "Code": error.code, "Message": error.message}
            )
        else:
            successful.append({"Id": identity})
    return _reply({"Successful": successful, **({"Failed": failed} if failed else {})})


def _reply(value: dict[str, object]) -> Reply:
    return json_reply(200, value, content_type=JSON_1_0)


def _md5(body: str) -> str:
    return md5(body.encode(), usedforsecurity=False).hexdigest()


def _invalid(message: str) -> ServiceError:
    return ServiceError(400, "InvalidParameterValue", message)
