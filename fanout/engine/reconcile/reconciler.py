"""Finds rows for which no message came: has S3 searched for them, settles uncertain rows, and keeps deadlines.

The pipeline starts one worker, and cancels it when every row has ended. It looks when notifications are silent, late,
or not configured; the rows that it finds are fetched like noticed ones.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from fanout.concurrency.notify import Notify
from fanout.domain.notifications import failure_facts
from fanout.domain.records import Upload
from fanout.engine.flow import Flow
from fanout.engine.open_row import OpenRow, State
from fanout.engine.open_rows import OpenRows
from fanout.engine.reconcile.lookup import Lookup
from fanout.engine.reconcile.schedule import LookupPolicy, next_look
from fanout.engine.reconcile.service_times import ServiceTimes
from fanout.engine.reconcile.unknown_wait import LEAST_S, Answers, lost_at, next_question
from fanout.ports import Clock

MAX_RESENDS = 8
"""Re-sends of one row whose replies are lost again and again: its payload may be what breaks the connection."""


_ANSWERABLE = frozenset({State.ACCEPTED})


@dataclass(frozen=True, slots=True)
class ReconcilerStatistics:
    """A snapshot: looks into S3, rows that they found, rows that are deferred, and rows given up."""

    looks: int
    found: int
    deferred: int
    expired: int


class Reconciler:
    """Decides when rows are looked for, sent again, or given up.

    Args:
        rows: The open rows.
        flow: Passes rows on to the stages.
        lookup: Looks into S3.
        clock: The run's clock.
        service_times: How long rows took so far.
        last_notice_at: When a message last claimed a row; None if notifications are not configured or none came.
        policy: How long to wait before looking, and what becomes of uncertain rows.
        resumed: Look at once: messages that the earlier process had in hand stay invisible for minutes.
        max_resends: How often an uncertain row is sent again.
    """

    def __init__(
        self,
        *,
        rows: OpenRows,
        flow: Flow,
        lookup: Lookup,
        clock: Clock,
        service_times: ServiceTimes,
        last_notice_at: Callable[[], float | None],
        policy: LookupPolicy,
        resumed: bool = False,
        max_resends: int = MAX_RESENDS,
    ) -> None:
        self._rows = rows
        self._flow = flow
        self._lookup = lookup
        self._clock = clock
        self._service_times = service_times
        self._last_notice_at = last_notice_at
        self._policy = policy
        self._max_resends = max_resends
        self._wakeup = Notify()
        self._looked_at: float | None = None
        self._look_now = resumed
        self._look_took_s = 0.0
        self._fruitless = 0
        self._looks = self._expired = 0

    def doubt(self, row: OpenRow, *, more_s: float = 0.0) -> None:
        """Look for an uncertain row when its result should have come, and `more_s` seconds later."""
        wait_s = LEAST_S if self._policy.unknown_s is None else self._policy.unknown_s
        self.defer(row, wait_s + more_s)

    def defer(self, row: OpenRow, wait_s: float) -> None:
        """Look for an uncertain row, or send one that the model failed, after `wait_s` seconds."""
        self._rows.defer(row, until=self._clock.now() + wait_s)
        self._wakeup.notify()

    def listen_no_more(self) -> None:
        """Look into S3 all the time from now on: no notification will come any more."""
        self._policy = replace(self._policy, notified=False)
        self._wakeup.notify()

    def _wait_on(self, rows: Sequence[OpenRow], now: float) -> None:
        """Give another turn to the uncertain ones among `rows` whose result may still come, as things stand."""
        oldest_wait = next((row.accepted_at for row in self._rows.waiting(_ANSWERABLE)), None)
        answers = Answers(self._service_times, oldest_wait)
        for row in rows:
            if row.state is State.UNCERTAIN:
                since = now if row.failed_at is None else row.failed_at
                lost = lost_at(since, longest_s=row.patience_s, answers=answers)
                if lost > now:
                    self._rows.defer(row, until=next_question(now, since=since, lost=lost))

    def release(self, row: OpenRow, *, grace_s: float) -> None:
        """Take back the claim on a row whose object is not there; one that is uncertain again is looked for."""
        self._rows.release(row, deadline=self._clock.now() + grace_s)
        if row.state is State.UNCERTAIN:
            self.doubt(row)

    async def worker(self) -> None:
        """Look for rows for ever."""
        while True:
            now = self._clock.now()
            await self._wakeup.wait_for(self._next(now) - now)
            now = self._clock.now()
            await self._take_turns(now)
            await self._last_looks(now)
            if self._next_look(now) <= now:
                await self._look()

    def _next(self, now: float) -> float:
        instants = (self._next_look(now), self._rows.deferrals.next(), self._rows.deadlines.next())
        return min(instant for instant in instants if instant is not None)

    def _next_look(self, now: float) -> float:
        if self._look_now:
            return now
        return next_look(
            now,
            policy=self._policy,
            oldest_wait=self._rows.oldest_wait(),
            newest_claimed=self._rows.newest_claimed,
            last_notice_at=self._last_notice_at(),
            looked_at=self._looked_at,
            look_took_s=self._look_took_s,
            fruitless=self._fruitless,
        )

    async def _take_turns(self, now: float) -> None:
        """Send again each row whose turn has come; an uncertain one only if its output is nowhere."""
        due = self._rows.deferrals.due(now)
        if due and self._policy.unknown_s is None:
            self._wait_on(due, now)
        await self._lookup.find([row for row in due if row.state is State.UNCERTAIN and row.turn is None])
        for row in due:
            if (
                row.turn is not None
            ):  # too early, or a notice gave it another while the earlier ones were looked for
                continue
            if row.state is State.DEFERRED:
                await self._send(row)
            elif row.state is State.UNCERTAIN:
                await self._settle(row, now)

    async def _settle(self, row: OpenRow, now: float) -> None:
        """Decide on an uncertain row that is nowhere."""
        if self._policy.unknown != "resend":
            self._rows.prolong(row, now=now)  # it waits for a notice, the listing or its deadline
        elif row.resends < self._max_resends or not row.suspect:
            await self._send(row)
        else:
            self._give_up(row)

    async def _send(self, row: OpenRow) -> None:
        if isinstance(
            row.item, Upload
        ):  # the journal of an earlier process does not say whether it was uploaded
            await self._flow.upload(row)
            return
        self._rows.requeue(row)
        await self._flow.send(row)

    async def _last_looks(self, now: float) -> None:
        """Look for the rows whose deadline has passed, and give up those that are nowhere."""
        late = [row for row in self._rows.deadlines.overdue(now) if _is_idle(row)]
        await self._lookup.find_singly(late)
        for row in late:
            if not _is_idle(row):
                continue
            uncertain = row.state is State.UNCERTAIN
            if uncertain and self._policy.unknown == "wait" and row.resends < self._max_resends:
                await self._send(row)  # TTL and timeout have passed: the earlier send cannot be served
            else:
                self._give_up(row)

    def _give_up(self, row: OpenRow) -> None:
        self._expired += 1
        if row.unconfirmed_notice is not None:
            facts = failure_facts(row.unconfirmed_notice, None)
        elif row.accepted_at is None:
            facts = {
                "status": "unknown",
                "error_code": "FateUnknown",  # "DeliveryUnknown" from schema 2 on
                "error_message": "a request was sent and its reply was lost; no output was found",
            }
        else:
            facts = {
                "status": "expired",
                "error_code": "NoResult",
                "error_message": f"accepted, but neither notice nor output within {row.patience_s:,.0f} s",
            }
        self._flow.finish(row, **facts)

    async def _look(self) -> None:
        """Look for all rows that wait, the cheaper way: one by one, or by listing the run's prefix."""
        started = self._clock.now()
        self._look_now = False
        before = self._lookup.statistics().found
        await self._lookup.find(list(self._rows.waiting()))
        self._looks += 1
        self._looked_at = self._clock.now()
        self._look_took_s = self._looked_at - started
        self._fruitless = 0 if self._lookup.statistics().found > before else self._fruitless + 1

    def statistics(self) -> ReconcilerStatistics:
        """Return a snapshot."""
        deferred = len(self._rows.deferrals)
        return ReconcilerStatistics(self._looks, self._lookup.statistics().found, deferred, self._expired)


def _is_idle(row: OpenRow) -> bool:
    """Whether a row waits for its result alone: settling one that will be sent again would write two rows."""
    return row.state is State.ACCEPTED or (row.state is State.UNCERTAIN and row.turn is None)
