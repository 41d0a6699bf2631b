"""Looks into S3 for what came of rows, the cheaper way: one by one, or by listing the run's prefix.

Entries enter; rows whose object is found are claimed and leave on the fetch lane, as noticed ones do. Its lookers are
started by the pipeline, and cancelled when every row has ended; `reconcile` decides when it is worth looking.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

from fanout.concurrency.channel import Channel
from fanout.concurrency.notify import Notify
from fanout.domain.location import Location
from fanout.domain.output_paths import OutputPaths
from fanout.domain.records import Notice
from fanout.engine.open_row import OpenRow
from fanout.engine.open_rows import Claim, OpenRows
from fanout.engine.reconcile.schedule import plan_look
from fanout.engine.retrying import retry_call
from fanout.errors import CallError
from fanout.ports import Clock, ObjectInfo, ObjectStore

_log = logging.getLogger(__name__)
LOOKERS = 32  # HEADs in flight: where listing is denied, at 30 ms each they find a thousand rows a second


@dataclass(frozen=True, slots=True)
class LookupStatistics:
    """A snapshot: rows that wait to be looked for one by one, and rows that were found in any way."""

    waiting: int
    found: int


class Lookup:
    """Claims rows by the objects that it finds of them.

    Args:
        claims: Takes rows that were found.
    """

    def __init__(
        self,
        *,
        open_rows: OpenRows,
        objects: ObjectStore,
        clock: Clock,
        claims: Channel[tuple[OpenRow, Notice]],
    ) -> None:
        self._open_rows = open_rows
        self._objects = objects
        self._clock = clock
        self._claims = claims
        self._singles: Channel[_Look] = Channel(LOOKERS)
        self._may_list = True
        self._found = 0

    async def find(self, entries: Sequence[OpenRow]) -> None:
        """Look for `entries` the cheaper way: one by one, or by listing the run's prefix."""
        roots = [
            root
            for root in (self._open_rows.outputs.root(), self._open_rows.failures.root())
            if root is not None
        ]
        shards = plan_look(
            [entry.row for entry in entries],
            rows_seen=self._open_rows.rows_seen,
            may_list=self._may_list and bool(roots),
            roots=len(roots),
        )
        if shards is None or not await self._list(shards):
            await self.find_singly(entries)

    async def find_singly(self, entries: Sequence[OpenRow]) -> None:
        """Look for `entries` one by one, as many at once as there are lookers, and return when that is done."""
        group = _Group(len(entries))
        for entry in entries:
            await self._singles.put(_Look(entry, group))
        await group.wait()

    async def looker(self) -> None:
        """Look for the objects of single rows for ever; as many at once as there are lookers."""
        while True:
            look = await self._singles.get()
            await self._look_for(look.entry)
            look.group.done()

    async def _look_for(self, entry: OpenRow) -> None:
        """Look for one row's output, then for its failure object, and claim the row by what is found."""
        for layout, place, completed in (
            (self._open_rows.outputs, self._open_rows.output(entry), True),
            (self._open_rows.failures, self._open_rows.failure(entry), False),
        ):
            for location in _places(layout, place, entry):
                generation = entry.generation
                info = await self._head(location)
                if info is not None:
                    await self._claim(entry.row, generation, info, completed=completed)
                    return

    async def _head(self, location: Location) -> ObjectInfo | None:
        return await retry_call(lambda: self._objects.head(location), operation="s3:GetObject")

    async def _list(self, shards: Sequence[str]) -> bool:
        """Claim what stands below `shards` of the run's prefixes; return False if that is not permitted."""
        for layout, completed in ((self._open_rows.outputs, True), (self._open_rows.failures, False)):
            root = layout.root()
            if root is None or (not completed and root == self._open_rows.outputs.root()):
                continue
            for shard in shards:
                try:
                    await self._list_prefix(layout, root, shard, completed=completed)
                except CallError as error:
                    _log.warning("cannot list %s (%s): looking for objects one by one", root.uri, error.code)
                    self._may_list = False
                    return False
        return True

    async def _list_prefix(self, layout: OutputPaths, root: Location, shard: str, *, completed: bool) -> None:
        # A page lost to a passing fault starts this prefix again: what was claimed before is not claimed twice.
        async def pages() -> None:
            async for page in self._objects.list(root.bucket, root.key + shard):
                await self._claim_page(layout, page, completed=completed)

        await retry_call(pages, operation="s3:ListBucket")

    async def _claim_page(self, layout: OutputPaths, page: Sequence[ObjectInfo], *, completed: bool) -> None:
        # A resume whose window is full of rows that it may not send gets no reply that would show how outputs are
        # named. Where failures stand among them, or nobody knows where, a name alone does not say what it is.
        apart = self._open_rows.failures.root() not in {None, self._open_rows.outputs.root()}
        for info in page:
            if apart:
                layout.discover(info.location)
            parsed = layout.parse(info.location.key)
            if parsed is not None and self._open_rows.awaits(*parsed):
                await self._claim(*parsed, info, completed=completed)

    async def _claim(self, row: int, generation: int, info: ObjectInfo, *, completed: bool) -> None:
        notice = Notice(
            row=row,
            generation=generation,
            attempt=None,
            completed=completed,
            noticed_by="list",
            notified_at=self._clock.now(),
            completed_at=info.modified_at,
        )
        if self._open_rows.claim(notice) is Claim.WON:
            self._found += 1
            entry = self._open_rows.get(row)
            layout = self._open_rows.outputs if completed else self._open_rows.failures
            place = layout.shorten(info.location, row, generation)
            if completed:
                entry.output = place
            else:
                entry.failure = place
            await self._claims.put((entry, notice))

    def statistics(self) -> LookupStatistics:
        """Return a snapshot."""
        return LookupStatistics(len(self._singles), self._found)


class _Group:
    """Looks that somebody waits for together."""

    def __init__(self, count: int) -> None:
        self._left = count
        self._ended = Notify()

    def done(self) -> None:
        self._left -= 1
        if self._left == 0:
            self._ended.notify()

    async def wait(self) -> None:
        while self._left:
            await self._ended.wait()


@dataclass(frozen=True, slots=True)
class _Look:
    entry: OpenRow
    group: _Group


def _places(layout: OutputPaths, place: Location | None, entry: OpenRow) -> list[Location]:
    """Return where to look for a row's object: where its reply said, then where the run's others stand."""
    expected = layout.expected(entry.row, entry.generation)
    return list(dict.fromkeys(location for location in (place, expected) if location is not None))
