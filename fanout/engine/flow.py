"""Defines what stages see of each other: how a row goes from one to the next, and where outcomes go."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

import anyio

from fanout.concurrency.notify import Notify
from fanout.domain.location import Location
from fanout.domain.records import Outcome, Rejected, Upload
from fanout.engine.open_row import OpenRow
from fanout.output.parts import Part


class Flow(Protocol):
    """Passes rows from each stage to the others; `Wiring` implements it."""

    @property
    def stopping(self) -> bool:
        """Whether no row may be sent any more."""
        ...

    async def upload(self, row: OpenRow) -> None:
        """Have the row's payload put into S3, then the row sent."""
        ...

    async def send(self, row: OpenRow) -> None:
        """Have the row sent: its intent is journalled first."""
        ...

    async def fetch(self, row: OpenRow) -> None:
        """Have the result of a row fetched that a notice has claimed."""
        ...

    def doubt(self, row: OpenRow, *, more_s: float = 0.0) -> None:
        """Have an uncertain row looked for when its result should have come, and sent if it is nowhere.

        Args:
            row: The row.
            more_s: Seconds to wait beyond that.
        """
        ...

    def release(self, row: OpenRow) -> None:
        """Take back the claim on a row that S3 does not confirm: the row waits on."""
        ...

    def found(self, row: OpenRow, modified_at: float | None) -> None:
        """Take note that the row's object was found; `modified_at` by S3's clock, None where it rode along."""
        ...

    def send_after_failure(self, row: OpenRow, text: str | None, *, resends: int = 0) -> bool:
        """Have a row that the model failed with `text` sent again, if that is allowed; return whether it is.

        Args:
            row: The row.
            text: What the model said.
            resends: 1 if no object proves the failure, so that the row may still be served.
        """
        ...

    def refuse_inline(self, row: OpenRow, otherwise: Upload | None) -> None:
        """Have a row that was refused in the request sent `otherwise`; if that is None, again in a while."""
        ...

    def finish(self, row: OpenRow, **facts: object) -> None:
        """End the row with an outcome of these `facts` (fields of `Outcome`)."""
        ...

    def reject(self, rejected: Rejected) -> None:
        """End a row that cannot be sent."""
        ...

    def acknowledge(self, receipts: Iterable[str]) -> None:
        """Have messages deleted that no row needs any more."""
        ...

    def discard(self, upload: Location) -> None:
        """Have an uploaded input deleted that was stored after its row was forgotten."""
        ...

    async def room(self) -> None:
        """Return once more outcomes can be taken: neither the disk nor the deletions are far behind."""
        ...


class Clearance(Protocol):
    """Says whether this process may send at all; `place.place_writer` does so for a run that may be taken over."""

    def holds(self) -> bool:
        """Whether a request may leave now."""
        ...

    async def wait(self) -> None:
        """Return once one may.

        Raises:
            RunError: None ever will.
        """
        ...


class EndpointCheck(Protocol):
    """Asks in mid-run whether the endpoint serves; `runtime.endpoint` implements it."""

    async def __call__(self, since: float) -> None:
        """Return if the endpoint was there after `since`, when it refused a row.

        Raises:
            RunError: It is gone or not in service, or that cannot be told.
        """
        ...

    async def look(self) -> None:
        """Return unless the endpoint certainly serves no more.

        Raises:
            RunError: It is gone or not in service.
        """
        ...


@dataclass(frozen=True, slots=True)
class SinkStatistics:
    """A snapshot: rows and bytes that wait to be durable, rows that are, and the parts that hold them."""

    buffered_rows: int
    buffered_bytes: int
    durable_rows: int
    parts: int


class Sink(Protocol):
    """Where outcomes go: part files (`stages.write`), or the caller (`stages.deliver`)."""

    finished: anyio.Event
    """Set once the sink is closed and has let go of every outcome."""

    freed: Notify
    """Notified when outcomes were let go of."""

    @property
    def held_bytes(self) -> int:
        """Bytes of the responses and passthrough values that are in memory."""
        ...

    @property
    def largest_bytes(self) -> int:
        """Bytes of the largest outcome among them."""
        ...

    def hurry(self) -> None:
        """Let go of what is there soon: its memory is waited for."""
        ...

    @property
    def parts(self) -> Sequence[Part]:
        """The durable parts."""
        ...

    def add(self, outcome: Outcome) -> None:
        """Take an outcome."""
        ...

    async def room(self) -> None:
        """Return once more outcomes can be taken: the bound on memory when the other side is slow."""
        ...

    def close(self) -> None:
        """Say that no more outcomes will come."""
        ...

    async def worker(self) -> None:
        """Pass outcomes on until closed and empty."""
        ...

    async def flush(self) -> None:
        """Pass on what is there, after the worker has ended."""
        ...

    def statistics(self) -> SinkStatistics:
        """Return a snapshot."""
        ...
