"""Writes the journal in groups, off the event loop: intents before their rows are sent, the rest soon after.

A call returns when what it wrote is durable. Acceptances may lag one group: a row whose acceptance was lost is looked
for before it is sent again.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import anyio

from fanout.concurrency.notify import Notify
from fanout.concurrency.threads import RunBlocking, run_in_thread
from fanout.domain.location import Location
from fanout.domain.output_paths import AS_EXPECTED
from fanout.domain.records import Outcome
from fanout.domain.row_state import RowRecord, RowState
from fanout.engine.flow import Clearance
from fanout.engine.open_row import OpenRow
from fanout.engine.reconcile.service_times import ServiceTimes
from fanout.engine.row_places import RowPlaces
from fanout.failpoints import failpoint
from fanout.output.parts import Part
from fanout.ports import Clock
from fanout.rundir.journal import Journal

GROUP = 64  # an fsync of 1-5 ms, shared by 64 rows, costs each less than the thread's hand-over
EVERY_S = 0.005
"""Between two groups that are not full: where the endpoint sets the pace, a row is admitted whenever another ends, and
each had a commit of its own. With 100 open rows at 2,000 a second that was 410 us of CPU a row, 290 now. A row waits
2.5 ms for it in the mean, none at less than 200 a second."""
SERVICE_TIMES = "service_times"
"""Key of the run's facts under which a later process finds what rows took; a run that may lose its host keeps it."""
LAG_S = 0.05
"""An acceptance is durable this much later, or with the next intents: fewer rows uncertain after a kill."""


@dataclass(frozen=True, slots=True)
class JournalWriterStatistics:
    """A snapshot: lines that are not durable yet, lines and groups that are."""

    waiting: int
    lines: int
    groups: int


class JournalWriter:
    """Keeps the journal of a run.

    Args:
        journal: The open journal; None keeps no journal: after a kill, nothing is known.
        places: Where the objects of rows stand; journalled when a reply changes it.
        clock: The run's clock.
        run_blocking: Runs a write.

    Attributes:
        is_kept: Whether a later process can go on from it.
        may_be_taken_over: Whether another process can do so while this one is at work.
        group_s: Seconds between the beginnings of two groups of intents.
        full_group: Rows that go at once; None if no group goes before its time, nor while a group waits to be sent.
        least_group: Rows that a group may have at least.
        folds: Take every outcome, in the order in which the parts take them.
        service_times: How long rows took so far.
        clearance: Says whether rows whose intents are durable may be sent; None if they always may.
    """

    may_be_taken_over: bool = False
    group_s: float = EVERY_S
    full_group: int | None = GROUP
    least_group: int = GROUP
    folds: Sequence[Callable[[Outcome], None]] = ()
    clearance: Clearance | None = None
    service_times: ServiceTimes | None = None

    def __init__(
        self,
        journal: Journal | None,
        *,
        places: RowPlaces,
        clock: Clock,
        run_blocking: RunBlocking = run_in_thread,
    ) -> None:
        self._journal = journal
        self.is_kept = journal is not None
        self._places = places
        self._clock = clock
        self._run_blocking = run_blocking
        self._lines: list[RowRecord] = []
        self._oldest_at = 0.0  # when the first of them was noted
        self._shapes: object = None
        self._lock = anyio.Lock(fast_acquire=True)
        self._arrived = Notify()
        self._written = self._groups = 0

    async def intend(self, rows: Sequence[OpenRow]) -> None:
        """Make durable that these rows are about to be sent."""
        if self._journal is not None:
            self._lines.extend(
                self._line(row, RowState.INTENT, row.sends, row.resends, row.possible + 1) for row in rows
            )
            await self.flush()

    def accepted(self, row: OpenRow) -> None:
        """Note that the endpoint has the row."""
        self._note(row, RowState.ACCEPTED)

    def unsent(self, row: OpenRow) -> None:
        """Note that the row is certainly not with the endpoint, whatever was intended."""
        self._note(row, RowState.READY)

    def uncertain(self, row: OpenRow) -> None:
        """Note what certainly left of a row that may have been received, as this process sends no more."""
        self._note(row, RowState.INTENT)

    async def part(self, part: Part, numbers: Sequence[int]) -> None:
        """Make durable that `part` holds rows `numbers`, and everything noted before."""
        journal = self._journal
        if journal is None:
            return
        await self.flush()
        async with self._lock:
            await self._run_blocking(functools.partial(journal.commit_part, part.number, numbers))

    async def flush(self) -> None:
        """Make durable what was noted so far."""
        journal = self._journal
        if journal is None:
            return
        async with self._lock:
            lines, self._lines = self._lines, []
            meta = self._changed_places()
            if not lines and not meta:
                return
            with anyio.CancelScope(shield=True):  # half a group must not be taken for none
                await self._run_blocking(functools.partial(journal.write, lines, meta))
            self._written += len(lines)
            self._groups += 1

    async def worker(self) -> None:
        """Write what was noted, `LAG_S` after it was, for ever."""
        while True:
            while not self._lines:
                await self._arrived.wait()
            left_s = self._oldest_at + LAG_S - self._clock.now()
            if left_s > 0:
                await self._clock.sleep(left_s)
            elif self._lock.locked():
                # While intents are written, the next ones take these lines along: an fsync of their own would halve
                # the rate of sending on a slow disk.
                await self._clock.sleep(LAG_S)
            else:
                await self.flush()
                failpoint("accept.durable")

    def _note(self, row: OpenRow, state: RowState) -> None:
        if not self.is_kept:
            return
        if not self._lines:
            self._oldest_at = self._clock.now()
            self._arrived.notify()
        # An attempt under which nothing has left is the next process's. That it will be a re-send, only this line says.
        self._lines.append(self._line(row, state, row.last_sent, row.resends_known, row.possible))

    def _line(self, row: OpenRow, state: RowState, sends: int, resends: int, possible: int) -> RowRecord:
        output = failure = None
        if state is RowState.ACCEPTED:
            output, failure = _told(row.output), _told(row.failure)
        return RowRecord(  # in the order of its fields: names would double what a line costs
            row.number,
            state,
            row.generation,
            sends,
            resends,
            row.due_at,
            row.sent_at,
            row.accepted_at,
            row.upload_started_at,
            row.uploaded_at,
            row.input,
            output,
            failure,
            possible,
        )

    def _changed_places(self) -> list[tuple[str, str]]:
        outputs, failures = self._places.outputs, self._places.failures
        shapes = (outputs.shape, failures.shape)
        if shapes == self._shapes:
            return []
        self._shapes = shapes
        return [("outputs", outputs.dump()), ("failures", failures.dump())]

    def statistics(self) -> JournalWriterStatistics:
        """Return a snapshot."""
        return JournalWriterStatistics(len(self._lines), self._written, self._groups)


def _told(place: Location | None) -> str | None:
    """Return what the journal keeps of a place: None for the expected one, which `OutputPaths` works out."""
    return None if place is None or place is AS_EXPECTED else place.uri
