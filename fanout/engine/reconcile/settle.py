"""Settles accepted rows whose result is nowhere, by what is seen of the endpoint (`evidence`), or at their deadlines.

Each is looked for once more at that moment. The reconciler calls it; a row that S3 settles meanwhile is left alone.
"""

from __future__ import annotations

from dataclasses import dataclass

from fanout.domain.notifications import UnconfirmedNotice, failure_facts
from fanout.engine.flow import Flow
from fanout.engine.open_row import OpenRow, State
from fanout.engine.open_rows import OpenRows
from fanout.engine.reconcile.backlog import BacklogWatch
from fanout.engine.reconcile.ends import Ends
from fanout.engine.reconcile.evidence import NEAR_S, Seen, Verdict, Waiting, ended_by, judge
from fanout.engine.reconcile.lookup import Lookup
from fanout.ports import Clock

EVERY_S = 5.0
"""Between two turns: a row is settled so much late at most."""
OVERDUE_S = 60.0  # where nothing was seen yet
OVERDUE_TIMES = 3.0
"""A row that waits so many times longer than the slowest one took is overdue."""
_ACCEPTED = frozenset({State.ACCEPTED})
_ANY = frozenset(State)


@dataclass(frozen=True, slots=True)
class SettleStatistics:
    """A snapshot: rows that ended without a result."""

    settled: int


class Settle:
    """Decides on rows whose result is nowhere.

    Args:
        rows: The open rows.
        flow: Passes rows on to the stages.
        lookup: Looks into S3.
        clock: The run's clock.
        backlog: Knows since when the endpoint's backlog was empty.
        hears_failures: The endpoint announces failures, and this run receives what it announces.
    """

    def __init__(
        self,
        *,
        rows: OpenRows,
        flow: Flow,
        lookup: Lookup,
        clock: Clock,
        backlog: BacklogWatch,
        hears_failures: bool,
    ) -> None:
        self._rows = rows
        self._flow = flow
        self._lookup = lookup
        self._clock = clock
        self._backlog = backlog
        self._hears_failures = hears_failures
        self._ends = Ends()
        self._turned_at = float("-inf")
        self._scanned: float | None = None
        self._alone = False
        self._settled = 0

    def found(self, row: OpenRow, modified_at: float | None) -> None:
        """Note that an object in S3 shows that the row has ended; `modified_at` by S3's clock, None if not known."""
        if modified_at is not None:
            self._backlog.compare_clocks(modified_at)
        # One that may have been accepted twice may have been served before it was accepted the last time.
        now = self._clock.now()
        if row.resends == 0 and row.accepted_at is not None and row.sent_at is not None:
            self._ends.note(sent_at=row.sent_at, accepted_at=row.accepted_at, now=now)
        else:
            self._ends.saw(now)

    def listen_no_more(self) -> None:
        """Take it that no failure is announced any more."""
        self._hears_failures = False

    def next(self) -> float:
        """Return when the next turn is due."""
        if self._rows.unconfirmed or (not self._tells_all() and self._rows.counts.accepted):
            return self._turned_at + EVERY_S
        return float("inf")

    async def turn(self, now: float) -> None:
        """Settle the rows that have ended by what was seen, once their turn is due."""
        if now < self.next():
            return
        self._turned_at = now
        self._want_backlog(now)
        due = self._ended(now)
        if due:
            await self._lookup.find_singly(due)
            for row in due:
                if row.state is State.ACCEPTED:
                    self.conclude(row)

    def conclude(self, row: OpenRow) -> None:
        """End a row that is nowhere, if it is time; one whose deadline was taken from it ends now."""
        if row.accepted_at is None:
            self._end(
                row,
                status="unknown",
                error_code="DeliveryUnknown",
                error_message="a request was sent and its reply was lost; no output was found",
            )
            return
        verdict = judge(self._waiting(row), self._seen(row.accepted_at), now=self._clock.now())
        claim = row.unconfirmed_notice
        if verdict is Verdict.FAILED:
            assert claim is not None, "a failure that nothing claims is none"
            self._believe(row, claim)
        elif verdict is Verdict.FAILURE_UNCONFIRMED:
            assert claim is not None, "a failure that nothing claims is none"
            self._unsettled(row, "FailureUnconfirmed", _unconfirmed_text(claim))
        elif verdict is Verdict.OUTPUT_MISSING:
            self._unsettled(row, "OutputMissing", "a message says that it was completed; no output was found")
        elif verdict is Verdict.NO_RESULT:
            waited_s = self._clock.now() - row.accepted_at
            self._unsettled(
                row,
                "NoResult",
                f"accepted, but neither a notification nor an output within {waited_s:,.0f} s",
            )

    def _believe(self, row: OpenRow, claim: UnconfirmedNotice) -> None:
        facts = failure_facts(claim, None)
        again = facts["status"] == "failed" and self._can_settle_again()
        if again and self._flow.send_after_failure(row, claim.failure_reason, resends=1):
            return
        self._end(
            row,
            **facts,
            received_at=claim.received_at,
            completed_at=claim.completed_at,
            notified_at=claim.notified_at,
            noticed_by="sqs",
        )

    def _can_settle_again(self) -> bool:
        """Whether a row that is sent now can be settled in the same way, should it fail again: else it waits for hours.

        At the end of a run, no row is sent with it or after it whose object would show that it has ended.
        """
        return self._backlog.told or self._clock.now() - self._ends.newest <= NEAR_S

    def _unsettled(self, row: OpenRow, code: str, message: str) -> None:
        self._end(row, status="unsettled", error_code=code, error_message=message)

    def _end(self, row: OpenRow, **facts: object) -> None:
        self._settled += 1
        self._flow.finish(row, **facts)

    def _want_backlog(self, now: float) -> None:
        """Have the backlog asked for if rows wait that nothing else can settle."""
        since = self._rows.unconfirmed.oldest()
        oldest = None if self._tells_all() else self._rows.oldest_wait()
        if oldest is not None and now - oldest > max(OVERDUE_S, OVERDUE_TIMES * self._ends.slowest_s):
            since = oldest if since is None else min(since, oldest)
        if since is not None:
            self._backlog.want(since)

    def _ended(self, now: float) -> list[OpenRow]:
        """Return the rows that have certainly ended; cheap while there are none."""
        self._alone = self._is_alone()

        def ended(accepted_at: float, timeout_s: float) -> bool:
            instant = ended_by(accepted_at, timeout_s, self._seen(accepted_at))
            return instant is not None and instant <= now

        found = self._rows.unconfirmed.over(ended, self._is_arguable)
        empty = self._backlog.empty_from
        if empty is not None and empty != self._scanned and not self._tells_all():
            self._scanned = empty  # all rows are gone through once for each answer
            found += [
                row
                for row in self._rows.waiting(_ACCEPTED)
                if row.unconfirmed_notice is None and row.accepted_at is not None and row.accepted_at <= empty
            ]
        return [row for row in found if row.state is State.ACCEPTED]

    def _is_arguable(self, row: OpenRow) -> bool:
        """Whether what was seen of the endpoint can settle a row with an unconfirmed notice."""
        claim = row.unconfirmed_notice
        return claim is not None and (claim.completed or not self._is_provable(row))

    def _is_provable(self, row: OpenRow) -> bool:
        return self._rows.places.failure(row) is not None

    def _tells_all(self) -> bool:
        """Whether each failure leaves an object and is announced."""
        return self._hears_failures and self._rows.places.failures.root() is not None

    def _waiting(self, row: OpenRow) -> Waiting:
        assert row.accepted_at is not None, "only accepted rows are judged"
        claim = row.unconfirmed_notice
        provable = self._is_provable(row)
        return Waiting(
            accepted_at=row.accepted_at,
            timeout_s=row.timeout_s,
            deadline=row.deadline,
            claimed=None if claim is None else "completed" if claim.completed else "failed",
            provable=provable,
            told=provable and self._hears_failures,
        )

    def _is_alone(self) -> bool:
        """Whether all rows that are open wait with an unconfirmed notice; gone through only if so many have one."""
        rows = self._rows
        return len(rows) <= len(rows.unconfirmed) and all(
            row.state is State.ACCEPTED and row.unconfirmed_notice is not None for row in rows.waiting(_ANY)
        )

    def _seen(self, accepted_at: float) -> Seen:
        near = self._alone and accepted_at - self._ends.newest <= NEAR_S
        return Seen(
            self._backlog.empty_from,
            self._ends.first_after(accepted_at),
            self._ends.seen_at if near else None,
        )

    def statistics(self) -> SettleStatistics:
        """Return a snapshot."""
        return SettleStatistics(self._settled)


def _unconfirmed_text(claim: UnconfirmedNotice) -> str:
    end = "it expired" if claim.failure_status == "Expired" else "the model failed it"
    reason = f" ({claim.failure_reason})" if claim.failure_reason else ""
    return f"a message says that {end}{reason}; no object in S3 confirms that, and no output was found"
