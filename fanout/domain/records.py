"""Defines what a row is at each step of its way, so that no stage can use what does not exist yet.

`Record` -> `Inline` | `Upload` -> `Staged` -> (sent, in `OpenRows`) -> `Notice` -> `Outcome`; a row that cannot be
sent becomes `Rejected` at once. Instants are seconds since the epoch on the run's own clock (`ports.Clock`):
one wall-clock anchor, advanced monotonically. Durations are derived when writing, never stored.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from fanout.domain.location import Location

Transport = Literal["inline", "s3", "existing"]
Status = Literal["succeeded", "failed", "expired", "invalid", "rejected", "unsettled", "unknown"]
"""How a row ends. `invalid`: the model answered, and its response does not hold what the user asked for. `unsettled`:
it was accepted, and neither its output nor a proof of its failure exists. `unknown`: nothing tells whether it was
accepted."""
NoticedBy = Literal["sqs", "list"]

Passthrough = tuple[object, ...]
"""Values of the passthrough columns, in the order of `Source.passthrough_schema`; `pa.array` restores them."""


def value_bytes(value: object) -> int:
    """Return about how many bytes a value of a column takes."""
    if isinstance(value, str | bytes):
        return len(value)
    if isinstance(value, dict):
        return sum(map(value_bytes, value.values()))
    if isinstance(value, list | tuple) and value:  # a map is a list of pairs
        # An embedding is a thousand numbers: looking at each would cost more than making columns of them.
        return 8 * len(value) if isinstance(value[0], int | float) else sum(map(value_bytes, value))
    return 8


@dataclass(frozen=True, slots=True)
class Options:
    """What a request may say beside its payload; None leaves the endpoint's default.

    Limits are InvokeEndpointAsync's (botocore service model), checked in `route`.
    """

    content_type: str | None = None
    accept: str | None = None
    custom_attributes: str | None = None
    ttl_s: int | None = None
    invocation_timeout_s: int | None = None


@dataclass(frozen=True, slots=True)
class Record:
    """One input row, read and valid as input.

    Attributes:
        row: Dense ordinal in the input, from 0; rejected rows count too.
        id: The user's id of the row, only ever a column of the output.
        payload: What the model receives; empty if `location` is set.
        location: An object that is already in S3 and is sent as it is, without upload.
        due_at: When it is due by the schedule of an experiment; its latency counts from then, however late it
            leaves. None in an ordinary run: a row is due when the pacing says so.
        transport: How it travels in an experiment; None leaves that to the routing of the run.
    """

    row: int
    id: str | None
    payload: bytes
    options: Options
    passthrough: Passthrough = ()
    location: str | None = None
    due_at: float | None = None
    transport: Transport | None = None

    @classmethod
    def of(
        cls,
        payload: bytes = b"",
        *,
        id: str | None = None,  # noqa: A002 - the name of the column
        location: str | None = None,
        content_type: str | None = None,
        accept: str | None = None,
        custom_attributes: str | None = None,
        ttl_s: int | None = None,
        invocation_timeout_s: int | None = None,
    ) -> Record:
        """Return a row for `Session.send` and `Session.map`, which give it its number.

        >>> fanout.Record.of(b'{"inputs": "one"}', id="a", ttl_s=600).id
        'a'
        """
        options = Options(content_type, accept, custom_attributes, ttl_s, invocation_timeout_s)
        return cls(-1, id, payload, options, location=location)


@dataclass(frozen=True, slots=True)
class Rejected:
    """A row that cannot be sent; it becomes an output row with this error.

    Attributes:
        code: A short CamelCase name (`InvalidJSON`, `PayloadTooLarge`), fit for grouping.
        message: What is wrong and where (file, line or row), for a person.
    """

    row: int
    id: str | None
    code: str
    message: str
    passthrough: Passthrough = ()
    payload_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Inline:
    """Routed: the payload travels in the request; if `only`, because the user said so, and in no other way."""

    options: Options
    payload: bytes
    only: bool = False

    @property
    def body_bytes(self) -> int:
        """Bytes that this request puts on the wire as its body."""
        return len(self.payload)


@dataclass(frozen=True, slots=True)
class Upload:
    """Routed: the payload must be put at `location` first."""

    options: Options
    payload: bytes
    location: Location


@dataclass(frozen=True, slots=True)
class Staged:
    """Routed: the payload is in S3 at `location`, put there by us or by the user."""

    options: Options
    location: str

    body_bytes = 0


Sendable = Inline | Staged
Routed = Inline | Upload | Staged


@dataclass(frozen=True, slots=True)
class Invocation:
    """One InvokeEndpointAsync request; exactly one of `body` and `input_location` is set.

    Attributes:
        may_leave: Asked when its connection is there and nothing is written yet: whether it may still be sent, which
            the wait for the connection may have changed. None if nothing can.
    """

    endpoint: str
    inference_id: str
    output_extension: str
    filename: str
    options: Options
    body: bytes | None = None
    input_location: str | None = None
    may_leave: Callable[[], bool] | None = None


@dataclass(frozen=True, slots=True)
class Reply:
    """A 202, checked: the endpoint has taken the row and says where it will write."""

    inference_id: str
    output_location: str
    failure_location: str | None
    request_id: str | None = None


@dataclass(frozen=True, slots=True)
class Message:
    """One SQS message: its body as received, and the handle that deletes it."""

    body: str
    receipt: str


@dataclass(frozen=True, slots=True)
class Notice:
    """Something says that a row has finished: a notification, or an object that the reconciler found.

    A hint, not the truth: locations in it are compared with ours and never followed.

    Attributes:
        generation: Generation of the send that it speaks of.
        attempt: Attempt of that send; None from a listing, which does not show it.
        completed: True for an output, False for a failure or expiry.
        received_at: SageMaker's clock: when it took the request. None from a listing.
        completed_at: SageMaker's clock: when the model was done; from a listing, S3's Last-Modified.
        notified_at: When the message was taken from the queue or the object was seen in the listing.
        response: The response that rode along, if the user trusts the topic.
        receipt: Handle that deletes the message, once the row is durable.
    """

    row: int
    generation: int
    attempt: int | None
    completed: bool
    noticed_by: NoticedBy
    notified_at: float
    received_at: float | None = None
    completed_at: float | None = None
    output_location: str | None = None
    failure_location: str | None = None
    failure_status: str | None = None
    failure_reason: str | None = None
    response: bytes | None = None
    response_content_type: str | None = None
    receipt: str | None = None


@dataclass(slots=True, kw_only=True)
class Outcome:
    """A row's end: what the output file holds of it. Instants are None where there was no such step.

    Attributes:
        attempts: Requests for it that left; one that is refused and repeated under the same id counts once.
        possible_attempts: Requests that an earlier process of the run may have sent before it was killed.
        resends: Requests that were sent, or may have been, while an earlier one might have been accepted.
        input_location: Where its payload stands in S3, or stood; None for one that travels in the request.
        ended_at: When it was settled on our side, however it ended.
        fields: Values of the fields of its response, in the order of `Responses.fields`; empty where none are wanted,
            and where it did not succeed.
    """

    row: int
    id: str | None
    passthrough: Passthrough
    status: Status
    transport: Transport | None = None
    payload_bytes: int = 0
    attempts: int = 0
    possible_attempts: int = 0
    resends: int = 0
    inference_id: str | None = None
    input_location: str | None = None
    output_location: str | None = None
    failure_location: str | None = None
    response: bytes | None = None
    response_content_type: str | None = None
    error_code: str | None = None
    error_message: str | None = None
    upload_started_at: float | None = None
    uploaded_at: float | None = None
    due_at: float | None = None
    sent_at: float | None = None
    accepted_at: float | None = None
    received_at: float | None = None
    completed_at: float | None = None
    notified_at: float | None = None
    collected_at: float | None = None
    fetched_at: float | None = None
    ended_at: float | None = None
    noticed_by: NoticedBy | None = None
    fields: tuple[object, ...] = ()

    @property
    def possible_resends(self) -> int:
        """Those re-sends before which no request certainly left: the row may have been sent twice, or once."""
        return min(self.resends, self.possible_attempts)

    @property
    def began_at(self) -> float | None:
        """The instant from which the row's latency counts: when it was due, earlier by its upload if that came before.

        How long before does not matter: whatever lies ready ahead of a paced schedule waits for nothing that is slow.
        """
        due, uploading, uploaded = self.due_at, self.upload_started_at, self.uploaded_at
        if due is None:
            return uploading
        if uploading is None or uploading >= due:
            return due
        return uploading + (0.0 if uploaded is None or uploaded >= due else due - uploaded)
