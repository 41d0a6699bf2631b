"""Ends requests: writes the model's answer or failure to S3, and announces it.

It is called with what the endpoint model says has finished. Owned by `world`.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from typing import Literal

import orjson

from fanout.domain.location import Location
from fanout.simulator.announcer import Announcer
from fanout.simulator.bucket import NOTHING_KEPT, with_key
from fanout.simulator.endpoint import Finished, Verdict
from fanout.simulator.faults import Faults
from fanout.simulator.inference import Inference
from fanout.simulator.notifications import Header
from fanout.simulator.objects import Objects
from fanout.simulator.settings import SimulatorSettings

RESPONSE_TYPE = "application/json"
_STATUSES: dict[Verdict, Literal["Failed", "Expired"]] = {
    Verdict.FAILED: "Failed",
    Verdict.TIMED_OUT: "Failed",
    Verdict.EXPIRED: "Expired",
}
_REASONS = {
    Verdict.FAILED: "ModelError: Received server error (500) from model with message 'simulated'.",
    Verdict.TIMED_OUT: "ModelError: The model did not answer within InvocationTimeoutSeconds.",
    Verdict.EXPIRED: "The request expired: it was not served within RequestTTLSeconds.",
}


def measure(objects: Objects, location: Location | None) -> tuple[int | None, str | None]:
    """Return (bytes, SHA-256 in hex) of an input object, Nones if it is not there."""
    stored = None if location is None else objects.find(*location)
    return (None, None) if stored is None else (len(stored.body), hashlib.sha256(stored.body).hexdigest())


class Results:
    """Ends requests.

    Args:
        settings: Faults of rows, padding, topics.
        objects: Where outputs and failures are written.
        announcer: Where they are announced.
        header: Makes the announcements.
        faults: Draws what goes wrong with a row.

    Attributes:
        counts: Ends by invocationStatus: `Completed`, `Failed`, `Expired`.
    """

    def __init__(
        self,
        settings: SimulatorSettings,
        *,
        objects: Objects,
        announcer: Announcer,
        header: Header,
        faults: Faults,
    ) -> None:
        self.counts: Counter[str] = Counter()
        self._settings = settings
        self._objects = objects
        self._announcer = announcer
        self._header = header
        self._faults = faults
        self._padding = "x" * settings.response_padding_bytes
        # Properties of the settings that format a string each; read once a row otherwise.
        self._success_topic, self._error_topic = settings.success_topic, settings.error_topic
        self._kept = NOTHING_KEPT if settings.output_kms_key is None else with_key(settings.output_kms_key)

    def end(self, finished: Finished[Inference]) -> None:
        """Write what the model has made of a request, and announce it."""
        inference, verdict, at, _ = finished
        if verdict is not Verdict.COMPLETED:
            self._fail(inference, _REASONS[verdict], at=at, status=_STATUSES[verdict])
            return
        size, digest = inference.line.bytes, inference.line.sha256
        if inference.line.transport == "s3":
            # The model reads its input when it is served, not when the request arrives: it may be gone by then.
            size, digest = measure(self._objects, inference.input)
        if digest is None:
            self._fail(inference, "Failed to download the input: no such object.", at=at, status="Failed")
            return
        if self._faults.hits(self._settings.faults.failed_then_completed_share):
            self._fail(inference, _REASONS[Verdict.FAILED], at=at, status="Failed")
        self._complete(inference, size=size, digest=digest, at=at)

    def _complete(self, inference: Inference, *, size: int | None, digest: str, at: float) -> None:
        """Write the answer: it says what was asked, so that a row with another row's answer shows."""
        faults, settings = self._faults, self._settings
        line = inference.line
        answer: dict[str, object] = {
            "row": line.row,
            "inference_id": line.inference_id,
            "sha256": digest,
            "bytes": size,
            "content_type": inference.parameters.get("contentType"),
        }
        if self._padding:
            answer["padding"] = self._padding
        # A copy: what orjson returns keeps its working buffer of some 4 KB alive, and outputs are kept for the run.
        body = (
            b""
            if faults.hits(settings.faults.empty_output_share)
            else memoryview(orjson.dumps(answer)).tobytes()
        )
        if not faults.hits(settings.faults.complete_without_object_share):
            self._write(inference.accepted.output_location, body, RESPONSE_TYPE, now=at)
        self.counts["Completed"] += 1
        if self._success_topic is not None:
            document = self._header.completed(
                inference.parameters,
                inference_id=line.inference_id,
                received_at=line.arrived_at,
                at=at,
                output_location=inference.accepted.output_location,
                response=body if settings.notifications.includes_response else None,
                content_type=RESPONSE_TYPE,
            )
            self._announcer.announce(self._success_topic, document, at=at)

    def _fail(
        self, inference: Inference, reason: str, *, at: float, status: Literal["Failed", "Expired"]
    ) -> None:
        location = inference.accepted.failure_location
        if location is not None:
            self._write(location, reason.encode(), "text/plain", now=at)
        self.counts[status] += 1
        if self._error_topic is not None:
            document = self._header.failed(
                inference.parameters,
                inference_id=inference.line.inference_id,
                received_at=inference.line.arrived_at,
                at=at,
                status=status,
                reason=reason,
                failure_location=location,
            )
            self._announcer.announce(self._error_topic, document, at=at)

    def _write(self, uri: str, body: bytes, content_type: str, *, now: float) -> None:
        bucket, _, key = uri.removeprefix("s3://").partition("/")
        # Policies, lifecycle rules and KMS keys go by the key: what is written there once more fares as the first did.
        before = self._objects.find(bucket, key)
        flaw = self._faults.flaw() if before is None else before.flaw
        self._objects.put(bucket, key, body, content_type=content_type, now=now, flaw=flaw, kept=self._kept)
