"""Stage: sees to rows that no message told of: has S3 searched for them, settles unknown fates, and deadlines.

Started as one worker by the pipeline, and cancelled when every row has ended. It looks when notifications are silent,
late, or not configured; found rows go the way of noticed ones.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable
from dataclasses import dataclass

from fanout.concurrency.channel import Channel
from fanout.concurrency.notify import Notify
from fanout.domain.notifications import failure_facts
from fanout.domain.records import Outcome, Sendable
from fanout.engine.open_row import OpenRow, State
from fanout.engine.open_rows import OpenRows
from fanout.engine.reconcile.lookup import Lookup
from fanout.engine.reconcile.schedule import LookupPolicy, next_look
from fanout.ports import Clock

MAX_RESENDS = (
    8  # of one row whose replies are lost again and again: its payload may be what breaks the connection
)


@dataclass(frozen=True, slots=True)
class ReconcilerStatistics:
    """A snapshot: looks into S3, rows that they found, rows uncertain that wait, and rows given up."""

    looks: int
    found: int
    deferred: int
    expired: int


class Reconciler:
    """The rows to be looked for.

    Args:
        search: Looks into S3.
        ready: Takes rows that are to be sent again.
        finish: Takes rows that are given up.
        last_notice_at: When a message last claimed a row; None if notifications are not configured or none came.
        resumed: Look at once: messages that the earlier process had in hand stay invisible for minutes.
        max_resends: How often a row uncertain is sent again.
    """

    def __init__(
        self,
        *,
        open_rows: OpenRows,
        search: Lookup,
        clock: Clock,
        ready: Channel[tuple[OpenRow, Sendable]],
        finish: Callable[[OpenRow, Outcome], None],
        last_notice_at: Callable[[], float | None],
        patience: LookupPolicy,
        resumed: bool = False,
        max_resends: int = MAX_RESENDS,
    ) -> None:
        self._open_rows = open_rows
        self._search = search
        self._clock = clock
        self._ready = ready
        self._finish = finish
        self._last_notice_at = last_notice_at
        self._patience = patience
        self._max_resends = max_resends
        self._deferred: list[tuple[float, int, OpenRow, Sendable]] = []
        self._tickets: dict[int, int] = {}
        self._doubtful: dict[int, Sendable] = {}
        self._order = itertools.count()
        self._wakeup = Notify()
        self._looked_at: float | None = None
        self._look_now = resumed
        self._look_took_s = 0.0
        self._fruitless = 0
        self._looks = self._expired = 0

    def defer(self, entry: OpenRow, item: Sendable, wait_s: float | None = None) -> None:
        """Take a row that may have been received, or is to wait; if it is in doubt it is looked for first."""
        ready_at = self._clock.now() + (self._patience.unknown_s if wait_s is None else wait_s)
        ticket = next(self._order)
        # The latest alone counts: a row parked in doubt may have failed since, and be parked for its next generation.
        self._tickets[entry.row] = ticket
        heapq.heappush(self._deferred, (ready_at, ticket, entry, item))
        self._wakeup.notify()

    def hold(self, entry: OpenRow, item: Sendable) -> None:
        """Take a row that was not sent because a notice had claimed it: S3 may not confirm that notice."""
        if entry.state in _UNDECIDED and entry.row not in self._tickets:
            self.defer(entry, item)

    async def worker(self) -> None:
        """Look for rows for ever."""
        while True:
            now = self._clock.now()
            await self._wakeup.wait_for(self._next(now) - now)
            now = self._clock.now()
            await self._settle_deferred(now)
            await self._last_looks(now)
            if self._next_look(now) <= now:
                await self._look()

    def _next(self, now: float) -> float:
        instants = [self._next_look(now)]
        if self._deferred:
            instants.append(self._deferred[0][0])
        deadline = self._open_rows.next_deadline()
        if deadline is not None:
            instants.append(deadline)
        return min(instants)

    def _next_look(self, now: float) -> float:
        if self._look_now:
            return now
        return next_look(
            now,
            patience=self._patience,
            oldest_wait=self._open_rows.oldest_wait(),
            newest_claimed=self._open_rows.newest_claimed,
            last_notice_at=self._last_notice_at(),
            looked_at=self._looked_at,
            look_took_s=self._look_took_s,
            fruitless=self._fruitless,
        )

    async def _settle_deferred(self, now: float) -> None:
        """Send again each row whose wait is over; one uncertain only if its output is nowhere."""
        due = []
        while self._deferred and self._deferred[0][0] <= now:
            _, ticket, entry, item = heapq.heappop(self._deferred)
            if self._tickets.get(entry.row) == ticket:
                due.append((ticket, entry, item))
        await self._search.find([entry for _, entry, _ in due if entry.state is State.UNKNOWN])
        for ticket, entry, item in due:
            # Asked again for each: while the earlier ones were looked for, a notice may have given it a new turn.
            if self._tickets.get(entry.row) != ticket:
                continue
            del self._tickets[entry.row]
            if entry.state is State.CLAIMED:
                self.hold(entry, item)
            if entry.state not in {State.UNKNOWN, State.READY}:
                continue
            if entry.doubted and self._patience.unknown != "resend":
                self._doubtful[entry.row] = item  # waits for a notice, the listing or its deadline
                self._open_rows.prolong(entry, now=now)
            elif entry.resends < self._max_resends or not entry.suspect:
                await self._send(entry, item)
            else:
                self._give_up(entry)

    async def _send(self, entry: OpenRow, item: Sendable) -> None:
        entry.queued = True
        await self._ready.put((entry, item))

    async def _last_looks(self, now: float) -> None:
        """Look for the rows whose deadline has passed, and give up those that are nowhere."""
        late = [entry for entry in self._open_rows.overdue(now) if not self._on_its_way(entry)]
        await self._search.find_singly(late)
        for entry in late:
            if entry.state not in {State.ACCEPTED, State.UNKNOWN} or self._on_its_way(entry):
                continue
            item = self._doubtful.pop(entry.row, None)
            if item is not None and self._patience.unknown == "wait" and entry.resends < self._max_resends:
                await self._send(
                    entry, item
                )  # TTL and timeout have passed: the earlier send cannot be served
            else:
                self._give_up(entry)

    def _on_its_way(self, entry: OpenRow) -> bool:
        """Whether a row's resend is still to come; settling it as well would write two rows."""
        # One that was put aside may have an attempt left, if a notice that S3 did not confirm kept it from being
        # sent; nobody is to make it before this row's deadline.
        intended = entry.intended and entry.row not in self._doubtful
        return entry.state is State.UNKNOWN and (entry.row in self._tickets or entry.queued or intended)

    def _give_up(self, entry: OpenRow) -> None:
        self._expired += 1
        if entry.unconfirmed_notice is not None:
            facts = failure_facts(entry.unconfirmed_notice, None)
        elif entry.accepted_at is None:
            facts = {
                "status": "unknown",
                "error_code": "FateUnknown",
                "error_message": "a request was sent and its reply was lost; no output was found",
            }
        else:
            facts = {
                "status": "expired",
                "error_code": "NoResult",
                "error_message": f"accepted, but neither notice nor output within {entry.patience_s:,.0f} s",
            }
        self._finish(entry, self._open_rows.outcome(entry, **facts))

    async def _look(self) -> None:
        """Look for all rows that wait, the cheaper way: one by one, or by listing the run's prefix."""
        started = self._clock.now()
        self._look_now = False
        before = self._search.statistics().found
        await self._search.find(list(self._open_rows.waiting()))
        self._looks += 1
        self._looked_at = self._clock.now()
        self._look_took_s = self._looked_at - started
        self._fruitless = 0 if self._search.statistics().found > before else self._fruitless + 1

    def statistics(self) -> ReconcilerStatistics:
        """Return a snapshot."""
        # A row that a message settled meanwhile stays in the heap until its instant comes; it waits for nothing.
        deferred = sum(
            self._tickets.get(entry.row) == ticket and entry.state in _UNDECIDED
            for _, ticket, entry, _ in self._deferred
        )
        return ReconcilerStatistics(self._looks, self._search.statistics().found, deferred, self._expired)


_UNDECIDED = frozenset({State.READY, State.UNKNOWN, State.CLAIMED})
