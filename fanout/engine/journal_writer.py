"""Writes the journal in groups, off the event loop: intents before their rows are sent, the rest soon after.

Entries enter as they change; what is durable is told by returning. Acceptances may lag one group: a row whose
acceptance was lost is looked for before it is sent again.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import anyio

from fanout.concurrency.notify import Wakeup
from fanout.concurrency.threads import Offload, to_thread
from fanout.domain.location import Location
from fanout.domain.output_paths import USUAL
from fanout.domain.row_state import RowRecord, RowState
from fanout.engine.open_row import Entry
from fanout.engine.open_rows import Ledger
from fanout.failpoints import failpoint
from fanout.rundir.journal import Journal

LAG_S = 0.05
"""An acceptance is durable this much later, or with the next intents: fewer rows of unknown fate after a kill."""


@dataclass(frozen=True, slots=True)
class ScribeStatistics:
    """A snapshot: lines that are not durable yet, lines and groups that are."""

    waiting: int
    lines: int
    groups: int


class Scribe:
    """Keeps the journal of a run.

    Args:
        journal: The open journal; None keeps no journal: after a kill, nothing is known.
        ledger: Its layouts are journalled when a reply changes them; places of rows only where they differ.
        offload: Runs a write.
    """

    def __init__(self, journal: Journal | None, *, ledger: Ledger, offload: Offload = to_thread) -> None:
        self._journal = journal
        self._ledger = ledger
        self._offload = offload
        self._lines: list[RowRecord] = []
        self._oldest_at = 0.0  # when the first of them was noted
        self._shapes: object = None
        self._lock = anyio.Lock(fast_acquire=True)
        self._arrived = Wakeup()
        self._written = self._groups = 0

    async def intend(self, entries: Sequence[Entry]) -> None:
        """Make durable that these rows are about to be sent."""
        if self._journal is not None:
            self._lines.extend(self._line(entry, RowState.INTENT) for entry in entries)
            await self.flush()

    def accepted(self, entry: Entry) -> None:
        """Note that the endpoint has the row."""
        self._note(entry, RowState.ACCEPTED)

    def unsent(self, entry: Entry) -> None:
        """Note that the row is certainly not with the endpoint, whatever was intended."""
        self._note(entry, RowState.READY)

    async def part(self, number: int, rows: Iterable[int]) -> None:
        """Make durable that part `number` holds `rows`, and everything noted before."""
        journal = self._journal
        if journal is None:
            return
        await self.flush()
        async with self._lock:
            await self._offload(functools.partial(journal.commit_part, number, list(rows)))

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
                await self._offload(functools.partial(journal.write, lines, meta))
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

    def _note(self, entry: Entry, state: RowState) -> None:
        if self._journal is None:
            return
        if not self._lines:
            self._oldest_at = anyio.current_time()
            self._arrived.notify()
        self._lines.append(self._line(entry, state))

    def _line(self, entry: Entry, state: RowState) -> RowRecord:
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
        outputs, failures = self._ledger.outputs, self._ledger.failures
        shapes = (outputs.shape, failures.shape)
        if shapes == self._shapes:
            return []
        self._shapes = shapes
        return [("outputs", outputs.dump()), ("failures", failures.dump())]

    def statistics(self) -> ScribeStatistics:
        """Return a snapshot."""
        return ScribeStatistics(len(self._lines), self._written, self._groups)


def _told(place: Location | None) -> str | None:
    """Return what the journal is told of a place: nothing of the usual one, which the layout tells."""
    return None if place is None or place is USUAL else place.uri
