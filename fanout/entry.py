"""One open row: what it is, where it is, what was sent of it, and when. No payload but one kept for a re-send."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum, unique

from fanout.records import Kept, Location, Notice, Outcome, Sendable, Transport


@unique
class State(Enum):
    """Where an open row is."""

    # Enum's own hashes the name, in Python; the simulation does it 36 times a row.
    __hash__ = object.__hash__

    READY = "ready"
    """Admitted; not sent, or known not to have been received."""
    SENT = "sent"
    """A request is in flight."""
    ACCEPTED = "accepted"
    """The endpoint answered 202."""
    UNKNOWN = "unknown"
    """A request was sent and nobody knows whether it was received."""
    CLAIMED = "claimed"
    """A notice came; its result is being fetched."""
    SETTLED = "settled"
    """Its outcome is with the sink and not durable yet."""


WAITING = frozenset({State.ACCEPTED, State.UNKNOWN})
"""The states of a row that waits to be heard of, and may wait in vain."""


@dataclass(slots=True, eq=False)
class Entry:
    """One open row. Owned by the ledger; stages read it and change it through the ledger alone."""

    row: int
    id: str | None
    kept: Kept
    transport: Transport
    payload_bytes: int
    patience_s: float
    state: State = State.READY
    generation: int = 0
    sends: int = 0
    resends: int = 0
    doubted: bool = False
    failed_at: float | None = None
    fails_alone: bool = False
    """Others were accepted between its last two failures: then it is the trouble, not the service."""
    queued: bool = False
    intended: bool = False
    inference_id: str | None = None
    output: Location | None = None
    failure: Location | None = None
    upload: Location | None = None
    input: str | None = None
    held: int = 0
    item: Sendable | None = None
    upload_started_at: float | None = None
    uploaded_at: float | None = None
    due_at: float | None = None
    sent_at: float | None = None
    accepted_at: float | None = None
    deadline: float | None = None
    overdue: bool = False
    early: Notice | None = None
    hearsay: Notice | None = None
    receipts: list[str] = field(default_factory=list)

    def is_meant_by(self, notice: Notice) -> bool:
        """Whether the notice speaks of a send that was made: anyone who may publish to the topic can forge others."""
        return notice.generation == self.generation and (
            notice.attempt is None or 1 <= notice.attempt <= self.sends
        )

    def outcome(self, **facts: object) -> Outcome:
        """Return this row's outcome: what the entry knows, and `facts` (fields of `Outcome`)."""
        return Outcome(
            row=self.row,
            id=self.id,
            kept=self.kept,
            transport=self.transport,
            payload_bytes=self.payload_bytes,
            attempts=self.sends,
            resends=self.resends,
            inference_id=self.inference_id,
            output_location=self.output.uri if self.output else None,
            failure_location=self.failure.uri if self.failure else None,
            upload_started_at=self.upload_started_at,
            uploaded_at=self.uploaded_at,
            due_at=self.due_at,
            sent_at=self.sent_at,
            accepted_at=self.accepted_at,
            **facts,  # type: ignore[arg-type]  # the caller names fields of Outcome; mypy cannot see through **
        )
