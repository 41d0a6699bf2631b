"""Defines an open row, the states it can be in, and which state may follow which.

A state says two things at once: how far the row has come on our side, and whether the endpoint may have it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, unique

from fanout.domain.location import Location
from fanout.domain.notifications import UnconfirmedNotice
from fanout.domain.records import (
    Inline,
    Notice,
    Options,
    Outcome,
    Passthrough,
    Record,
    Routed,
    Staged,
    Transport,
    Upload,
    value_bytes,
)
from fanout.domain.row_state import RowRecord, RowState

DEFAULT_TTL_S = 21_600  # RequestTTLSeconds, API reference
DEFAULT_TIMEOUT_S = 900  # InvocationTimeoutSeconds, API reference
RECEIPTS_MAX = 16
"""Handles that are kept of one row's messages: any number of them can be forged."""


@unique
class State(Enum):
    """Where an open row is, and what is known of it."""

    # Enum's own hashes the name, in Python; the simulation does it 36 times a row.
    __hash__ = object.__hash__

    # The endpoint certainly does not have it:
    UPLOADING = "uploading"
    """Its payload is being put into S3."""
    QUEUED = "queued"
    """It waits for its intent to be journalled."""
    INTENDED = "intended"
    """It has an attempt, which is journalled, and waits for its turn to be sent."""
    SENT = "sent"
    """Its first request is in flight: nothing that was sent before may have been received."""
    DEFERRED = "deferred"
    """It waits before it is sent: the model failed it, or the endpoint refused its payload in the request."""

    # The endpoint may have it:
    UNCERTAIN = "uncertain"
    """A request was sent and its reply was lost; it waits for a notice, or to be looked for."""
    REQUEUED = "requeued"
    """Uncertain, not found, and on its way to be sent again: it waits for the intent."""
    REINTENDED = "reintended"
    """Uncertain, with another attempt, which waits for its turn."""
    RESENT = "resent"
    """Uncertain, with another request in flight."""

    # The endpoint has it, or had it:
    ACCEPTED = "accepted"
    """The endpoint answered 202."""
    CLAIMED = "claimed"
    """A notice came; its result is being fetched."""
    SETTLED = "settled"
    """Its outcome is there and not durable yet."""


TRANSITIONS: dict[State, frozenset[State]] = {
    State.UPLOADING: frozenset({State.QUEUED}),
    State.QUEUED: frozenset({State.INTENDED}),
    State.INTENDED: frozenset({State.SENT, State.DEFERRED, State.SETTLED}),
    State.SENT: frozenset({State.INTENDED, State.UNCERTAIN, State.ACCEPTED, State.CLAIMED}),
    State.DEFERRED: frozenset({State.QUEUED}),
    State.UNCERTAIN: frozenset({State.REQUEUED, State.CLAIMED, State.SETTLED}),
    State.REQUEUED: frozenset({State.REINTENDED, State.CLAIMED}),
    State.REINTENDED: frozenset({State.RESENT, State.UNCERTAIN, State.CLAIMED, State.SETTLED}),
    State.RESENT: frozenset({State.REINTENDED, State.UNCERTAIN, State.ACCEPTED, State.CLAIMED}),
    State.ACCEPTED: frozenset({State.CLAIMED, State.DEFERRED, State.SETTLED}),
    State.CLAIMED: frozenset({State.ACCEPTED, State.UNCERTAIN, State.DEFERRED, State.SETTLED}),
    State.SETTLED: frozenset(),
}
"""The states that may follow each one. `OpenRows` makes every move, and no other is made."""

WAITING = frozenset({State.ACCEPTED, State.UNCERTAIN, State.REQUEUED, State.REINTENDED})
"""The states of a row that the endpoint has or may have: it waits for a notice, which may never come."""

IN_FLIGHT = frozenset({State.SENT, State.RESENT})
"""The states of a row whose request has no reply yet."""

NOT_RECEIVED = frozenset({State.UPLOADING, State.QUEUED, State.INTENDED, State.DEFERRED})
"""The states of a row whose generation cannot have been received: a notice of it is forged, or of an earlier one."""


@unique
class Claim(Enum):
    """What a notice turned out to be."""

    __hash__ = object.__hash__  # as in `State`

    WON = "won"
    """First notice of an open row: fetch it."""
    EARLY = "early"
    """Before the 202: kept with the row until that arrives."""
    PENDING = "pending"
    """A repetition; its message may go once the row is durable."""
    DONE = "done"
    """A repetition of a durable row; its message may go now."""
    STRANGER = "stranger"
    """No row, generation or attempt of this run."""


@dataclass(slots=True, eq=False)
class OpenRow:
    """One open row. `OpenRows` owns it: stages read it, and change it by the methods of `OpenRows` alone.

    Attributes:
        number: Its ordinal in the input.
        patience_s: Seconds from a send to its deadline.
        timeout_s: Seconds that the model may take for it.
        state: Where it is; `State.SETTLED` is the last.
        generation: Rises when the model has failed it and it is sent again.
        sends: Attempts that it was given, in all generations; the last one's number is part of the inference id.
        resends: Those given while an earlier one might have been received.
        possible: Those that an earlier process may have sent before it was killed.
        unsent: Under its last attempt no request has left yet.
        unproven: No object proved the failure of the generation before, and no request of this one has left yet.
        failed_at: When a request of it last failed without telling whether it was received.
        suspect: Other rows were accepted between its last two failures: the row is the trouble, not the service.
        output: Where its output stands or should; None if nothing is known of that, `AS_EXPECTED` for nearly every row.
        failure: Where its failure object would stand, likewise.
        upload: The uploaded payload, which is deleted once the row is durable.
        input: Where its payload stands in S3.
        item: What to send, or to upload first; None once no further send can need it.
        held_bytes: Bytes of payload that `item` keeps in memory.
        kept_bytes: About as many of `passthrough`, which its outcome has once it has ended.
        turn: Number of its place among the deferred rows, None if it has none.
        turn_at: When its last turn came or comes; None if it had none since its last send.
        held_s: Seconds that it waited for its intent to be durable, where that is counted.
        deadline: When it is looked for a last time, None if that was done or is not due.
        notice: What it was claimed by, or what came while its request was in flight.
        unconfirmed_notice: An end that was announced and that S3 did not confirm; a failure rather than a success.
        receipts: Handles of its latest messages, which are deleted once the row is durable.
    """

    number: int
    id: str | None
    passthrough: Passthrough
    transport: Transport
    payload_bytes: int
    patience_s: float
    timeout_s: float
    state: State
    item: Routed | None = None
    held_bytes: int = 0
    kept_bytes: int = 0
    generation: int = 0
    sends: int = 0
    resends: int = 0
    possible: int = 0
    unsent: bool = False
    unproven: bool = False
    failed_at: float | None = None
    suspect: bool = False
    output: Location | None = None
    failure: Location | None = None
    upload: Location | None = None
    input: str | None = None
    upload_started_at: float | None = None
    uploaded_at: float | None = None
    due_at: float | None = None
    sent_at: float | None = None
    accepted_at: float | None = None
    turn: int | None = None
    turn_at: float | None = None
    held_s: float = 0.0
    deadline: float | None = None
    notice: Notice | None = None
    unconfirmed_notice: UnconfirmedNotice | None = None
    receipts: tuple[str, ...] = ()

    @classmethod
    def of(cls, record: Record, item: Routed, *, upload: Location | None, patience_s: float) -> OpenRow:
        """Return the row of an input record that is to be sent as `item`, or uploaded first."""
        return cls(
            record.row,
            record.id,
            record.passthrough,
            transport_of(item),
            len(record.payload),
            patience_s,
            record.options.invocation_timeout_s or DEFAULT_TIMEOUT_S,
            State.UPLOADING if isinstance(item, Upload) else State.QUEUED,
            item,
            payload_bytes(item),
            sum(map(value_bytes, record.passthrough)),
            upload=upload,
            due_at=record.due_at,
        )

    def is_meant_by(self, notice: Notice) -> bool:
        """Whether the notice is of a send that was made: anyone who may publish to the topic can forge notices."""
        return notice.generation == self.generation and (
            notice.attempt is None or 1 <= notice.attempt <= self.sends
        )

    def keep_receipt(self, receipt: str | None) -> None:
        """Keep the handle of a message, so that it can be deleted; None for a notice that was no message."""
        if receipt is not None:
            self.receipts = (*self.receipts[1 - RECEIPTS_MAX :], receipt)

    def take_back_claim(self) -> bool:
        """Keep what claims the row as unconfirmed; return whether it is the first. A failure is kept in any case."""
        notice, self.notice = self.notice, None
        first = self.unconfirmed_notice is None
        if notice is not None and (first or not notice.completed):
            self.unconfirmed_notice = UnconfirmedNotice.of(notice)
        return first

    def recall(self, line: RowRecord) -> None:
        """Take over what the journal of an earlier process tells of the row; called before it is entered."""
        self.generation, self.sends, self.resends = line.generation, line.sends, line.resends
        self.possible = line.possible
        self.due_at, self.sent_at, self.accepted_at = line.due_at, line.sent_at, line.accepted_at
        self.upload_started_at, self.uploaded_at = line.upload_started_at, line.uploaded_at
        self.input = line.input
        if line.state == RowState.READY:
            return
        accepted = line.state == RowState.ACCEPTED and line.accepted_at is not None
        self.state = State.ACCEPTED if accepted else State.UNCERTAIN
        self.output = Location.parse(line.output) if line.output else None
        self.failure = Location.parse(line.failure) if line.failure else None
        was_uploaded = accepted or line.input is not None  # before its intent
        if isinstance(self.item, Upload) and was_uploaded:
            self.item = Staged(self.item.options, line.input or self.item.location.uri)
            self.held_bytes = 0

    @property
    def last_sent(self) -> int:
        """Number of the last attempt under which a request left, or may have; 0 if there is none."""
        return self.sends - self.unsent

    @property
    def resends_sent(self) -> int:
        """Those of `resends` under which a request left, or may have."""
        return self.resends - (self.unsent and self.state not in NOT_RECEIVED) - self.unproven

    @property
    def resends_known(self) -> int:
        """`resends_sent`, and one more where the next request will be one: no object proved the failure before it."""
        return self.resends_sent + self.unproven

    def take_attempt(self) -> None:
        """Take the next attempt; one under which no request has left, as a notice came first, is still to be used."""
        if not self.unsent:
            self.resends += self.state is State.REQUEUED
            self.sends += 1
            self.unsent = True

    def begin_generation(self, *, resends: int) -> None:
        """Begin the next generation: the model failed this one, so a request of it was received.

        Args:
            resends: 1 if no object proves that: the next request is a re-send, and journalled as such from now on.
        """
        if self.unsent:
            self.sends, self.resends, self.unsent = self.sends - 1, self.resends - 1, False
        self.possible -= self._is_proof_of_a_possible_one
        self.generation += 1
        self.resends += resends
        self.unproven = resends > 0
        self.suspect = False
        self.output = self.failure = self.notice = self.unconfirmed_notice = self.deadline = None
        self.sent_at = self.accepted_at = None

    @property
    def _is_proof_of_a_possible_one(self) -> bool:
        """Whether an object of this generation proves that one of its possible requests was sent."""
        return self.possible > 0 and self.sent_at is None

    @property
    def _input_location(self) -> str | None:
        """Where its payload stands in S3, put there by us or by the user; None where no object is known of."""
        return self.item.location if self.input is None and isinstance(self.item, Staged) else self.input

    def take_way_via_s3(self, item: Upload, *, upload: Location | None) -> None:
        """Note that the payload travels as `item` from now on; `upload` is to be deleted once the row is durable."""
        self.item, self.transport, self.upload = item, transport_of(item), upload

    def outcome(self, output: Location | None, failure: Location | None, **facts: object) -> Outcome:
        """Return the row's outcome: what is known of it, and `facts` (fields of `Outcome`)."""
        proven = facts.get("fetched_at") is not None and self._is_proof_of_a_possible_one
        possible = self.possible - proven
        return Outcome(
            row=self.number,
            id=self.id,
            passthrough=self.passthrough,
            transport=self.transport,
            payload_bytes=self.payload_bytes,
            attempts=self.last_sent - possible,
            possible_attempts=possible,
            resends=self.resends_sent,
            input_location=self._input_location,
            output_location=output.uri if output else None,
            failure_location=failure.uri if failure else None,
            upload_started_at=self.upload_started_at,
            uploaded_at=self.uploaded_at,
            due_at=self.due_at,
            sent_at=self.sent_at,
            accepted_at=self.accepted_at,
            **facts,  # type: ignore[arg-type]  # the caller names fields of Outcome; mypy cannot see through **
        )


def payload_bytes(item: Routed) -> int:
    """Return the bytes of payload that `item` keeps in memory."""
    return len(item.payload) if isinstance(item, Inline | Upload) else 0


def transport_of(item: Routed) -> Transport:
    """Return how the payload of `item` reaches the endpoint."""
    if isinstance(item, Upload):
        return "s3"
    return "inline" if isinstance(item, Inline) else "existing"


def served_within_s(options: Options) -> float:
    """Return the seconds after which the endpoint has served a request, or never will."""
    return (options.ttl_s or DEFAULT_TTL_S) + (options.invocation_timeout_s or DEFAULT_TIMEOUT_S)
