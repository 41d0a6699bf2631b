"""Writes the journal in groups, off the event loop: intents before their rows are sent, the rest soon after.

Entries enter as they change; what is durable is told by returning. Acceptances may lag one group: a row whose
acceptance was lost is looked for before it is sent again.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import anyio

from fanout.concurrency.notify import Notify
from fanout.concurrency.threads import RunBlocking, run_in_thread
from fanout.domain.location import Location
from fanout.domain.output_paths import AS_EXPECTED
from fanout.domain.row_state import RowRecord, RowState
from fanout.engine.open_row import OpenRow
from fanout.engine.open_rows import OpenRows
from fanout.failpoints import failpoint
from fanout.rundir.journal import Journal

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
        open_rows: Its layouts are journalled when a reply changes them; places of rows only where they differ.
        run_blocking: Runs a write.
    """

    def __init__(
        self, journal: Journal | None, *, open_rows: OpenRows, run_blocking: RunBlocking = run_in_thread
    ) -> None:
        self._journal = journal
        self._open_rows = open_rows
        self._run_blocking = run_blocking
        self._lines: list[RowRecord] = []
        self._oldest_at = 0.0  # when the first of them was noted
        self._shapes: object = None
        self._lock = anyio.Lock(fast_acquire=True)
        self._arrived = Notify()
        self._written = self._groups = 0

    async def intend(self, entries: Sequence[OpenRow]) -> None:
        """Make durable that these rows are about to be sent."""
        if self._journal is not None:
            self._lines.extend(self._line(entry, RowState.INTENT) for entry in entries)
            await self.flush()

    def accepted(self, entry: OpenRow) -> None:
        """Note that the endpoint has the row."""
        self._note(entry, RowState.ACCEPTED)

    def unsent(self, entry: OpenRow) -> None:
        """Note that the row is certainly not with the endpoint, whatever was intended."""
        self._note(entry, RowState.READY)

    async def part(self, number: int, rows: Iterable[int]) -> None:
        """Make durable that part `number` holds `rows`, and everything noted before."""
        journal = self._journal
        if journal is None:
            return
        await self.flush()
        async with self._lock:
            await self._run_blocking(functools.partial(journal.commit_part, number, list(rows)))

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
            left_s = self._oldest_at + LAG_S - anyio.current_time()
            if left_s > 0:
                await anyio.sleep(left_s)
            elif self._lock.locked():
                # While intents are written, the next ones take these lines along: an fsync of their own would halve
                # the rate of sending on a slow disk.
                await anyio.sleep(LAG_S)
            else:
                await self.flush()
                failpoint("accept.durable")

    def _note(self, entry: OpenRow, state: RowState) -> None:
        if self._journal is None:
            return
        if not self._lines:
            self._oldest_at = anyio.current_time()
            self._arrived.notify()
        self._lines.append(self._line(entry, state))

    def _line(self, entry: OpenRow, state: RowState) -> RowRecord:
        output = failure = None
        if state is RowState.ACCEPTED:
            output, failure = _told(entry.output), _told(entry.failure)
        return RowRecord(  # in the order of its fields: names would double what a line costs
            entry.row,
            state,
            entry.generation,
            entry.sends,
            entry.resends,
            entry.due_at,
            entry.sent_at,
            entry.accepted_at,
            entry.upload_started_at,
            entry.uploaded_at,
            entry.input,
            output,
            failure,
        )

    def _changed_places(self) -> list[tuple[str, str]]:
        outputs, failures = self._open_rows.outputs, self._open_rows.failures
        shapes = (outputs.shape, failures.shape)
        if shapes == self._shapes:
            return []
        self._shapes = shapes
        return [("outputs", outputs.dump()), ("failures", failures.dump())]

    def statistics(self) -> JournalWriterStatistics:
        """Return a snapshot."""
        return JournalWriterStatistics(len(self._lines), self._written, self._groups)


def _told(place: Location | None) -> str | None:
    """Return what the journal is told of a place: nothing of the usual one, which the layout tells."""
    return None if place is None or place is AS_EXPECTED else place.uri
