"""Holds every open row in memory and makes every move from one state to the next.

All moves are synchronous, with `now` handed in. A row is entered when it is admitted, and forgotten when the part that
holds its outcome is durable. The first notice of a row claims it; others are repetitions.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from fanout.concurrency.notify import Notify
from fanout.domain.ids import inference_id
from fanout.domain.location import Location
from fanout.domain.output_paths import OutputPaths
from fanout.domain.records import Notice, Outcome, Record, Reply, Routed, Staged
from fanout.domain.row_state import RowRecord
from fanout.engine.deadlines import Deadlines, Patience
from fanout.engine.deferrals import Deferrals
from fanout.engine.open_row import (
    IN_FLIGHT,
    NOT_RECEIVED,
    TRANSITIONS,
    WAITING,
    Claim,
    OpenRow,
    State,
)
from fanout.engine.row_counts import OpenRowsStatistics, RowCounts
from fanout.engine.row_payloads import RowPayloads
from fanout.engine.row_places import RowPlaces
from fanout.engine.settled_rows import SettledRows
from fanout.engine.unconfirmed import Unconfirmed

HEARD_WITHIN_S = 60.0
"""When a run is resumed a night later, its messages get this long to be received before a row is given up."""


class OpenRows:
    """The open rows of one run.

    Args:
        run_id: The run id.
        outputs: Where outputs stand.
        failures: Where failure objects stand.
        keep_payloads: Keep payloads that travel in requests until their rows have ended, so that a row that the model
            failed can be sent again; else they are dropped when the endpoint has accepted the row.
        slack_s: Added to TTL and timeout before a row is looked for and given up.
    """

    def __init__(
        self,
        run_id: str,
        *,
        outputs: OutputPaths,
        failures: OutputPaths,
        keep_payloads: bool = False,
        slack_s: float = 60.0,
    ) -> None:
        self.run_id = run_id
        self.places = RowPlaces(outputs=outputs, failures=failures)
        self._patience = Patience(slack_s)
        self._open: dict[int, OpenRow] = {}
        self._settled = SettledRows()
        self.changed = Notify()
        """Notified whenever a row ends or lets go of its payload."""
        self._payloads = RowPayloads(keep=keep_payloads, changed=self.changed)
        self.last_accepted_at = float("-inf")
        self.newest_claimed: float | None = None
        """The latest acceptance among claimed rows: a row accepted much earlier that still waits is suspicious."""
        self.deadlines = Deadlines(self._open)
        """The rows that wait, by when they are looked for a last time."""
        self.deferrals = Deferrals()
        """The rows that wait for an instant: `defer` gives them their turns."""
        self.unconfirmed = Unconfirmed(self._open)
        """The accepted rows of which a message claims an end that S3 did not confirm."""
        self.counts = RowCounts()

    @property
    def held_bytes(self) -> int:
        """Bytes of payloads and passthrough values in memory."""
        return self._payloads.held_bytes

    def __len__(self) -> int:
        """Rows that are open: admitted and without an outcome."""
        return len(self._open)

    # A row comes in.

    def admit(self, record: Record, item: Routed, *, upload: Location | None = None) -> OpenRow:
        """Enter a row that is to be sent for the first time; it stays until its outcome is durable.

        Args:
            record: The row.
            item: What to send, or to upload first.
            upload: The object to delete once the row is durable; None to delete nothing.
        """
        row = OpenRow.of(record, item, upload=upload, patience_s=self._patience.of(record.options))
        self._enter(row)
        return row

    def restore(
        self, record: Record, item: Routed, line: RowRecord, *, upload: Location | None, now: float
    ) -> OpenRow:
        """Enter a row that an earlier process had in hand, as its journal tells.

        A row that may have been sent is `State.UNCERTAIN`, without a turn: it is the caller's to upload or to defer.
        """
        row = OpenRow.of(record, item, upload=upload, patience_s=self._patience.of(record.options))
        row.recall(line)
        self._enter(row)
        if row.state is State.ACCEPTED:
            self.places.presume(row)
            self._payloads.sent(row)
            accepted_at = now if row.accepted_at is None else row.accepted_at
            self.deadlines.set(row, max(accepted_at + row.patience_s, now + HEARD_WITHIN_S))
        elif row.state is State.UNCERTAIN:
            self.places.presume(row)
            row.failed_at = now
            self.deadlines.set(row, now + row.patience_s)  # it was sent just before the kill, if it was
        return row

    def _enter(self, row: OpenRow) -> None:
        self._open[row.number] = row
        self.counts.enter(row.state)
        self._payloads.enter(row)
        self.seen(row.number)

    def seen(self, number: int) -> None:
        """Note that the input has reached row `number`: a later message for it is a repetition, not a stranger."""
        self._settled.seen(number)

    @property
    def rows_seen(self) -> int:
        """How far the input was read: a number above every row's."""
        return self._settled.rows_seen

    def uploaded(self, row: OpenRow, location: Location, *, started: float, now: float) -> bool:
        """Note that the row's payload stands in S3; return whether the row is to be sent now.

        The bytes are dropped: every send, and every re-send after a failure of the model, names the object. A row that
        may have been sent by an earlier process stays `State.UNCERTAIN`: it is looked for before it is sent.
        """
        row.upload_started_at, row.uploaded_at = started, now
        row.input = location.uri
        if row.item is not None:
            self._payloads.replace(row, Staged(row.item.options, row.input))
        # One that the model failed has its turn behind it if it was uploaded for its next generation.
        if row.state is State.UPLOADING or (row.state is State.DEFERRED and row.turn is None):
            self._move(row, State.QUEUED)
            return True
        return False

    # It is sent.

    def requeue(self, row: OpenRow) -> None:
        """Note that a row whose turn has come is on its way to be sent."""
        self._move(row, State.QUEUED if row.state is State.DEFERRED else State.REQUEUED)

    def attempt(self, row: OpenRow) -> bool:
        """Give the row its next attempt, whose intent is then journalled; return False if it needs none.

        It needs none if a notice has claimed it meanwhile, or if it was queued twice. What may have been received
        before makes this attempt a re-send.
        """
        if row.state is not State.QUEUED and row.state is not State.REQUEUED:
            return False
        row.take_attempt()
        return True

    def intend(self, row: OpenRow) -> bool:
        """Note that the intent is durable: the row may be sent; return False if a notice has claimed it meanwhile.

        Not before: a copy of the row that is still on its way to the senders would be sent at once, and after a kill
        nothing would say so.
        """
        if row.state is State.QUEUED and row.unsent:
            self._move(row, State.INTENDED)
        elif row.state is State.REQUEUED and row.unsent:
            self._move(row, State.REINTENDED)
        else:  # or the model has failed it meanwhile: that attempt was of the generation before
            return False
        return True

    def may_send(self, row: OpenRow) -> bool:
        """Whether the row has an attempt and waits to be sent.

        A row can be on its way to the senders twice, when a notice gave it a new turn; only one may send it.
        """
        return row.state is State.INTENDED or row.state is State.REINTENDED

    def send(self, row: OpenRow, *, due: float, now: float) -> str:
        """Note that the row is sent now; return the inference id of this attempt.

        A request that was refused or never received is sent again under the same id: it cannot be accepted twice.
        """
        self._move(row, State.SENT if row.state is State.INTENDED else State.RESENT)
        if row.unsent and row.state is State.RESENT:
            self.counts.resend(row.sent_at)
        elif row.unproven:
            self.counts.resend(row.due_at)  # the generation before certainly left
        row.unsent = row.unproven = False
        if row.due_at is None:
            row.due_at = due - row.held_s  # else what its durability took would be no one's wait
        row.sent_at = now
        return self._inference_id(row)

    def accept(self, row: OpenRow, reply: Reply, *, now: float) -> bool:
        """Note a 202; return whether a notice had overtaken it: the row is then claimed."""
        row.accepted_at = self.last_accepted_at = now
        self.places.learn(row, reply)
        self.deadlines.set(row, now + row.patience_s)
        self._payloads.sent(row)
        if row.unconfirmed_notice is not None:
            self.unconfirmed.add(row)
        if row.notice is not None:
            self._win(row)
            return True
        self._move(row, State.ACCEPTED)
        return False

    def unsend(self, row: OpenRow) -> bool:
        """Note that the request was refused or never received: this attempt can be made again.

        Returns:
            Whether a notice of an earlier attempt came meanwhile: the row is then claimed, and not sent again.
        """
        if row.state is State.SENT:
            row.notice = None  # nothing was received that it could be of: it is forged
            self._move(row, State.INTENDED)
            return False
        if row.notice is not None:
            self.places.presume(row)
            self._win(row)
            return True
        self._move(row, State.REINTENDED)  # an earlier attempt may still be with the endpoint
        if row.deadline is not None:
            self.deadlines.set(row, row.deadline)  # passed over while the row was in flight
        return False

    def doubt(self, row: OpenRow, *, now: float) -> bool:
        """Note that the request may have been received; return whether a notice came already: the row is claimed."""
        row.suspect = row.failed_at is not None and self.last_accepted_at > row.failed_at
        row.failed_at, row.turn_at = now, None
        self.deadlines.set(row, now + row.patience_s)
        self.places.presume(row)
        if row.notice is not None:
            self._win(row)
            return True
        self._move(row, State.UNCERTAIN)
        self.changed.notify()  # a run that is to stop waits for rows in flight, and for uncertain ones no longer
        return False

    def defer(self, row: OpenRow, *, until: float) -> None:
        """Give the row its turn at `until`: an uncertain one to be looked for, one that the model failed to be sent."""
        if row.state is State.REINTENDED:  # its attempt was refused; an earlier one may have been received
            self._move(row, State.UNCERTAIN)
        self.deferrals.set(row, until)

    def refuse_inline(self, row: OpenRow) -> None:
        """Note that the endpoint refused the row's payload in the request; the row is the caller's to defer.

        One of which an earlier attempt may have been received stays uncertain.
        """
        if row.state is State.INTENDED:
            self._move(row, State.DEFERRED)

    def prolong(self, row: OpenRow, *, now: float) -> None:
        """See to it that a row which waits for its deadline has one that is still to come."""
        if row.deadline is None:
            self.deadlines.set(row, now + row.patience_s)

    # A notice of it comes.

    def claim(self, notice: Notice) -> Claim:
        """Return what `notice` is; `Claim.WON` makes its row the caller's to fetch."""
        row = self._open.get(notice.row)
        claim = self._settled.claim(notice) if row is None else self._claimed(row, notice)
        self.counts.claim(claim)
        return claim

    def _claimed(self, row: OpenRow, notice: Notice) -> Claim:
        if row.state in NOT_RECEIVED or not row.is_meant_by(notice):
            return Claim.STRANGER
        row.keep_receipt(notice.receipt)
        if row.notice is not None:
            return Claim.PENDING
        row.notice = notice
        if row.state in IN_FLIGHT:
            return Claim.EARLY
        self._win(row)
        return Claim.WON

    def found(self, notice: Notice, location: Location) -> OpenRow | None:
        """Claim a row whose object the reconciler found at `location`; return it, None if it is not to be fetched."""
        if self.claim(notice) is not Claim.WON:
            return None
        row = self._open[notice.row]
        self.places.note(row, location, completed=notice.completed)
        return row

    def fetched(self, row: OpenRow, location: Location) -> None:
        """Note where the row's output was found to stand."""
        self.places.note(row, location, completed=True)

    def release(self, row: OpenRow) -> None:
        """Take back a claim that S3 does not confirm; the row keeps it, and waits as long as it would have without.

        One that was never accepted is uncertain again, without a turn: it is the caller's to defer.
        """
        first = row.take_back_claim()
        self._move(row, State.ACCEPTED if row.accepted_at is not None else State.UNCERTAIN)
        if row.deadline is not None:
            self.deadlines.set(row, row.deadline)  # passed over while the row was claimed
        if first and row.accepted_at is not None:
            self.unconfirmed.add(row)

    def regenerate(self, row: OpenRow, *, resends: int = 0) -> None:
        """Give a row that the model failed its next generation; it is the caller's to defer.

        Args:
            row: The row.
            resends: 1 if no object proves the failure: it is sent while it may still be served, and that is counted.
        """
        self._move(row, State.DEFERRED)
        row.begin_generation(resends=resends)

    def _win(self, row: OpenRow) -> None:
        self._move(row, State.CLAIMED)
        if row.accepted_at is not None:
            self.newest_claimed = max(self.newest_claimed or row.accepted_at, row.accepted_at)

    # It ends.

    def settle(self, row: OpenRow) -> None:
        """Note that the row has its outcome."""
        del self._open[row.number]
        self._move(row, State.SETTLED)
        # What it holds goes: a part of 5,000 rows would keep 640 MB of payloads alive, beside every bound.
        self._payloads.settle(row)
        row.notice = None
        self._settled.add(row)

    def durable(self, numbers: Iterable[int]) -> tuple[list[str], list[Location]]:
        """Forget rows whose outcome is durable; return receipts and uploaded inputs that may now be deleted."""
        return self._settled.durable(numbers)

    def is_durable(self, row: OpenRow) -> bool:
        """Whether the row has ended and was forgotten: what is uploaded for it now stays, unless it is deleted."""
        return row.state is State.SETTLED and row.number not in self._settled

    def _move(self, row: OpenRow, state: State) -> None:
        assert state in TRANSITIONS[row.state], f"row {row.number} went from {row.state} to {state}"
        self.counts.move(row.state, state)
        row.state, row.turn = state, None  # a turn ends with the state that it was given in

    # Questions about rows.

    def get(self, number: int) -> OpenRow:
        """Return an open row.

        Raises:
            KeyError: It is not open.
        """
        return self._open[number]

    def awaits(self, number: int, generation: int) -> bool:
        """Whether the row is open, at this generation, and waits for a notice."""
        row = self._open.get(number)
        return row is not None and row.generation == generation and row.state in WAITING

    def outcome(self, row: OpenRow, **facts: object) -> Outcome:
        """Return a row's outcome: what is known of it here, and `facts` (fields of `Outcome`)."""
        sent_as = self._inference_id(row) if row.last_sent else None
        return row.outcome(self.places.output(row), self.places.failure(row), inference_id=sent_as, **facts)

    def _inference_id(self, row: OpenRow) -> str:
        # Not kept with the row: 70 bytes of one that waits.
        return inference_id(self.run_id, row.number, generation=row.generation, attempt=row.last_sent)

    def waiting(self, states: frozenset[State] = WAITING) -> Iterator[OpenRow]:
        """Yield the open rows in `states`, oldest first."""
        return (row for row in self._open.values() if row.state in states)

    def oldest_wait(self) -> float | None:
        """Return since when the oldest row waits for its result, None if none waits."""
        for row in self._open.values():  # dicts keep the order of entry: the first hit is about the oldest
            since = row.accepted_at if row.accepted_at is not None else row.sent_at
            # A row that an earlier process was about to send has no instant; the rows behind it still count.
            if since is not None and row.state in WAITING:
                return since
        return None

    def statistics(self) -> OpenRowsStatistics:
        """Return a snapshot."""
        return self.counts.statistics(open_rows=len(self._open), undurable=len(self._settled))
