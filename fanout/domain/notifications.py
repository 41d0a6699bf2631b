"""Reads a message that may be SageMaker's, raw or in SNS's envelope, as a hint: nothing in it is trusted.

Shapes as AWS documents them and as public code has captured them; for an inline request the
shape of `requestParameters` is unknown, so rows are joined on `inferenceId` alone.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from datetime import UTC, datetime

import orjson

from fanout.domain.ids import parse_inference_id
from fanout.domain.records import Notice, Status

COMPLETED = "Completed"
ERROR_TEXT_MAX = 4_096  # characters of a model's error that reach the output file
UNCONFIRMED_TEXT_MAX = 512  # of one that S3 does not confirm: every open row may wait with one


@dataclass(frozen=True, slots=True)
class Foreign:
    """A message that is not about a row of this run.

    Attributes:
        ours: Whether it names this run all the same, so that no other run waits for it.
        reason: Why it is not a notice; a short fixed text, nothing from the message.
    """

    ours: bool
    reason: str


@dataclass(frozen=True, slots=True)
class UnconfirmedNotice:
    """What is kept of a notice that no object in S3 confirms; see `Notice`."""

    completed: bool
    notified_at: float
    received_at: float | None = None
    completed_at: float | None = None
    failure_status: str | None = None
    failure_reason: str | None = None

    @classmethod
    def of(cls, notice: Notice) -> UnconfirmedNotice:
        """Return what is kept of `notice`: every open row may have one, and anyone may have written them."""
        reason = notice.failure_reason
        return cls(
            notice.completed,
            notice.notified_at,
            notice.received_at,
            notice.completed_at,
            notice.failure_status,
            reason[:UNCONFIRMED_TEXT_MAX] if reason else None,
        )


def parse_message(body: str, *, run_id: str, now: float, receipt: str, trust: bool) -> Notice | Foreign:
    """Return what `body` says about a row of `run`.

    Args:
        body: The SQS message's body.
        run_id: This run's id.
        now: When the message was received.
        receipt: The handle that deletes it.
        trust: Take the response that rides along; anyone who may publish to the topic can forge it.
    """
    fields = _load(body)
    if fields is not None and "inferenceId" not in fields and fields.get("Type") == "Notification":
        inner = fields.get("Message")
        fields = _load(inner) if isinstance(inner, str) else None
    if fields is None:
        return Foreign(ours=False, reason="not a JSON object")
    inference_id = fields.get("inferenceId")
    if not isinstance(inference_id, str):
        return Foreign(ours=False, reason="no inferenceId")
    send = parse_inference_id(inference_id)
    if send is None:
        return Foreign(ours=False, reason="another program's inferenceId")
    if send.run_id != run_id:
        return Foreign(ours=False, reason="another run")
    status = fields.get("invocationStatus")
    if not isinstance(status, str):
        return Foreign(ours=True, reason="no invocationStatus")
    response = _object(fields, "responseParameters")
    embedded = _embedded(fields) if trust and status == COMPLETED else None
    return Notice(
        row=send.row,
        generation=send.generation,
        attempt=send.attempt,
        completed=status == COMPLETED,
        noticed_by="sqs",
        notified_at=now,
        received_at=_instant(fields.get("receivedTime")),
        completed_at=_instant(fields.get("eventTime")),
        output_location=_text(response, "outputLocation"),
        failure_location=_text(fields, "failureLocation") or _text(response, "failureLocation"),
        failure_status=None if status == COMPLETED else status[:64],
        failure_reason=(_text(fields, "failureReason") or "")[:ERROR_TEXT_MAX] or None,
        response=embedded,
        response_content_type=_text(response, "contentType"),
        receipt=receipt,
    )


def failure_facts(notice: Notice | UnconfirmedNotice, text: str | None) -> dict[str, object]:
    """Return status, code and message of a failed row, from its notice and its failure object's text.

    The object proves the failure, so that its words count: a message can be forged. Of a row that the model failed, one
    that says "Expired" would keep it from being sent again.
    """
    expired = notice.failure_status == "Expired" and (text is None or "expire" in text.lower())
    status: Status = "expired" if expired else "failed"
    message = text or notice.failure_reason
    return {
        "status": status,
        "error_code": "Expired" if expired else "ModelFailed",
        "error_message": message[:ERROR_TEXT_MAX] if message else None,
    }


def _load(text: str) -> dict[str, object] | None:
    """Return `text` as a JSON object, None if it is anything else; orjson bounds the depth."""
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError:
        return None
    return value if isinstance(value, dict) else None


def _object(fields: dict[str, object], name: str) -> dict[str, object]:
    value = fields.get(name)
    return value if isinstance(value, dict) else {}


def _text(fields: dict[str, object], name: str) -> str | None:
    value = fields.get(name)
    return value if isinstance(value, str) and value else None


def _instant(value: object) -> float | None:
    """Return an ISO 8601 time in seconds since the epoch; the length of its fraction varies between messages."""
    if not isinstance(value, str):
        return None
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return moment.timestamp()


def _embedded(fields: dict[str, object]) -> bytes | None:
    """Return the response that rode along, None unless it is BASE64 and decodes strictly."""
    body = _object(fields, "responseBody")
    content = body.get("content")
    if body.get("encoding") != "BASE64" or not isinstance(content, str):
        return None
    try:
        return base64.b64decode(content, validate=True)
    except (binascii.Error, ValueError):
        return None
