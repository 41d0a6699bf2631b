"""Takes rows from the source and starts each on its way, no faster than the bounds allow.

Rows that cannot be sent end here; rows that an earlier process of the run had in hand go on where it left them. The
pipeline runs one worker.
"""

from __future__ import annotations

import logging
from contextlib import aclosing
from dataclasses import dataclass

import anyio

from fanout.domain.location import Location
from fanout.domain.records import Inline, Record, Rejected, Routed, Upload, value_bytes
from fanout.domain.routing import Router
from fanout.domain.row_state import RowRecord, RowState
from fanout.engine.flow import Flow
from fanout.engine.inline_support import InlineSupport
from fanout.engine.open_row import OpenRow, State, payload_bytes
from fanout.engine.open_rows import OpenRows
from fanout.ports import Clock, Rows
from fanout.rundir.recovery import Recovered

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class AdmitLimits:
    """Bounds of what is open at once.

    Attributes:
        window: Rows.
        held_bytes: Bytes of payloads and passthrough values in memory; one larger row is let through alone.
        keep_inputs: Leave uploaded payloads where they are.
    """

    window: int
    held_bytes: int
    keep_inputs: bool


class Admit:
    """Admits the rows of a run.

    Args:
        source: The rows.
        router: Decides how each row travels, or why it cannot.
        support: What is known of the endpoint and payloads in the request.
        recovered: The rows of earlier processes.
    """

    def __init__(
        self,
        *,
        source: Rows,
        router: Router,
        support: InlineSupport,
        rows: OpenRows,
        flow: Flow,
        clock: Clock,
        recovered: Recovered,
        limits: AdmitLimits,
    ) -> None:
        self._source = source
        self._router = router
        self._support = support
        self._rows = rows
        self._flow = flow
        self._clock = clock
        self._recovered = recovered
        self._limits = limits
        self._said = False
        self.caught_up = anyio.Event()
        """Set when every row that an earlier process had in hand is open again."""

    async def run(self) -> None:
        """Take in every row; returns when the last one is on its way.

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
                        self._rows.seen(record.row)
                        continue
                    if isinstance(record, Rejected):
                        await self._reject(record)
                    else:
                        await self._take(record)
        self.caught_up.set()

    async def _reject(self, rejected: Rejected) -> None:
        await self._flow.room()
        self._flow.reject(rejected)

    async def _take(self, record: Record) -> None:
        item = self._router.route(record)
        if isinstance(item, Rejected):
            await self._reject(item)
        elif record.row <= self._recovered.last:
            await self._take_again(record, item)
        else:
            await self._has_room(payload_bytes(item), sum(map(value_bytes, record.passthrough)))
            await self._start(self._rows.admit(record, item, upload=self.upload_of(item)))

    async def _has_room(self, payload: int, kept: int) -> None:
        rows, limits, size = self._rows, self._limits, payload + kept
        while len(rows) >= limits.window or (rows.held_bytes and rows.held_bytes + size > limits.held_bytes):
            if kept > payload and not self._said and len(rows) < limits.window:
                self._said = True  # nothing else tells why a slow endpoint gets fewer rows a second
                _log.info(
                    "the output keeps %d bytes of a row: %d rows are open, not %d, as pacing.held_bytes is %d",
                    kept,
                    len(rows),
                    limits.window,
                    limits.held_bytes,
                )
            await rows.changed.wait()

    async def _take_again(self, record: Record, item: Routed) -> None:
        """Take a row that the journal may know, where the earlier process left it.

        Without waiting for the bounds: what is open ends only once all of these rows are known again.
        """
        line = self._recovered.open.get(record.row)
        if line is not None and isinstance(item, Inline):
            item = self._earlier_way(item, line)
        upload = self.upload_of(item)
        if line is None:
            await self._start(self._rows.admit(record, item, upload=upload))
            return
        row = self._rows.restore(record, item, line, upload=upload, now=self._clock.now())
        if row.state is State.UNCERTAIN and isinstance(row.item, Upload):
            # The journal does not say whether it was uploaded. At once, as only uploads bound how many payloads wait.
            await self._flow.upload(row)
        elif row.state is State.UNCERTAIN:
            self._flow.doubt(row)
        elif row.state is not State.ACCEPTED:
            await self._start(row)

    def _earlier_way(self, item: Inline, line: RowRecord) -> Routed:
        """Return how the payload of a row travelled in the earlier process, which may have found inline refused."""
        place = None if line.input is None else Location.parse(line.input)
        if place is not None:
            return Upload(item.options, item.payload, place)
        if line.state == RowState.ACCEPTED:
            self._support.accepted_inline()
        return item

    async def _start(self, row: OpenRow) -> None:
        """Send a row on its way for the first time, or after a definitive failure."""
        if row.state is State.UPLOADING:
            await self._flow.upload(row)
        else:
            await self._flow.send(row)

    def upload_of(self, item: Routed) -> Location | None:
        """Return the upload to delete once the row is durable, None if there is none or it is kept."""
        return item.location if isinstance(item, Upload) and not self._limits.keep_inputs else None
