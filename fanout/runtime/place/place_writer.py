"""Writes the journal of a run to its place in S3, in groups: intents before their rows are sent, the rest with them.

It is `JournalWriter` for a run whose journal outlives its host. One segment is in flight at a time; what is noted
meanwhile waits for the next. A row waits up to `every_s` and the time of a PUT for its intent; the rate stays as it is.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

import anyio.lowlevel

from fanout.concurrency.threads import RunBlocking, run_in_thread
from fanout.domain.records import Outcome
from fanout.domain.row_state import RowRecord, RowState
from fanout.domain.tally import Tally
from fanout.engine.journal_writer import SERVICE_TIMES, JournalWriter
from fanout.engine.open_row import OpenRow
from fanout.engine.open_rows import OpenRows
from fanout.engine.reconcile.service_times import Durations
from fanout.errors import RunError
from fanout.failpoints import failpoint
from fanout.output.parts import Part
from fanout.ports import Clock
from fanout.runtime.place.part_store import PartStore
from fanout.runtime.place.release import LAPSE_S
from fanout.runtime.place.segment import NewPart, ranges_of
from fanout.runtime.place.segment_log import SegmentLog

LEAST_GROUP = 16
"""At ten groups a second, a run of fewer than 160 rows a second intends fewer rows ahead of its pace."""
RENEW_S = LAPSE_S / 2
"""Before its end, a release is renewed if rows wait for their turn."""
_Counted = tuple[str, str | None, int, int, int, str | None, str | None, int]
COUNTED_AT_ONCE = 500
"""Outcomes of a part that are counted in one turn of the event loop."""


class PlaceWriter(JournalWriter):
    """Keeps the journal of a run at its place.

    Args:
        log: The journal; this process owns the run.
        store: Where parts are stored.
        rows: The open rows, and where their objects stand.
        clock: The run's clock.
        every_s: Seconds between the beginnings of two segments, if the first takes no longer.
        run_blocking: Runs what blocks on the disk.

    Attributes:
        held: How long rows waited until their intents were durable.
    """

    def __init__(
        self,
        log: SegmentLog,
        *,
        store: PartStore,
        rows: OpenRows,
        clock: Clock,
        every_s: float,
        run_blocking: RunBlocking = run_in_thread,
    ) -> None:
        super().__init__(None, places=rows.places, clock=clock, run_blocking=run_blocking)
        self._rows = rows
        self.is_kept = self.may_be_taken_over = True
        self.clearance = self
        self._log = log
        self._store = store
        self.group_s = every_s
        self.full_group, self.least_group = None, LEAST_GROUP
        self.folds = (self.count,)
        self._parts: list[NewPart] = []
        self._failure: RunError | None = None
        self.held = Durations()
        self._taken: list[RowRecord] = []
        self._ended: deque[_Counted] = deque()

    def count(self, outcome: Outcome) -> None:
        """Take an outcome, in the order in which the parts take them: a part's segment tells what its rows came to."""
        self._ended.append(  # not the outcome, which holds the response
            (
                outcome.status,
                outcome.transport,
                outcome.payload_bytes,
                outcome.possible_attempts,
                outcome.resends,
                outcome.error_code,
                outcome.error_message,
                len(outcome.response or b""),
            )
        )

    async def intend(self, rows: Sequence[OpenRow]) -> None:
        """Make durable that these rows are about to be sent; each learns how long that has held it."""
        began = self._clock.now()
        self._lines.extend(
            self._line(row, RowState.INTENT, row.sends, row.resends, row.possible + 1) for row in rows
        )
        await self.flush()
        held_s = self._clock.now() - began
        self.held.add(held_s)
        for row in rows:
            row.held_s = held_s

    async def part(self, part: Part, numbers: Sequence[int]) -> None:
        """Store the part, then make durable that it holds rows `numbers`, and everything noted before.

        Raises:
            Fenced: Another process owns the run.
            StateLost: S3 does not take it.
            StorageError: The file cannot be read.
        """
        self._check()
        try:
            stored = await self._store.put(part, claim=self._log.claim_number)
        except RunError as error:
            self._failure = error
            raise
        failpoint("part.stored")
        self._parts.append(NewPart(stored, ranges_of(numbers), await self._counted(len(numbers))))
        await self.flush()

    async def _counted(self, rows: int) -> Tally:
        """Return what the next `rows` outcomes came to: those of the part that was written first."""
        tally = Tally()
        for turn in range(rows):
            status, transport, payload, possible, resends, code, message, response = self._ended.popleft()
            tally.count(
                status=status,
                transport=transport,
                payload_bytes=payload,
                possible_attempts=possible,
                resends=resends,
                error_code=code,
                error_message=message,
            )
            tally.response_bytes += response
            if turn % COUNTED_AT_ONCE == COUNTED_AT_ONCE - 1:
                await anyio.lowlevel.checkpoint()
        return tally

    async def flush(self) -> None:
        """Make durable what was noted so far.

        Raises:
            Fenced: Another process owns the run.
            StateLost: S3 does not take it, or did not take what was noted before.
        """
        async with self._lock:
            self._check()
            if not self._anything():
                return
            await self._append()

    def holds(self) -> bool:
        """Whether a request may leave now; see `Release`."""
        return self._log.is_released()

    async def wait(self) -> None:
        """Return once one may: once this process has shown that the run is its own.

        Raises:
            Fenced: Another process owns the run.
            StateLost: S3 does not take a segment.
        """
        async with self._lock:
            self._check()
            if not self._log.is_released():
                await self._append()

    async def _renew(self) -> None:
        """Have the release not lapse while rows wait for their turn: after each such wait it would have."""
        if self._rows.counts.due and not self._log.is_released(RENEW_S):
            async with self._lock:
                self._check()
                if not self._log.is_released(RENEW_S):
                    await self._append()

    async def worker(self) -> None:
        """Write what was noted, a group after it was, for ever.

        Raises:
            Fenced: Another process owns the run.
            StateLost: S3 does not take it.
        """
        while True:
            while not self._anything():
                await self._arrived.wait_for(RENEW_S / 2)
                await self._renew()
            left_s = self._oldest_at + self.group_s - self._clock.now()
            if left_s > 0:
                await self._clock.sleep(left_s)
            elif self._lock.locked():
                await self._clock.sleep(self.group_s)  # the next intents take these lines along
            else:
                await self.flush()

    def _anything(self) -> bool:
        return bool(self._lines or self._parts or self._taken)

    def _check(self) -> None:
        if self._failure is not None:  # what was taken then is not durable
            raise self._failure

    async def _append(self) -> None:
        """Store what was noted as one segment; what was taken and could not be stored stays the next one's."""
        self._taken += self._lines
        self._lines = []
        parts, meta = list(self._parts), self._changed_places()
        if (
            parts and self.service_times is not None
        ):  # a new owner has seen no result when it decides on lost rows
            meta.append((SERVICE_TIMES, self.service_times.dump()))
        try:
            await self._log.append(lines=self._taken, meta=meta, parts=parts)
        except RunError as error:
            self._failure = error
            raise
        failpoint("segment.stored")
        self._written += len(self._taken)
        self._groups += 1
        self._taken = []
        del self._parts[: len(parts)]
