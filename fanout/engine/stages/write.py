"""Writes outcomes to part files in batches.

Any stage adds outcomes; they become columns a few hundred at a time. `on_durable` is called once a part is durable, so
that nothing depends on a part before that. The pipeline starts one worker; a thread writes the files.
"""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import anyio
import pyarrow as pa

from fanout.concurrency.notify import Notify
from fanout.concurrency.threads import RunBlocking, run_in_thread
from fanout.domain.records import Outcome, value_bytes
from fanout.engine.flow import SinkStatistics
from fanout.output.parts import Part, write_part
from fanout.output.row_order import CorruptParts
from fanout.output.schema import NO_FIELDS, derive, gather
from fanout.ports import Clock

BATCH_ROWS = 500
"""Outcomes that become columns at once, in half a millisecond of the event loop if they are small. A thread that did
it for a whole part kept the interpreter: at 5,000 requests a second the schedule lost 3 to 10 ms to every part."""
BATCH_BYTES = 1 << 20  # or as many bytes of responses and passthrough values, which are copied


@dataclass(frozen=True, slots=True)
class PartLimits:
    """When a part is closed: whichever comes first.

    Attributes:
        rows: Rows of a part.
        size_bytes: Bytes of a part's responses and passthrough values, before compression.
        age_s: Seconds that its oldest row may wait. Longer means fewer files; shorter, that less is collected
            again after a kill.
    """

    rows: int
    size_bytes: int
    age_s: float


class Write:
    """The outcomes that are not durable yet.

    Args:
        directory: Where parts are written; exists.
        passthrough_schema: Types of the passthrough columns.
        fields: Columns of the fields of responses.
        on_durable: Awaited with each part and its rows once the file is durable.
        run_blocking: Runs the writing of a file: on a thread, or in place where time is virtual.
        earlier: Durable parts of an earlier process of the run.
    """

    def __init__(
        self,
        *,
        directory: Path,
        passthrough_schema: pa.Schema,
        fields: pa.Schema = NO_FIELDS,
        clock: Clock,
        on_durable: Callable[[Part, list[int]], Awaitable[None]],
        limits: PartLimits,
        run_blocking: RunBlocking = run_in_thread,
        earlier: Sequence[Part] = (),
    ) -> None:
        self._directory = directory
        self._passthrough_schema = passthrough_schema
        self._fields = fields
        self._clock = clock
        self._on_durable = on_durable
        self._limits = limits
        self._run_blocking = run_blocking
        self._number = max((part.number + 1 for part in earlier), default=0)
        self._fresh: list[Outcome] = []
        self._fresh_bytes = 0
        self._tables: list[pa.Table] = []
        self._rows: list[int] = []  # what is in `_tables` and `_fresh`, in the order of arrival
        self._bytes = self._largest = 0
        self._writing_bytes = self._writing_largest = 0
        self._hurried = False
        self._oldest_at: float | None = None
        self._closed = False
        self._arrived = Notify()
        self.freed = Notify()
        self._durable_rows = 0
        self.parts = list(earlier)
        self.finished = anyio.Event()
        """Set once the sink is closed and everything is durable."""
        self._failed = False

    def add(self, outcome: Outcome) -> None:
        """Take an outcome."""
        if self._oldest_at is None:
            self._oldest_at = self._clock.now()
            self._arrived.notify()
        size = len(outcome.response or b"") + sum(map(value_bytes, outcome.passthrough))
        if outcome.fields:
            size += sum(map(value_bytes, outcome.fields))
        self._rows.append(outcome.row)
        self._bytes += size
        self._largest = max(self._largest, size)
        self._fresh.append(outcome)
        self._fresh_bytes += size
        if len(self._fresh) >= BATCH_ROWS or self._fresh_bytes >= BATCH_BYTES:
            self._gather()
        if self._full:
            self._arrived.notify()

    def _gather(self) -> None:
        """Turn the fresh outcomes into columns, and let go of them."""
        if not self._fresh:
            return
        try:
            self._tables.append(gather(self._fresh, self._passthrough_schema, self._fields))
        except BaseException:  # what made no columns stays where it is: no later part may be said to hold it
            self._failed = True
            raise
        self._fresh, self._fresh_bytes = [], 0

    async def room(self) -> None:
        """Return once the buffer is below two parts: the bound on memory when the disk is slow."""
        while len(self._rows) >= 2 * self._limits.rows or self._bytes >= 2 * self._limits.size_bytes:
            await self.freed.wait()

    @property
    def held_bytes(self) -> int:
        """Bytes of responses and passthrough values that wait or are being written."""
        return self._bytes + self._writing_bytes

    @property
    def largest_bytes(self) -> int:
        """Bytes of the largest outcome among them."""
        return max(self._largest, self._writing_largest)

    def hurry(self) -> None:
        """Write what is there soon: its memory is waited for."""
        if self._rows and not self._hurried:
            self._hurried = True
            self._arrived.notify()

    def close(self) -> None:
        """Say that nothing more will come: what is buffered becomes the last part."""
        self._closed = True
        self._arrived.notify()

    async def worker(self) -> None:
        """Write parts until closed and empty.

        Raises:
            StorageError: The disk is full or failed; rows that were not reported durable are not lost on AWS.
        """
        while True:
            await self._due()
            if self._rows:
                await self.commit()
            elif self._closed:
                self.finished.set()
                return

    async def flush(self) -> None:
        """Make durable what is buffered, after the worker has ended; nothing is tried again once it has failed."""
        if self._rows and not self._failed:
            await self.commit()

    async def commit(self) -> None:
        """Write what is buffered as one part and report it durable."""
        number, self._number = self._number, self._number + 1
        with anyio.CancelScope(shield=True):  # a part half reported would be collected twice
            try:
                self._gather()
                tables, self._tables = self._tables, []
                rows, self._rows = self._rows, []
                self._writing_bytes, self._writing_largest = self._bytes, self._largest
                self._bytes, self._largest, self._oldest_at, self._hurried = 0, 0, None, False
                self.freed.notify()
                part = await self._run_blocking(functools.partial(self._write, tables, number, len(rows)))
                self._writing_bytes = self._writing_largest = 0
                self.freed.notify()
                await self._on_durable(part, rows)
            except BaseException:
                self._failed = True
                raise
            self.parts.append(part)
            self._durable_rows += len(rows)

    def _write(self, tables: list[pa.Table], number: int, rows: int) -> Part:
        found = sum(table.num_rows for table in tables)
        if found != rows:  # reported durable is what was counted, not what was written
            raise CorruptParts(f"part {number} would hold {found} of {rows} rows, which is a bug")
        # Nothing here keeps the table, so that each copy that is made of it takes its place.
        return write_part(
            self._directory, number, derive(_joined(tables), self._passthrough_schema, self._fields)
        )

    async def _due(self) -> None:
        """Return when a part should be written, or the sink is closed."""
        while not (self._full or self._closed or self._hurried):
            if self._oldest_at is None:
                await self._arrived.wait()
                continue
            left_s = self._oldest_at + self._limits.age_s - self._clock.now()
            if left_s <= 0:
                return
            await self._arrived.wait_for(left_s)

    @property
    def _full(self) -> bool:
        return len(self._rows) >= self._limits.rows or self._bytes >= self._limits.size_bytes

    def statistics(self) -> SinkStatistics:
        """Return a snapshot."""
        return SinkStatistics(len(self._rows), self._bytes, self._durable_rows, len(self.parts))


def _joined(tables: list[pa.Table]) -> pa.Table:
    """Return the tables as one; empties the list, so that nothing keeps them while the one is sorted and written."""
    table = pa.concat_tables(tables)
    tables.clear()
    return table
