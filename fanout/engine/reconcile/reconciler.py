"""Finds rows for which no message came: has S3 searched for them, settles uncertain rows, and keeps deadlines.

The pipeline starts one worker, and cancels it when every row has ended. It looks when notifications are silent, late,
or not configured; the rows that it finds are fetched like noticed ones.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from fanout.concurrency.notify import Notify
from fanout.domain.records import Upload
from fanout.engine.flow import Flow
from fanout.engine.open_row import OpenRow, State
from fanout.engine.open_rows import OpenRows
from fanout.engine.reconcile.backlog import BacklogWatch
from fanout.engine.reconcile.drained import Drained
from fanout.engine.reconcile.lookup import Lookup
from fanout.engine.reconcile.schedule import LookupPolicy, next_look
from fanout.engine.reconcile.service_times import ServiceTimes
from fanout.engine.reconcile.settle import Settle
from fanout.engine.reconcile.unknown_wait import ALONE_S, LEAST_S, Answers, lost_at, next_question
from fanout.ports import Clock

_log = logging.getLogger(__name__)
MAX_RESENDS = 8
"""Re-sends of one row whose replies are lost again and again: its payload may be what breaks the connection."""


_ANSWERABLE = frozenset({State.ACCEPTED})
LostFrom = Callable[[float, float], float]
"""Returns from when on a row counts as lost: of when it was sent, and after how long it must have ended (s)."""
_PATIENT = {"wait", "never"}  # of the policies: no uncertain row is sent again before its deadline


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
        settle: Decides on rows whose result is nowhere.
        backlog: Knows since when the endpoint's backlog was empty.
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
        settle: Settle,
        backlog: BacklogWatch,
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
        self._settle = settle
        self._backlog = backlog
        self._drained = Drained()
        self._warned = False
        self._clock = clock
        self._service_times = service_times
        self._last_notice_at = last_notice_at
        self._policy = policy
        self._max_resends = max_resends
        self._wakeup = Notify()
        self._looked_at: float | None = None
        self._look_now = resumed
        after_loss_s = policy.alone_after_loss_s if resumed else None
        self._alone_s = ALONE_S if after_loss_s is None else after_loss_s
        self._look_took_s = 0.0
        self._fruitless = 0
        self._looks = 0

    def doubt(self, row: OpenRow, *, more_s: float = 0.0) -> None:
        """Look for an uncertain row when its result should have come, and `more_s` seconds later."""
        wait_s = LEAST_S if self._policy.unknown_s is None else self._policy.unknown_s
        self.defer(row, wait_s + more_s)

    def defer(self, row: OpenRow, wait_s: float) -> None:
        """Look for an uncertain row, or send one that the model failed, after `wait_s` seconds."""
        self._rows.defer(row, until=self._clock.now() + wait_s)
        self._wakeup.notify()

    def _wait_on(self, rows: Sequence[OpenRow], now: float) -> None:
        """Give another turn to the uncertain ones among `rows` whose result may still come, as things stand."""
        lost_from = (
            self._by_the_endpoint(now) if self._policy.unknown == "settle" else self._by_other_rows(now)
        )
        for row in rows:
            if row.state is State.UNCERTAIN:
                since = now if row.failed_at is None else row.failed_at
                lost = lost_from(since, row.patience_s)
                if lost > now:
                    self._rows.defer(row, until=next_question(now, since=since, lost=lost))
                    if self._policy.unknown == "settle":
                        self._backlog.want(since)

    def _by_other_rows(self, now: float) -> LostFrom:
        oldest_wait = next((row.accepted_at for row in self._rows.waiting(_ANSWERABLE)), None)
        answers = Answers(self._service_times, oldest_wait, self._alone_s)

        def lost_from(since: float, longest_s: float) -> float:
            lost = lost_at(since, longest_s=longest_s, answers=answers)
            if self._alone_s == ALONE_S or lost < since + longest_s:
                return lost
            # No result was seen, and none may come: an endpoint that has nothing left tells as much.
            self._backlog.want(since)
            self._see_drained(now)
            return min(lost, self._drained.lost_at(since, longest_s))

        return lost_from

    def _by_the_endpoint(self, now: float) -> LostFrom:
        if self._backlog.refused and not self._warned:
            self._warned = True
            _log.warning(
                "the endpoint's backlog cannot be read, which --unknown settle needs "
                "(grant cloudwatch:GetMetricStatistics): rows that may "
                "have been sent wait until their TTL and timeout have passed"
            )
        self._see_drained(now)
        return self._drained.lost_at

    def _see_drained(self, now: float) -> None:
        last_result_at = self._service_times.last_result_at
        self._drained.see(now, empty_from=self._backlog.empty_from, last_result_at=last_result_at)

    def listen_no_more(self) -> None:
        """Look into S3 all the time from now on: no notification will come any more."""
        self._policy = replace(self._policy, notified=False)
        self._settle.listen_no_more()
        self._wakeup.notify()

    def release(self, row: OpenRow) -> None:
        """Take back the claim on a row that S3 does not confirm: it waits as long as it would have without.

        Its object was looked for just now: where its deadline has passed meanwhile, that was the last time, however
        many messages still claim it.
        """
        now = self._clock.now()
        self._rows.release(row)
        if row.state is State.UNCERTAIN:
            if row.turn_at is None:
                self.doubt(row)
            else:
                self.defer(row, max(row.turn_at - now, 0.0))
        elif row.deadline is None or row.deadline <= now:
            self._settle.conclude(row)
        self._wakeup.notify()

    async def worker(self) -> None:
        """Look for rows for ever."""
        while True:
            now = self._clock.now()
            await self._wakeup.wait_for(self._next(now) - now)
            now = self._clock.now()
            await self._take_turns(now)
            await self._last_looks(now)
            await self._settle.turn(now)
            if self._next_look(now) <= now:
                await self._look()

    def _next(self, now: float) -> float:
        instants = (
            self._next_look(now),
            self._rows.deferrals.next(),
            self._rows.deadlines.next(),
            self._settle.next(),
        )
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
        if due and (self._policy.unknown_s is None or self._policy.unknown == "settle"):
            self._wait_on(due, now)
        await self._lookup.find([row for row in due if row.state is State.UNCERTAIN and row.turn is None])
        for row in due:
            if row.turn is not None:
                continue  # too early, or a notice gave it another while the earlier ones were looked for
            if row.state is State.DEFERRED:
                await self._send(row)
            elif row.state is State.UNCERTAIN:
                await self._decide(row, now)

    async def _decide(self, row: OpenRow, now: float) -> None:
        """Decide on an uncertain row that is nowhere."""
        if self._policy.unknown in _PATIENT:
            self._rows.prolong(row, now=now)  # it waits for a notice, the listing or its deadline
        elif row.resends < self._max_resends or not row.suspect:
            await self._send(row)
        else:
            self._settle.conclude(row)

    async def _send(self, row: OpenRow) -> None:
        if isinstance(row.item, Upload):  # it may not be uploaded yet
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
            if uncertain and self._policy.unknown in {"wait", "settle"} and row.resends < self._max_resends:
                await self._send(row)  # TTL and timeout have passed: the earlier send cannot be served
            else:
                self._settle.conclude(row)

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
        settled = self._settle.statistics().settled
        return ReconcilerStatistics(self._looks, self._lookup.statistics().found, deferred, settled)


def _is_idle(row: OpenRow) -> bool:
    """Whether a row waits for its result alone: settling one that will be sent again would write two rows."""
    return row.state is State.ACCEPTED or (row.state is State.UNCERTAIN and row.turn is None)
