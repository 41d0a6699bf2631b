"""Publishes to SNS that a request has ended, with the notification faults that the settings ask for.

Notifications may be lost, doubled, late or out of order; foreign and forged ones may go out beside them. Late ones
are published by `advance`. Owned by `world`.
"""

from __future__ import annotations

import heapq
import random
from collections import Counter
from itertools import count
from typing import Literal

import orjson

from fanout.simulator import notifications
from fanout.simulator.errors import ServiceError
from fanout.simulator.faults import Faults, Forgery
from fanout.simulator.notifications import Document, Header
from fanout.simulator.settings import SimulatorSettings
from fanout.simulator.topics import Topics

Filters = Literal["hold", "lag"]


class Announcer:
    """Publishes the endpoint's notifications.

    Args:
        settings: Loss, duplicates, delays.
        topics: Where to.
        header: Makes the TestNotification.
        faults: Draws foreign and forged messages.
        rng: Draws losses, duplicates and delays.

    Attributes:
        counts: `announced`, `lost`, `duplicated`, `foreign`, `forged`, `failed` (no such topic).
    """

    def __init__(
        self,
        settings: SimulatorSettings,
        *,
        topics: Topics,
        header: Header,
        faults: Faults,
        rng: random.Random,
    ) -> None:
        self.counts: Counter[str] = Counter()
        self._settings = settings.notifications
        self._faults = faults
        self._topics = topics
        self._header = header
        self._rng = rng
        self._is_punctual = not (self._settings.delay_s or self._settings.spread_s)
        self._outsiders: Filters = "lag" if self._settings.outside_filter else "hold"
        self._late: list[tuple[float, int, str, Document]] = []
        self._order = count()
        self._expected: set[str] = set()

    def expect(self, inference_id: str) -> None:
        """Remember that this inference will be announced; `is_announced` says whether it was."""
        self._expected.add(inference_id)

    def is_announced(self, inference_id: str) -> bool:
        """Whether an expected inference's first notification was published or lost."""
        return inference_id not in self._expected

    def announce(self, topic_arn: str, document: Document, *, at: float) -> None:
        """Publish `document`, at `at` or later, once, several times or never, as the settings draw it."""
        settings = self._settings
        self.counts["announced"] += 1
        if settings.loss_share and self._rng.random() < settings.loss_share:
            self.counts["lost"] += 1
            self._expected.discard(str(document["inferenceId"]))
            return
        copies = 1
        if settings.duplicate_share and self._rng.random() < settings.duplicate_share:
            copies = settings.copies
            self.counts["duplicated"] += 1
        for _ in range(copies):
            if self._is_punctual:
                self._publish(topic_arn, document, at=at)
            else:
                due_at = at + settings.delay_s + self._rng.random() * settings.spread_s
                heapq.heappush(self._late, (due_at, next(self._order), topic_arn, document))

    def test(self, topic_arn: str, *, at: float) -> None:
        """Publish a TestNotification; filters on the inference id let it pass only while they do not hold."""
        document = self._header.test(at=at)
        self._send(topic_arn, orjson.dumps(document).decode(), at=at, parsed=document)

    def next_at(self) -> float | None:
        """Return when the next late message is due, None if none is."""
        return self._late[0][0] if self._late else None

    def advance(self, now: float) -> None:
        """Publish what was due until `now`."""
        while self._late and self._late[0][0] <= now:
            due_at, _, topic_arn, document = heapq.heappop(self._late)
            self._publish(topic_arn, document, at=due_at)

    def _publish(self, topic_arn: str, document: Document, *, at: float) -> None:
        if self._expected:
            self._expected.discard(str(document["inferenceId"]))
        self._forge(topic_arn, document, at=at)
        self._send(topic_arn, orjson.dumps(document).decode(), at=at, parsed=document)
        if self._faults.hits(self._faults.settings.foreign_messages):
            self.counts["foreign"] += 1
            foreign = orjson.dumps(notifications.of_another_run(document)).decode()
            self._send(topic_arn, foreign, at=at, filters=self._outsiders)

    def _forge(self, topic_arn: str, document: Document, *, at: float) -> None:
        forgery = self._faults.forgery()
        if forgery is None:
            return
        self.counts["forged"] += 1
        if forgery is Forgery.FOREIGN_OUTPUT:
            text = orjson.dumps(notifications.with_foreign_output(document)).decode()
        elif forgery is Forgery.NOT_JSON:
            text = "Your endpoint says hello <br>"
        elif forgery is Forgery.DEEP_JSON:
            text = notifications.DEEP_JSON
        else:
            text = orjson.dumps(self._header.test(at=at)).decode()
        self._send(topic_arn, text, at=at, filters=self._outsiders)

    def _send(
        self,
        topic_arn: str,
        text: str,
        *,
        at: float,
        parsed: object | None = None,
        filters: Filters = "hold",
    ) -> None:
        try:
            self._topics.publish(topic_arn, text, now=at, parsed=parsed, filters=filters)
        except ServiceError:
            self.counts["failed"] += 1  # CloudWatch's NotificationFailures; the inference itself goes on
