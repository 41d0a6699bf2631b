"""Every open row, in memory, without payloads: who is where, who was told what, and until when to wait.

All transitions are synchronous and pure but for this object; `now` is handed in. Entered at intake, left when a
part file that holds the row is durable. Whoever claims a row first is the one who fetches it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import Enum, unique

from fanout.domain.ids import inference_id
from fanout.domain.location import Location
from fanout.domain.output_paths import OutputPaths
from fanout.domain.records import Notice, Options, Outcome, Record, Reply, Transport
from fanout.domain.row_state import RowRecord, RowState
from fanout.engine.deadlines import Deadlines
from fanout.engine.open_row import WAITING, OpenRow, State

DEFAULT_TTL_S = 21_600  # RequestTTLSeconds, API reference
DEFAULT_TIMEOUT_S = 900  # InvocationTimeoutSeconds, API reference


@unique
class Claim(Enum):
    """What a notice turned out to be."""

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


@dataclass(frozen=True, slots=True)
class OpenRowsStatistics:
    """A snapshot: rows by state, and the counts that say how messages and sends went."""

    open: int
    in_flight: int
    accepted: int
    claimed: int
    unknown: int
    undurable: int
    resends: int
    duplicates: int
    strangers: int


class OpenRows:
    """The open rows of one run.

    Args:
        run_id: The run id.
        outputs: Where outputs stand; learns from replies.
        failures: Where failure objects stand; learns from replies.
        slack_s: Added to TTL and timeout before a row is looked for and given up.
    """

    def __init__(
        self, run_id: str, *, outputs: OutputPaths, failures: OutputPaths, slack_s: float = 60.0
    ) -> None:
        self.run_id = run_id
        self.outputs = outputs
        self.failures = failures
        self._slack_s = slack_s
        self._options: Options | None = None
        self._patience_s = 0.0
        self._open: dict[int, OpenRow] = {}
        self._settled: dict[int, OpenRow] = {}
        self.rows_seen = 0
        self.last_accepted_at = float("-inf")
        self.newest_claimed: float | None = None
        """The latest acceptance among claimed rows: a row accepted much earlier that still waits is suspicious."""
        self._deadlines = Deadlines(self._open)
        self._counts = dict.fromkeys(State, 0)
        self._resends = self._duplicates = self._strangers = 0

    def __len__(self) -> int:
        """Rows that are open: admitted and without an outcome."""
        return len(self._open)

    def admit(self, record: Record, *, transport: Transport, upload: Location | None = None) -> OpenRow:
        """Enter a row; it stays until its outcome is durable."""
        if record.options is not self._options:  # rows mostly share them: one number for all
            self._options = options = record.options
            served_s = (options.ttl_s or DEFAULT_TTL_S) + (options.invocation_timeout_s or DEFAULT_TIMEOUT_S)
            self._patience_s = served_s + self._slack_s
        entry = OpenRow(
            row=record.row,
            id=record.id,
            passthrough=record.passthrough,
            transport=transport,
            payload_bytes=len(record.payload),
            patience_s=self._patience_s,
            upload=upload,
            due_at=record.due_at,
        )
        self._open[record.row] = entry
        self._counts[entry.state] += 1
        self.seen(record.row)
        return entry

    def seen(self, row: int) -> None:
        """Note that the input has reached `row`, so that a later message for it is a repetition, not a stranger."""
        if row >= self.rows_seen:
            self.rows_seen = row + 1

    def get(self, row: int) -> OpenRow:
        """Return an open row.

        Raises:
            KeyError: It is not open.
        """
        return self._open[row]

    def intend(self, entry: OpenRow) -> None:
        """Give the row its next attempt; what may have been received before makes this a re-send."""
        if entry.doubted:
            entry.resends += 1
            self._resends += 1
        entry.sends += 1
        entry.intended = True

    def may_send(self, entry: OpenRow) -> bool:
        """Whether the row waits to be sent, with an attempt that is not used up.

        A row can be on its way to the senders twice, when a notice gave it a new turn; only one may send it.
        """
        return entry.intended and entry.state in _SENDABLE

    def send(self, entry: OpenRow, *, due: float, now: float) -> str:
        """Note that the row is sent now; return the inference id of this attempt.

        A request that was refused or never received is sent again under the same id: it cannot be accepted twice.
        """
        self._move(entry, State.SENT)
        entry.due_at = due if entry.due_at is None else entry.due_at
        entry.sent_at = now
        return self._inference_id(entry)

    def accept(self, entry: OpenRow, reply: Reply, *, now: float) -> Notice | None:
        """Note a 202; return the notice that overtook it, if there was one: the row is then claimed."""
        entry.accepted_at = self.last_accepted_at = now
        entry.intended = False
        row, generation = entry.row, entry.generation
        entry.output = self.outputs.learn(reply.output_location, row=row, generation=generation)
        if reply.failure_location is not None:
            entry.failure = self.failures.learn(reply.failure_location, row=row, generation=generation)
        self._deadlines.set(entry, now + entry.patience_s)
        if entry.early is not None:
            return self.settle_early(entry)
        self._move(entry, State.ACCEPTED)
        return None

    def unsend(self, entry: OpenRow) -> Notice | None:
        """Note that the request was refused or never received: this attempt can be made again.

        Returns:
            The notice of an earlier attempt that came meanwhile: the row is then claimed, and not sent again.
        """
        if entry.early is not None:
            return self.settle_early(entry)
        # An earlier attempt may still be with the endpoint.
        self._move(entry, State.UNKNOWN if entry.doubted else State.READY)
        if entry.deadline is not None and not entry.overdue:
            self._deadlines.set(entry, entry.deadline)  # forgotten while the row was in flight
        return None

    def settle_early(self, entry: OpenRow) -> Notice | None:
        """Claim a row that is not in flight by the notice that came while it was, and return that notice."""
        notice, entry.early = entry.early, None
        if notice is not None:
            self._win(entry)
            self._presume_places(entry)
        return notice

    def doubt(self, entry: OpenRow, *, now: float) -> Notice | None:
        """Note that a request's fate is unknown; return the notice that settles it, if one came already."""
        entry.doubted = True
        entry.suspect = entry.failed_at is not None and self.last_accepted_at > entry.failed_at
        entry.failed_at = now
        entry.intended = False
        self._deadlines.set(entry, now + entry.patience_s)
        self._presume_places(entry)
        if entry.early is not None:
            return self.settle_early(entry)
        self._move(entry, State.UNKNOWN)
        return None

    def _presume_places(self, entry: OpenRow) -> None:
        """Where no reply told, what comes of the row will stand where it was asked to."""
        entry.output = entry.output or self.outputs.presumed(entry.row, entry.generation)
        entry.failure = entry.failure or self.failures.presumed(entry.row, entry.generation)

    def output(self, entry: OpenRow) -> Location | None:
        """Return where a row's output stands or should, None if nothing is known of it."""
        return self.outputs.resolve(entry.output, entry.row, entry.generation)

    def failure(self, entry: OpenRow) -> Location | None:
        """Return where a row's failure object would stand; None if nothing is known of such a place."""
        return self.failures.resolve(entry.failure, entry.row, entry.generation)

    def outcome(self, entry: OpenRow, **facts: object) -> Outcome:
        """Return a row's outcome: what the ledger knows of it, and `facts` (fields of `Outcome`)."""
        output, failure = self.output(entry), self.failure(entry)
        return Outcome(
            row=entry.row,
            id=entry.id,
            passthrough=entry.passthrough,
            transport=entry.transport,
            payload_bytes=entry.payload_bytes,
            attempts=entry.sends,
            resends=entry.resends,
            inference_id=self._inference_id(entry) if entry.sends else None,
            output_location=output.uri if output else None,
            failure_location=failure.uri if failure else None,
            upload_started_at=entry.upload_started_at,
            uploaded_at=entry.uploaded_at,
            due_at=entry.due_at,
            sent_at=entry.sent_at,
            accepted_at=entry.accepted_at,
            **facts,  # type: ignore[arg-type]  # the caller names fields of Outcome; mypy cannot see through **
        )

    def _inference_id(self, entry: OpenRow) -> str:
        # Not kept with the row: 70 bytes of one that waits.
        return inference_id(self.run_id, entry.row, generation=entry.generation, attempt=entry.sends)

    def claim(self, notice: Notice) -> Claim:
        """Return what `notice` is; `Claim.WON` makes its row the caller's to fetch."""
        entry = self._open.get(notice.row)
        if entry is None:
            return self._repeated(notice)
        if entry.state is State.READY or not entry.is_meant_by(notice):
            self._strangers += 1
            return Claim.STRANGER
        if notice.receipt is not None:
            entry.receipts += (notice.receipt,)
        if entry.state is State.CLAIMED or entry.early is not None:
            self._duplicates += 1
            return Claim.PENDING
        if entry.state is State.SENT:
            entry.early = notice
            return Claim.EARLY
        self._win(entry)
        return Claim.WON

    def _win(self, entry: OpenRow) -> None:
        self._move(entry, State.CLAIMED)
        if entry.accepted_at is not None:
            self.newest_claimed = max(self.newest_claimed or entry.accepted_at, entry.accepted_at)

    def awaits(self, row: int, generation: int) -> bool:
        """Whether the row is open, at this generation, and waits for a notice."""
        entry = self._open.get(row)
        return entry is not None and entry.generation == generation and entry.state in WAITING

    def _repeated(self, notice: Notice) -> Claim:
        settled = self._settled.get(notice.row)
        if settled is not None and not settled.is_meant_by(notice):
            self._strangers += 1
            return Claim.STRANGER
        if settled is not None:
            self._duplicates += 1
            if notice.receipt is not None:
                settled.receipts += (notice.receipt,)
            return Claim.PENDING
        if notice.row < self.rows_seen:
            self._duplicates += 1
            return Claim.DONE
        self._strangers += 1
        return Claim.STRANGER

    def regenerate(self, entry: OpenRow) -> None:
        """Make the row ready again after a definitive failure of its present generation."""
        self._move(entry, State.READY)
        entry.generation += 1
        entry.doubted = entry.intended = entry.suspect = False
        entry.output = entry.failure = entry.early = entry.unconfirmed_notice = entry.deadline = None
        entry.accepted_at = None

    def restore(
        self, record: Record, line: RowRecord, *, transport: Transport, upload: Location | None, now: float
    ) -> OpenRow:
        """Enter a row that an earlier process had in hand, as its journal tells."""
        entry = self.admit(record, transport=transport, upload=upload)
        entry.generation, entry.sends, entry.resends = line.generation, line.sends, line.resends
        entry.due_at, entry.sent_at, entry.accepted_at = line.due_at, line.sent_at, line.accepted_at
        entry.upload_started_at, entry.uploaded_at, entry.input = (
            line.upload_started_at,
            line.uploaded_at,
            line.input,
        )
        if line.state == RowState.READY:
            return entry
        places = (self.outputs, line.output), (self.failures, line.failure)
        entry.output, entry.failure = (
            Location.parse(uri) if uri else layout.presumed(entry.row, entry.generation)
            for layout, uri in places
        )
        if line.state == RowState.ACCEPTED and entry.accepted_at is not None:
            self._move(entry, State.ACCEPTED)
            # A night may lie between the processes: its messages get a minute to be heard before it is given up.
            self._deadlines.set(entry, max(entry.accepted_at + entry.patience_s, now + 60.0))
        else:
            self._move(entry, State.UNKNOWN)
            entry.doubted = True
            self._deadlines.set(entry, now + entry.patience_s)  # it was sent just before the kill, if it was
        return entry

    def release(self, entry: OpenRow, *, deadline: float) -> None:
        """Take back a claim whose object is not there; the row waits on, until `deadline` at the latest."""
        self._move(entry, State.ACCEPTED if entry.accepted_at is not None else State.UNKNOWN)
        self._deadlines.set(entry, min(entry.deadline, deadline) if entry.deadline is not None else deadline)

    def prolong(self, entry: OpenRow, *, now: float) -> None:
        """See to it that a row which waits for its deadline has one that is still to come."""
        if entry.overdue or entry.deadline is None:
            self._deadlines.set(entry, now + entry.patience_s)

    @property
    def busy(self) -> int:
        """Rows with which something is going on: in flight, in the endpoint's queue, or being fetched."""
        counts = self._counts
        return counts[State.SENT] + counts[State.ACCEPTED] + counts[State.CLAIMED]

    def _move(self, entry: OpenRow, state: State) -> None:
        self._counts[entry.state] -= 1
        self._counts[state] += 1
        entry.state = state

    def settle(self, entry: OpenRow) -> None:
        """Note that the row's outcome is with the sink."""
        del self._open[entry.row]
        self._move(entry, State.SETTLED)
        # Its payload goes: a part of 5,000 rows would keep 640 MB of them alive, beside every bound.
        entry.item = None
        self._settled[entry.row] = entry

    def durable(self, rows: Iterable[int]) -> tuple[list[str], list[Location]]:
        """Forget rows whose outcome is durable; return receipts and uploaded inputs that may now be deleted."""
        receipts: list[str] = []
        uploads: list[Location] = []
        for row in rows:
            entry = self._settled.pop(row, None)
            if entry is None:  # a row rejected before it was admitted
                continue
            receipts.extend(entry.receipts)
            if entry.upload is not None:
                uploads.append(entry.upload)
        self._counts[State.SETTLED] = len(self._settled)
        return receipts, uploads

    def waiting(self, states: frozenset[State] = WAITING) -> Iterator[OpenRow]:
        """Yield the open rows in `states`, oldest first."""
        return (entry for entry in self._open.values() if entry.state in states)

    def oldest_wait(self) -> float | None:
        """Return since when the oldest row waits for its result, None if none waits."""
        for entry in self._open.values():  # dicts keep the order of entry: the first hit is about the oldest
            since = entry.accepted_at if entry.accepted_at is not None else entry.sent_at
            # A row that an earlier process was about to send has no instant, and hides nobody behind it.
            if since is not None and entry.state in WAITING:
                return since
        return None

    def next_deadline(self) -> float | None:
        """Return the earliest deadline of an open row, None if none has one."""
        return self._deadlines.next()

    def overdue(self, now: float) -> list[OpenRow]:
        """Return, once, the rows whose deadline has passed; the caller looks for them a last time."""
        return self._deadlines.overdue(now)

    def statistics(self) -> OpenRowsStatistics:
        """Return a snapshot."""
        return OpenRowsStatistics(
            open=len(self._open),
            in_flight=self._counts[State.SENT],
            accepted=self._counts[State.ACCEPTED],
            claimed=self._counts[State.CLAIMED],
            unknown=self._counts[State.UNKNOWN],
            undurable=len(self._settled),
            resends=self._resends,
            duplicates=self._duplicates,
            strangers=self._strangers,
        )


_SENDABLE = frozenset({State.READY, State.UNKNOWN})
