"""Stage: takes chunks from the source and sends each row on its lane, no faster than the bounds allow.

Chunks enter; routed rows leave on the upload lane or the ready lane, bad rows as outcomes, rows that an earlier
process had in hand into the ledger. One worker, run by the pipeline.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import aclosing

import anyio

from fanout.concurrency.channel import Channel
from fanout.concurrency.notify import Notify
from fanout.domain.location import Location
from fanout.domain.records import (
    Inline,
    Outcome,
    Record,
    Rejected,
    Routed,
    Sendable,
    Staged,
    Transport,
    Upload,
)
from fanout.domain.routing import Router
from fanout.domain.row_state import RowRecord, RowState
from fanout.engine.open_row import OpenRow
from fanout.engine.open_rows import OpenRows
from fanout.ports import Clock, Rows
from fanout.rundir.recovery import Recovered


class Admit:
    """The front of the run.

    Args:
        reject: Takes the outcome of a row that cannot be sent.
        park: Takes a row that an earlier process may have sent.
        room: Returns when the sink takes more.
        clock: The run's clock.
        changed: Notified whenever a row ends.
        recovered: The rows of earlier processes.
        window: Rows that may be open at once.
        held_bytes: Payload bytes that may be in memory at once.
        keep_inputs: Leave uploaded payloads where they are.
        hold: Keep inline payloads until their row has ended, so that it can be sent again.
    """

    def __init__(
        self,
        *,
        source: Rows,
        router: Router,
        open_rows: OpenRows,
        uploads: Channel[tuple[OpenRow, Upload]],
        ready: Channel[tuple[OpenRow, Sendable]],
        reject: Callable[[Outcome], None],
        defer: Callable[[OpenRow, Sendable], None],
        room: Callable[[], Awaitable[None]],
        clock: Clock,
        changed: Notify,
        recovered: Recovered,
        window: int,
        held_bytes: int,
        keep_inputs: bool,
        hold: bool,
    ) -> None:
        self._source = source
        self._router = router
        self._open_rows = open_rows
        self._uploads = uploads
        self._ready = ready
        self._reject = reject
        self._defer = defer
        self._room = room
        self._clock = clock
        self._changed = changed
        self._recovered = recovered
        self._window = window
        self._held_max = held_bytes
        self._held = 0
        self._keep_inputs = keep_inputs
        self._hold = hold
        self.caught_up = anyio.Event()
        """Set when every row that an earlier process had in hand is in the ledger."""

    def release(self, entry: OpenRow) -> None:
        """Note that the row's payload is no longer held in memory."""
        self._held -= entry.held
        entry.held = 0
        self._changed.notify()

    @property
    def held_bytes(self) -> int:
        """Payload bytes in memory, those of the chunk being taken in apart."""
        return self._held

    async def run(self) -> None:
        """Take in every row; returns when the last one is on its lane.

        Raises:
            InputError: The input cannot be read further.
        """
        last = self._recovered.last
        if last < 0:
            self.caught_up.set()
        async with aclosing(self._source.chunks()) as chunks:
            async for chunk in chunks:
                for record in chunk:
                    if record.row > last:
                        self.caught_up.set()
                    elif self._recovered.is_durable(record.row):
                        self._open_rows.seen(record.row)
                        continue
                    if isinstance(record, Rejected):
                        await self._turn_away(record)
                    else:
                        await self._take(record)
        self.caught_up.set()

    async def _turn_away(self, rejected: Rejected) -> None:
        await self._room()
        self._reject(_rejection(rejected))

    async def _take(self, record: Record) -> None:
        routed = self._router.route(record)
        if isinstance(routed, Rejected):
            await self._turn_away(routed)
            return
        if record.row <= self._recovered.last:
            await self._take_again(record, routed)
            return
        size = _payload_bytes(routed)
        while len(self._open_rows) >= self._window or (self._held and self._held + size > self._held_max):
            await self._changed.wait()
        await self._admit(record, routed)

    async def _admit(self, record: Record, routed: Routed) -> None:
        entry = self._open_rows.admit(record, transport=_transport(routed), upload=self._upload(routed))
        await self._start(routed, entry)

    async def _take_again(self, record: Record, routed: Routed) -> None:
        """Take a row that the journal knows, where the earlier process left it."""
        line = self._recovered.open.get(record.row)
        if line is None:
            # No waiting for the bounds: what is open ends only once all of these rows are known again.
            await self._admit(record, routed)
            return
        entry = self._open_rows.restore(
            record,
            line,
            transport=_transport(routed),
            upload=self._upload(routed),
            now=self._clock.now(),
        )
        if line.state == RowState.READY or _lacks_upload(routed, line):
            await self._start(routed, entry)
            return
        entry.item = _sendable(routed, line)
        if line.state == RowState.INTENT:
            self._hold_bytes(entry, _payload_bytes(entry.item))
            self._defer(entry, entry.item)
        elif not self._hold and isinstance(entry.item, Inline):
            entry.item = None
        else:
            self._hold_bytes(entry, _payload_bytes(entry.item))

    def _hold_bytes(self, entry: OpenRow, size: int) -> None:
        entry.held = size
        self._held += size

    async def _start(self, routed: Routed, entry: OpenRow) -> None:
        """Send a row on its lane for the first time, or after a definitive failure."""
        self._hold_bytes(entry, _payload_bytes(routed))
        if isinstance(routed, Upload):
            await self._uploads.put((entry, routed))
            return
        if self._hold:
            entry.item = routed
        await self._ready.put((entry, routed))

    def _upload(self, routed: Routed) -> Location | None:
        """Return what is to be deleted once the row is durable."""
        return routed.location if isinstance(routed, Upload) and not self._keep_inputs else None


def _lacks_upload(routed: Routed, line: RowRecord) -> bool:
    """Whether the payload is not known to be in S3, as in a journal that was rebuilt."""
    return isinstance(routed, Upload) and line.state == RowState.INTENT and line.input is None


def _payload_bytes(routed: Routed) -> int:
    """Return the bytes of payload that `routed` keeps in memory."""
    return 0 if isinstance(routed, Staged) else len(routed.payload)


def _transport(routed: Routed) -> Transport:
    if isinstance(routed, Upload):
        return "s3"
    return "inline" if isinstance(routed, Inline) else "existing"


def _sendable(routed: Routed, line: RowRecord) -> Sendable:
    """Return what to send of a row whose upload, if it needs one, was done before it was journalled."""
    if isinstance(routed, Upload):
        return Staged(routed.options, line.input or routed.location.uri)
    return routed


def _rejection(rejected: Rejected) -> Outcome:
    return Outcome(
        row=rejected.row,
        id=rejected.id,
        passthrough=rejected.passthrough,
        status="rejected",
        payload_bytes=rejected.payload_bytes,
        error_code=rejected.code,
        error_message=rejected.message,
    )
