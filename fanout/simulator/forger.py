"""Forges messages about requests that the endpoint is sent, as anyone can who may publish to its topics.

The forger knows the inference id of each request at the moment when it arrives, so before its 202, and says that it
has failed, expired or been completed, at once or later, once or again and again. Owned by `world`.
"""

from __future__ import annotations

import heapq
import random
from itertools import count

import orjson

from fanout.simulator.errors import ServiceError
from fanout.simulator.faults import Faults
from fanout.simulator.notifications import Document, Header, Parameters
from fanout.simulator.settings import ForgedStatus, SimulatorSettings
from fanout.simulator.topics import Topics

REASON = "ModelError: Received server error (500) from model with message 'forged'."
"""Looks like a passing failure, after which a row is sent again."""
OUTPUT = "forged.out"
FORGED_MARKS = (REASON, OUTPUT)
"""What tells a forged message from a true one, for tests."""


class Forger:
    """Publishes forged ends.

    Args:
        settings: For which share of the requests, what, and when.
        topics: Where to.
        header: Makes the messages.
        rng: Draws.

    Attributes:
        forged: Messages that were published.
    """

    def __init__(
        self, settings: SimulatorSettings, *, topics: Topics, header: Header, rng: random.Random
    ) -> None:
        self.forged = 0
        self._settings = settings.forgery
        self._share = settings.faults.forged_ends
        self._faults = Faults(settings.faults, rng=rng)
        self._arns = {
            "Completed": settings.success_topic,
            "Failed": settings.error_topic,
            "Expired": settings.error_topic,
        }
        self._output_path = settings.output_path
        self._topics = topics
        self._header = header
        self._rng = rng
        self._due: list[tuple[float, int, str, str]] = []
        self._order = count()

    def see(self, inference_id: str, parameters: Parameters, *, now: float) -> None:
        """Forge the end of a request that arrives, or leave it alone."""
        if not self._faults.hits(self._share):
            return
        settings = self._settings
        at = now + settings.delay.draw(self._rng)
        for copy in range(settings.copies):
            status = self._rng.choice(settings.statuses)
            arn = self._arns[status]
            if arn is not None:
                sent_at = at + copy * settings.apart_s
                text = orjson.dumps(
                    self._document(status, inference_id, parameters, received_at=now, at=sent_at)
                ).decode()
                heapq.heappush(self._due, (sent_at, next(self._order), arn, text))
        self.advance(now)

    def next_at(self) -> float | None:
        """Return when the next message is due, None if none is."""
        return self._due[0][0] if self._due else None

    def advance(self, now: float) -> None:
        """Publish what is due until `now`."""
        while self._due and self._due[0][0] <= now:
            at, _, arn, text = heapq.heappop(self._due)
            self.forged += 1
            try:
                self._topics.publish(arn, text, now=at)
            except ServiceError:  # no such topic any more
                continue

    def _document(
        self,
        status: ForgedStatus,
        inference_id: str,
        parameters: Parameters,
        *,
        received_at: float,
        at: float,
    ) -> Document:
        if status == "Completed":
            return self._header.completed(
                parameters,
                inference_id=inference_id,
                received_at=received_at,
                at=at,
                output_location=f"{self._output_path}/{OUTPUT}",
                response=b'{"forged": true}',
                content_type="application/json",
            )
        return self._header.failed(
            parameters,
            inference_id=inference_id,
            received_at=received_at,
            at=at,
            status=status,
            reason=REASON,
            failure_location=None,
        )
