"""Takes rows that a program hands over one by one, and gives each its outcome: nothing is on disk.

`Submissions` is the engine's source and its sink's caller at once. A row gets its number when the engine takes it in.
"""

from __future__ import annotations

import dataclasses
from collections import deque
from collections.abc import AsyncGenerator, Callable

import pyarrow as pa

from fanout.concurrency.channel import Channel
from fanout.concurrency.event import Event, make_event
from fanout.config.model import Config
from fanout.domain.ids import new_run
from fanout.domain.records import Outcome, Record, Rejected
from fanout.domain.tally import Tally
from fanout.errors import RunError
from fanout.observability.logging import bind
from fanout.runtime.in_process import build_pipeline
from fanout.runtime.session import open_session

CHUNK_ROWS = 64
"""Rows that the engine takes in at once, if so many wait: a hop between tasks costs 3-11 us."""


class Ticket:
    """One row that was handed over; it gets its outcome, or the error that ended the session before."""

    __slots__ = ("_came", "_end", "_on_end", "record")

    def __init__(self, record: Record, came: Event, on_end: Callable[[Ticket], None] | None = None) -> None:
        self.record = record
        self._came = came
        self._on_end = on_end
        self._end: Outcome | BaseException | None = None

    @property
    def is_open(self) -> bool:
        """Whether the outcome is still to come, and its caller still waits for it."""
        return self._end is None

    def end(self, end: Outcome | BaseException) -> None:
        """Give it its outcome, or the error that the session ended with."""
        if self._end is None:
            self._end = end
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
        return self.result()

    def result(self) -> Outcome:
        """Return the outcome, which has come; raises as `wait` does."""
        assert self._end is not None, "it has not ended"
        if isinstance(self._end, BaseException):
            raise self._end
        return self._end

    def drop(self) -> None:
        """Note that the caller waits no longer: the outcome is dropped when it comes."""
        if self._end is None:
            self._end = DroppedError("this send was cancelled")


class DroppedError(RunError):
    """Marks a send that was cancelled; no caller is left to see it."""


class Submissions:
    """The rows of one session (`ports.Rows`).

    Args:
        capacity: Rows that may wait for the engine to take them in; beyond that, `submit` waits.
    """

    def __init__(self, capacity: int = CHUNK_ROWS) -> None:
        self.passthrough_schema = pa.schema([])
        self._event = make_event()
        self._waiting: Channel[Ticket | None] = Channel(capacity)
        self._open: dict[int, Ticket] = {}
        self._next_row = 0
        self._error: BaseException | None = None
        self._closed = False

    def __len__(self) -> int:
        """Rows that were handed over and have no outcome."""
        return len(self._open) + len(self._waiting)

    async def submit(self, record: Record, *, on_end: Callable[[Ticket], None] | None = None) -> Ticket:
        """Hand a row over, once there is room.

        Args:
            record: The row; its number is given when the engine takes it in.
            on_end: Called with the ticket when it has its end.

        Raises:
            RunError: The session has ended.
        """
        ticket = Ticket(record, self._event(), on_end)
        self._check_open()
        await self._waiting.put(ticket)
        if self._error is not None:  # it ended while this waited for room
            ticket.end(self._error)
        return ticket

    def _check_open(self) -> None:
        if self._error is not None:
            raise self._error
        if self._closed:
            raise RunError("the session is closed: open another with fanout.open(...)")

    async def close(self) -> None:
        """Say that no more rows will come."""
        if not self._closed:
            self._closed = True
            await self._waiting.put(None)

    def fail(self, error: BaseException) -> None:
        """End every row that has no outcome, and every one that is still handed over, with `error`."""
        self._error = self._error or error
        tickets = deque(self._open.values())
        self._open.clear()
        while (ticket := self._waiting.get_nowait()) is not None:
            tickets.append(ticket)
        for ticket in tickets:
            ticket.end(self._error)

    def deliver(self, outcome: Outcome) -> None:
        """Give an outcome to its row."""
        ticket = self._open.pop(outcome.row)
        ticket.end(outcome)

    async def chunks(self) -> AsyncGenerator[list[Record | Rejected], None]:
        """Yield the rows that are handed over, numbered in the order in which they are taken in, until closed."""
        while True:
            ticket = await self._waiting.get()
            chunk: list[Record | Rejected] = []
            while ticket is not None:
                if ticket.is_open:  # else its send was cancelled before it began
                    chunk.append(self._numbered(ticket))
                if len(chunk) == CHUNK_ROWS or not len(self._waiting):
                    break
                ticket = await self._waiting.get()
            if chunk:
                yield chunk
            if ticket is None:
                return

    def _numbered(self, ticket: Ticket) -> Record:
        row, self._next_row = self._next_row, self._next_row + 1
        self._open[row] = ticket
        return dataclasses.replace(ticket.record, row=row)


async def serve(config: Config, submissions: Submissions, *, ready: Callable[[], object]) -> None:
    """Send what is handed over, until `submissions` is closed and every row has its outcome.

    Args:
        config: The configuration; what it says of input, output and run directory does not count.
        submissions: The rows.
        ready: Called once the endpoint is found and its results can be collected.

    Raises:
        RunError: It cannot go on; rows without an outcome are the caller's to end.
    """
    run_id = new_run()
    bind(run_id)
    async with open_session(config) as session:
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
