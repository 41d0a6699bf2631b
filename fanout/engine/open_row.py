"""One open row: what it is, where it is, what was sent of it, and when. No payload but one kept for a re-send."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, unique

from fanout.domain.location import Location
from fanout.domain.records import Notice, Passthrough, Sendable, Transport


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
class OpenRow:
    """One open row. Owned by the ledger; stages read it and change it through the ledger alone."""

    row: int
    id: str | None
    passthrough: Passthrough
    transport: Transport
    payload_bytes: int
    patience_s: float
    state: State = State.READY
    generation: int = 0
    sends: int = 0
    resends: int = 0
    doubted: bool = False
    failed_at: float | None = None
    suspect: bool = False
    """Others were accepted between its last two failures: then it is the trouble, not the service."""
    queued: bool = False
    intended: bool = False
    output: Location | None = None
    """Where its output stands or should, None if nothing is known of it; `layout.AS_EXPECTED` for nearly every row."""
    failure: Location | None = None
    """Where its failure object would stand, likewise."""
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
    unconfirmed_notice: Notice | None = None
    receipts: tuple[str, ...] = ()

    def is_meant_by(self, notice: Notice) -> bool:
        """Whether the notice speaks of a send that was made: anyone who may publish to the topic can forge others."""
        return notice.generation == self.generation and (
            notice.attempt is None or 1 <= notice.attempt <= self.sends
        )
