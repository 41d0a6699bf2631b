"""Takes rows that a program hands over one by one, and gives each its outcome: nothing is on disk.

`Submissions` is the engine's source and its sink's caller at once. A row gets its number when the engine takes it in.
"""

from __future__ import annotations

import copy
import dataclasses
from collections import deque
from collections.abc import AsyncGenerator, Callable

import pyarrow as pa

from fanout.concurrency.event import Event, make_event
from fanout.concurrency.notify import Notify
from fanout.config.model import Config
from fanout.domain.ids import new_run
from fanout.domain.records import Outcome, Record, Rejected
from fanout.domain.tally import Tally
from fanout.errors import RunError
from fanout.observability.logging import bind
from fanout.observability.warnings import WarningLog
from fanout.runtime.in_process import build_pipeline
from fanout.runtime.session import open_session

CHUNK_ROWS = 64
"""Rows that the engine takes in at once, if so many wait: a hop between tasks costs 3-11 us."""
CHUNK_BYTES = 1 << 20  # or as many bytes of payload


class Ticket:
    """One row that was handed over: its outcome comes, or the session's end without one."""

    __slots__ = ("_came", "_end", "_leave", "_on_end", "record")

    def __init__(
        self,
        record: Record,
        came: Event,
        *,
        leave: Callable[[], None],
        on_end: Callable[[Ticket], None] | None,
    ) -> None:
        self.record: Record | None = record
        """What is to be sent, until the engine takes it in: from then on its bytes count there."""
        self._came = came
        self._leave = leave
        self._on_end = on_end
        self._end: Outcome | RunError | None = None

    @property
    def is_open(self) -> bool:
        """Whether the outcome is still to come, and anyone waits for it."""
        return self._end is None

    def end(self, end: Outcome | RunError) -> None:
        """Give it its outcome, or the error that the session ended with."""
        if self._end is None:
            self._end = end
            self._leave()
            self._came.set()
            if self._on_end is not None:
                self._on_end(self)

    async def wait(self) -> Outcome:
        """Return the outcome.

        Raises:
            RunError: The session has ended without one.
        """
        if self._end is None:
            await self._came.wait()
        assert self._end is not None, "it has ended"
        if isinstance(self._end, RunError):
            raise _copied(self._end) from self._end
        return self._end

    def drop(self) -> None:
        """Take it that nothing waits for the outcome any more: it goes to no other row."""
        if self._end is None:
            self._end = _DROPPED
            self._leave()


_DROPPED = RunError("this send was cancelled")


class Submissions:
    """The rows of one session (`ports.Rows`).

    Any number may wait to be taken in: each of them is held by the call that sends it anyway.
    """

    def __init__(self) -> None:
        self.passthrough_schema = pa.schema([])
        self._event = make_event()
        self._waiting: deque[Ticket] = deque()
        self._open: dict[int, Ticket] = {}
        self._next_row = 0
        self._awaited = 0
        self._arrived = Notify()
        self._left = Notify()
        self._error: RunError | None = None
        self._closed = False

    def __len__(self) -> int:
        """Rows that were handed over and have no outcome."""
        return len(self._open) + len(self._waiting)

    def submit(self, record: Record, *, on_end: Callable[[Ticket], None] | None = None) -> Ticket:
        """Hand a row over.

        Args:
            record: The row; its number is given when the engine takes it in.
            on_end: Called with the ticket when it has its end.

        Raises:
            RunError: The session has ended.
        """
        if self._error is not None:
            raise _copied(self._error) from self._error
        if self._closed:
            raise RunError("the session is closed: open another with fanout.open(...)")
        ticket = Ticket(record, self._event(), leave=self._leave, on_end=on_end)
        self._awaited += 1
        self._waiting.append(ticket)
        self._arrived.notify()
        return ticket

    def _leave(self) -> None:
        self._awaited -= 1
        if not self._awaited:
            self._left.notify()

    def close(self) -> None:
        """Take no more rows; those that were handed over are still sent."""
        self._closed = True
        self._arrived.notify()

    async def settled(self) -> None:
        """Return once every row that is waited for has its end; those that were dropped may still be open."""
        while self._awaited:
            await self._left.wait()

    def fail(self, error: RunError) -> None:
        """End every row that has no outcome, and refuse those that are still handed over, with `error`."""
        self._error = self._error or error
        tickets = [*self._open.values(), *self._waiting]
        self._open.clear()
        self._waiting.clear()
        for ticket in tickets:
            ticket.end(self._error)

    def deliver(self, outcome: Outcome) -> None:
        """Give an outcome to the row that it is of; after the session's end it is dropped."""
        ticket = self._open.pop(outcome.row, None)
        if ticket is not None:
            ticket.end(outcome)

    async def chunks(self) -> AsyncGenerator[list[Record | Rejected], None]:
        """Yield the rows that are handed over, numbered in the order in which they are taken in, until closed."""
        while True:
            while not self._waiting:
                if self._closed:
                    return
                await self._arrived.wait()
            yield self._taken_in()

    def _taken_in(self) -> list[Record | Rejected]:
        chunk: list[Record | Rejected] = []
        size = 0
        while self._waiting and len(chunk) < CHUNK_ROWS and size < CHUNK_BYTES:
            ticket = self._waiting.popleft()
            if ticket.is_open and ticket.record is not None:  # else its send was cancelled before it began
                record = dataclasses.replace(ticket.record, row=self._next_row)
                ticket.record = None
                self._open[record.row] = ticket
                self._next_row += 1
                size += len(record.payload)
                chunk.append(record)
        return chunk


def _copied(error: RunError) -> RunError:
    """Return an error like `error`: one that is raised again and again would keep the frames of all its raisers."""
    return copy.copy(error).with_traceback(None)


async def serve(
    config: Config,
    submissions: Submissions,
    *,
    ready: Callable[[], object],
    warnings: WarningLog | None = None,
) -> None:
    """Send what is handed over, until `submissions` is closed and every row has its outcome.

    Args:
        config: The configuration; what it says of input, output and run directory does not count.
        submissions: The rows.
        ready: Called once the endpoint is found and its results can be collected.
        warnings: Of a caller that collects what a person is warned of.

    Raises:
        RunError: It cannot go on; rows without an outcome are the caller's to end.
    """
    run_id = new_run()
    bind(run_id)
    async with open_session(config, warnings=warnings) as session:
        queue = await session.queue(run_id)
        pipeline = await build_pipeline(
            session,
            run_id,
            parts=None,
            source=submissions,
            queue=queue,
            tally=Tally(),
            deliver=submissions.deliver,
        )
        ready()
        await pipeline.run()
