"""Holds one SQS queue: which messages are visible, which are in flight until when, which handle deletes which.

Pure, `now` handed in. A message carries `hidden_until`; a heap of these instants makes it visible again. Owned by
`queues`.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import orjson

from fanout.simulator.errors import ServiceError

MAX_IN_FLIGHT = 120_000  # SQS quotas: standard queues
_STALE_ALARMS = 1_000  # alarms of deleted messages that are kept before the heap is rebuilt


class Received(NamedTuple):
    """One message as received; `receipt` deletes it, `receive_count` includes this time."""

    message_id: str
    receipt: str
    body: str
    receive_count: int
    sent_at: float


@dataclass(slots=True, eq=False)
class _Message:
    ordinal: int
    message_id: str
    body: str
    sent_at: float
    receive_count: int = 0
    hidden_until: float | None = None
    """None while it is visible."""


class Queue:
    """Messages of one queue, oldest first; a message that becomes visible again goes to the end."""

    def __init__(self, attributes: Mapping[str, str], *, created_at: float) -> None:
        self.created_at = created_at
        self.sent = 0
        self.tags: dict[str, str] = {}
        self._messages: dict[int, _Message] = {}
        self._visible: deque[_Message] = deque()
        self._alarms: list[tuple[float, int]] = []
        self._in_flight = 0
        self.set_attributes(attributes)

    def set_attributes(self, attributes: Mapping[str, str]) -> None:
        """Take over all attributes, checked by the caller."""
        self.attributes = dict(attributes)
        self.max_bytes = int(attributes["MaximumMessageSize"])
        self._visibility_s = int(attributes["VisibilityTimeout"])
        redrive = orjson.loads(attributes.get("RedrivePolicy") or "{}")
        self.dead_letter_arn: str = redrive.get("deadLetterTargetArn", "")
        self._max_receives = int(redrive.get("maxReceiveCount", 0))

    def send(self, body: str, *, now: float) -> str:
        """Put a message at the end and return its id."""
        self.sent += 1
        message = _Message(self.sent, f"00000000-0000-4000-8000-{self.sent:012x}", body, now)
        self._messages[self.sent] = message
        self._visible.append(message)
        return message.message_id

    def receive(
        self, max_messages: int, *, visibility_s: float | None, now: float
    ) -> tuple[list[Received], list[str]]:
        """Return the messages, and the bodies of those that are for the dead letter queue instead."""
        self._wake(now)
        received: list[Received] = []
        dead: list[str] = []
        hidden_until = now + (self._visibility_s if visibility_s is None else visibility_s)
        while self._visible and len(received) < max_messages and self._in_flight < MAX_IN_FLIGHT:
            message = self._visible.popleft()
            if message.ordinal not in self._messages:
                continue  # deleted by the handle of an earlier receive, while it was visible again
            if self._max_receives and message.receive_count >= self._max_receives:
                del self._messages[message.ordinal]
                dead.append(message.body)
                continue
            message.receive_count += 1
            self._in_flight += 1
            self._hide(message, hidden_until)
            received.append(
                Received(
                    message.message_id,
                    f"{message.ordinal}.{message.receive_count}",
                    message.body,
                    message.receive_count,
                    message.sent_at,
                )
            )
        return received, dead

    def delete(self, receipt: str, *, now: float) -> None:
        """Remove the message; only its latest handle does, and the message may be visible again by then."""
        self._wake(now)
        message = self._find(receipt)
        if message is None:
            return
        del self._messages[message.ordinal]
        if message.hidden_until is not None:
            self._in_flight -= 1
        if len(self._alarms) > 2 * self._in_flight + _STALE_ALARMS:
            # Long visibility and quick deletes would otherwise keep an alarm for every message of a run.
            self._alarms = [alarm for alarm in self._alarms if self._is_due(alarm)]
            heapq.heapify(self._alarms)

    def change_visibility(self, receipt: str, visibility_s: float, *, now: float) -> None:
        """Hide a message in flight until `visibility_s` from now.

        Raises:
            ServiceError: MessageNotInflight.
        """
        self._wake(now)
        message = self._find(receipt)
        if message is None or message.hidden_until is None:
            raise ServiceError(
                400, "AWS.SimpleQueueService.MessageNotInflight", "The message referred to isn't in flight."
            )
        self._hide(message, now + visibility_s)

    def purge(self) -> None:
        """Remove all messages."""
        self._messages.clear()
        self._visible.clear()
        self._alarms.clear()
        self._in_flight = 0

    def next_visible_at(self, now: float) -> float | None:
        """Return when a receive would find something."""
        self._wake(now)
        if self._in_flight < MAX_IN_FLIGHT:
            while self._visible and self._visible[0].ordinal not in self._messages:
                self._visible.popleft()
            if self._visible:
                return now
        while self._alarms and not self._is_due(self._alarms[0]):
            heapq.heappop(self._alarms)
        return self._alarms[0][0] if self._alarms else None

    def counts(self, now: float) -> tuple[int, int]:
        """Return (visible, in flight)."""
        self._wake(now)
        return len(self._messages) - self._in_flight, self._in_flight

    def _hide(self, message: _Message, until: float) -> None:
        message.hidden_until = until
        heapq.heappush(self._alarms, (until, message.ordinal))

    def _wake(self, now: float) -> None:
        while self._alarms and self._alarms[0][0] <= now:
            alarm = heapq.heappop(self._alarms)
            if self._is_due(alarm):
                message = self._messages[alarm[1]]
                message.hidden_until = None
                self._in_flight -= 1
                self._visible.append(message)

    def _is_due(self, alarm: tuple[float, int]) -> bool:
        """Whether the alarm still counts: its message is there and was not hidden anew since."""
        message = self._messages.get(alarm[1])
        return message is not None and message.hidden_until == alarm[0]

    def _find(self, receipt: str) -> _Message | None:
        """Return the message whose latest handle `receipt` is, None if there is a newer one or no message."""
        ordinal, _, receive_count = receipt.partition(".")
        if not (ordinal.isdigit() and receive_count.isdigit() and 0 < int(ordinal) <= self.sent):
            raise ServiceError(
                404, "ReceiptHandleIsInvalid", f'The input receipt handle "{receipt}" is not valid.'
            )
        message = self._messages.get(int(ordinal))
        return message if message is not None and message.receive_count == int(receive_count) else None
