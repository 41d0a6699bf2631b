"""Holds SQS's state: standard queues with visibility, redrive to dead letters, and a cap on what is in flight.

Pure: `now` (seconds since the epoch, never falling) is handed in. Owned by `world`; errors carry SQS's codes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import orjson

from fanout.simulator.errors import ServiceError
from fanout.simulator.queue import Queue, Received

MAX_RECEIVE = 10  # SQS API reference: ReceiveMessage, and entries of a batch
MAX_VISIBILITY_S = 43_200  # SQS API reference: 12 hours
MAX_TAGS, MAX_TAG_KEY, MAX_TAG_VALUE = 50, 128, 256  # SQS developer guide: tagging queues
_NAME = re.compile(r"[A-Za-z0-9_-]{1,80}")
_DEFAULTS = {
    "VisibilityTimeout": "30",
    "MaximumMessageSize": "1048576",  # SQS quotas: 1 MiB
    "MessageRetentionPeriod": "345600",
    "ReceiveMessageWaitTimeSeconds": "0",
    "DelaySeconds": "0",
}
_SETTABLE = frozenset(_DEFAULTS) | {
    "Policy",
    "RedrivePolicy",
    "RedriveAllowPolicy",
    "KmsMasterKeyId",
    "KmsDataKeyReusePeriodSeconds",
    "SqsManagedSseEnabled",
}


@dataclass(frozen=True, slots=True)
class QueueStatistics:
    """One queue now: messages to be had, messages received and not deleted, all that were ever sent."""

    visible: int
    in_flight: int
    sent: int


class Queues:
    """All queues of one account and region, by name."""

    def __init__(self, *, region: str, account_id: str) -> None:
        self._arn_prefix = f"arn:aws:sqs:{region}:{account_id}:"
        self._queues: dict[str, Queue] = {}
        self._watchers: dict[str, list[Callable[[], None]]] = {}

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the queues, oldest first."""
        return tuple(self._queues)

    def arn(self, name: str) -> str:
        """Return the ARN that a queue of this name has."""
        return self._arn_prefix + name

    def named(self, arn: str) -> str | None:
        """Return the name of the queue that `arn` stands for, None if it is not one of this account and region."""
        name = arn.removeprefix(self._arn_prefix)
        return name if name != arn and name in self._queues else None

    def create(
        self, name: str, attributes: Mapping[str, str], *, tags: Mapping[str, str] = {}, now: float = 0.0
    ) -> str:
        """Make the queue and return its name; harmless when it exists with the same attributes.

        Raises:
            ServiceError: InvalidParameterValue, InvalidAttributeName, InvalidAttributeValue, QueueAlreadyExists.
        """
        if not _NAME.fullmatch(name):
            raise ServiceError(
                400,
                "InvalidParameterValue",
                "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length",
            )
        checked = _checked(attributes)
        known = self._queues.get(name)
        if known is None:
            self._queues[name] = Queue({**_DEFAULTS, **checked}, created_at=now)
        elif any(known.attributes.get(key) != value for key, value in checked.items()):
            raise ServiceError(
                400,
                "QueueAlreadyExists",
                "A queue already exists with the same name and a different value for an attribute",
            )
        self.tag(name, tags)
        return name

    def tag(self, name: str, tags: Mapping[str, str]) -> None:
        """Add tags; one whose key is there already is replaced.

        Raises:
            ServiceError: InvalidParameterValue for more than 50 tags, or one that is too long.
        """
        queue = self._queue(name)
        together = {**queue.tags, **tags}
        fits = all(
            1 <= len(key) <= MAX_TAG_KEY and len(value) <= MAX_TAG_VALUE for key, value in tags.items()
        )
        if len(together) > MAX_TAGS or not fits:
            raise ServiceError(400, "InvalidParameterValue", "Tags are too many, or one of them is too long.")
        queue.tags = together

    def tags(self, name: str) -> dict[str, str]:
        """Return the queue's tags."""
        return dict(self._queue(name).tags)

    def delete(self, name: str) -> None:
        """Remove the queue and its messages.

        Raises:
            ServiceError: AWS.SimpleQueueService.NonExistentQueue, as every method below when there is no queue.
        """
        self._queue(name)
        del self._queues[name]

    def set_attributes(self, name: str, attributes: Mapping[str, str]) -> None:
        """Change attributes; an empty value removes `Policy` or `RedrivePolicy`.

        Raises:
            ServiceError: InvalidAttributeName, InvalidAttributeValue.
        """
        queue = self._queue(name)
        queue.set_attributes({**queue.attributes, **_checked(attributes)})

    def attributes(self, name: str, *, now: float) -> dict[str, str]:
        """Return all attributes, those that count messages included."""
        queue = self._queue(name)
        statistics = self.statistics(name, now=now)
        return {
            **{key: value for key, value in queue.attributes.items() if value},
            "QueueArn": self.arn(name),
            "CreatedTimestamp": str(int(queue.created_at)),
            "ApproximateNumberOfMessages": str(statistics.visible),
            "ApproximateNumberOfMessagesNotVisible": str(statistics.in_flight),
            "ApproximateNumberOfMessagesDelayed": "0",
        }

    def policy(self, name: str) -> str:
        """Return the queue's policy document, empty without one."""
        return self._queue(name).attributes.get("Policy", "")

    def send(self, name: str, body: str, *, now: float) -> str:
        """Put a message at the end of the queue and return its id.

        Raises:
            ServiceError: InvalidParameterValue for a message beyond MaximumMessageSize (1 MiB).
        """
        queue = self._queue(name)
        # A character is at most four bytes of UTF-8; nearly all messages are too short to need counting.
        if len(body) * 4 > queue.max_bytes and len(body.encode()) > queue.max_bytes:
            raise ServiceError(
                400,
                "InvalidParameterValue",
                f"One or more parameters are invalid. Reason: Message must be shorter than {queue.max_bytes} bytes.",
            )
        message_id = queue.send(body, now=now)
        if name in self._watchers:
            for wake in self._watchers[name]:
                wake()
        return message_id

    def receive(
        self, name: str, *, max_messages: int = 1, visibility_s: float | None = None, now: float
    ) -> list[Received]:
        """Return up to `max_messages` (1..10) and hide them for `visibility_s`, the queue's own if None.

        Beyond 120,000 in flight it returns nothing, as SQS's long polls do. Messages that were received
        `maxReceiveCount` times go to the dead letter queue instead.

        Raises:
            ServiceError: ReadCountOutOfRange, InvalidParameterValue.
        """
        queue = self._queue(name)
        if not 1 <= max_messages <= MAX_RECEIVE:
            raise ServiceError(
                400, "ReadCountOutOfRange", f"MaxNumberOfMessages must be between 1 and {MAX_RECEIVE}"
            )
        if visibility_s is not None:
            _check_visibility(visibility_s)
        received, dead = queue.receive(max_messages, visibility_s=visibility_s, now=now)
        for body in dead:
            target = self.named(queue.dead_letter_arn)
            if target is not None:
                self._queues[target].send(body, now=now)
        return received

    def delete_message(self, name: str, receipt: str, *, now: float) -> None:
        """Delete the message if `receipt` is its latest; an older one changes nothing, and that is no error.

        Raises:
            ServiceError: ReceiptHandleIsInvalid for a handle that this queue never gave.
        """
        self._queue(name).delete(receipt, now=now)

    def change_visibility(self, name: str, receipt: str, visibility_s: float, *, now: float) -> None:
        """Hide a message in flight until `visibility_s` from now; 0 makes it visible.

        Raises:
            ServiceError: ReceiptHandleIsInvalid; InvalidParameterValue; MessageNotInflight.
        """
        _check_visibility(visibility_s)
        self._queue(name).change_visibility(receipt, visibility_s, now=now)
        for wake in self._watchers.get(name, ()):
            wake()

    def purge(self, name: str) -> None:
        """Remove all messages, those in flight as well."""
        self._queue(name).purge()

    def next_visible_at(self, name: str, *, now: float) -> float | None:
        """Return when a receive would next find a message: `now`, a later instant, or None if nothing is in it."""
        return self._queue(name).next_visible_at(now)

    def watch(self, name: str, wake: Callable[[], None]) -> None:
        """Call `wake` whenever a message may have become visible earlier than foreseen; it must not raise."""
        self._watchers.setdefault(name, []).append(wake)

    def unwatch(self, name: str, wake: Callable[[], None]) -> None:
        """Take back one `watch`."""
        self._watchers[name].remove(wake)
        if not self._watchers[name]:
            del self._watchers[name]

    def statistics(self, name: str, *, now: float) -> QueueStatistics:
        """Return the counts of one queue."""
        queue = self._queue(name)
        visible, in_flight = queue.counts(now)
        return QueueStatistics(visible, in_flight, queue.sent)

    def _queue(self, name: str) -> Queue:
        queue = self._queues.get(name)
        if queue is None:
            raise ServiceError(
                400, "AWS.SimpleQueueService.NonExistentQueue", "The specified queue does not exist."
            )
        return queue


def _check_visibility(visibility_s: float) -> None:
    if not 0 <= visibility_s <= MAX_VISIBILITY_S:
        raise ServiceError(
            400, "InvalidParameterValue", f"VisibilityTimeout must be between 0 and {MAX_VISIBILITY_S}"
        )


def _checked(attributes: Mapping[str, str]) -> dict[str, str]:
    for key, value in attributes.items():
        if key not in _SETTABLE:
            raise ServiceError(400, "InvalidAttributeName", f"Unknown Attribute {key}.")
        if key in _DEFAULTS:
            valid = value.isascii() and value.isdigit()
        elif key in {"Policy", "RedrivePolicy"} and value:
            valid = _is_object(value)
        else:
            valid = True
        if not valid:
            raise ServiceError(400, "InvalidAttributeValue", f"Invalid value for the parameter {key}.")
    if "VisibilityTimeout" in attributes and int(attributes["VisibilityTimeout"]) > MAX_VISIBILITY_S:
        raise ServiceError(400, "InvalidAttributeValue", "Invalid value for the parameter VisibilityTimeout.")
    return dict(attributes)


def _is_object(text: str) -> bool:
    try:
        return isinstance(orjson.loads(text), dict)
    except orjson.JSONDecodeError:
        return False
