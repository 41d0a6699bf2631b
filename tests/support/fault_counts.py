"""Counts the faults that were injected, by name: whoever reads a table of seeds sees what they have met."""

from __future__ import annotations

import random
from collections import Counter
from typing import Literal

from fanout.domain.ids import parse_inference_id
from fanout.domain.location import Location
from fanout.simulator.faults import Faults, InvokeFault
from fanout.simulator.inference import Inference
from fanout.simulator.notifications import Document, Parameters
from fanout.simulator.settings import FaultSettings, ForgedStatus
from fanout.simulator.world import World


class CountingFaults(Faults):
    """Faults, counted by the name of their share."""

    def __init__(self, settings: FaultSettings, *, rng: random.Random, counts: Counter[str]) -> None:
        super().__init__(settings, rng=rng)
        self._counts = counts
        self._names = {
            share: name for name, share in settings.model_dump().items() if isinstance(share, float) and share
        }

    def hits(self, share: float) -> bool:
        if not super().hits(share):
            return False
        self._counts[self._names[share]] += 1
        return True

    def invoke(self) -> InvokeFault | None:
        fault = super().invoke()
        if fault is not None:
            self._counts[SHARES[fault]] += 1
        return fault


SHARES = {
    InvokeFault.REFUSE: "refuse_share",
    InvokeFault.RESET_BEFORE: "reset_before_share",
    InvokeFault.THROTTLE: "throttle_share",
    InvokeFault.SERVER_ERROR: "server_error_share",
    InvokeFault.HTML_ERROR: "html_error_share",
    InvokeFault.SERVER_ERROR_AFTER: "server_error_after_accept_share",
    InvokeFault.RESET_AFTER: "reset_after_accept_share",
    InvokeFault.HANG: "hang_share",
    InvokeFault.DRIBBLE: "dribble_share",
    InvokeFault.GARBAGE: "garbage_reply_share",
    InvokeFault.NO_LOCATION: "reply_without_location_share",
    InvokeFault.WRONG_LOCATION: "reply_foreign_location_share",
}


class FaultCounts:
    """What a world did, counted from its beginning.

    Attributes:
        log: Every accepted request.
        failed: How often the model failed each row.
        forged: Rows of which an end was forged.
        expired: Rows that expired at least once.
        written: Rows and generations of which an output was written that can be read.
    """

    def __init__(self, world: World) -> None:
        self.log = world.log
        self.failed: Counter[int | None] = Counter()
        self.forged: set[int] = set()
        self.expired: set[int | None] = set()
        self.written: set[tuple[int, int]] = set()
        self._world = world
        self._counts: Counter[str] = Counter()
        settings = world.settings.faults
        world.faults = CountingFaults(settings, rng=world.rng("calls"), counts=self._counts)
        results = world._results
        results._faults = CountingFaults(settings, rng=world.rng("rows"), counts=self._counts)
        fail, completing = results._fail, results._complete

        def failing(
            inference: Inference, reason: str, *, at: float, status: Literal["Failed", "Expired"]
        ) -> None:
            if status == "Failed":
                self.failed[inference.line.row] += 1
            else:
                self.expired.add(inference.line.row)
            fail(inference, reason, at=at, status=status)

        def complete(inference: Inference, *, size: int | None, digest: str, at: float) -> None:
            before = self._counts["complete_without_object_share"]
            completing(inference, size=size, digest=digest, at=at)
            send = parse_inference_id(inference.line.inference_id)
            unwritten = self._counts["complete_without_object_share"] > before
            if (
                send is not None
                and not unwritten
                and not self.is_unreadable(inference.accepted.output_location)
            ):
                self.written.add((send.row, send.generation))

        results._fail, results._complete = failing, complete  # type: ignore[method-assign]
        forger = world._forger
        forging = forger._document

        def document(
            status: ForgedStatus, inference_id: str, parameters: Parameters, **times: float
        ) -> Document:
            send = parse_inference_id(inference_id)
            if send is not None:
                self.forged.add(send.row)
            return forging(status, inference_id, parameters, **times)

        forger._document = document  # type: ignore[method-assign]

    def is_unreadable(self, uri: str) -> bool:
        """Whether the object stands there and can never be read."""
        location = Location.parse(uri)
        stored = None if location is None else self._world.objects.find(*location)
        return stored is not None and stored.flaw is not None

    def counts(self) -> Counter[str]:
        """Return how often each fault was injected, and what the world counts by itself."""
        stats = self._world.stats()
        names = {
            "throttled": "throttled by rate",
            "failed": "failed by the model",
            "notifications_lost": "notifications lost",
            "notifications_duplicated": "notifications doubled",
            "notifications_foreign": "messages of strangers",
            "notifications_forged": "forged messages",
            "notifications_forged_ends": "forged ends",
        }
        return self._counts + Counter({text: stats[name] for name, text in names.items()})
