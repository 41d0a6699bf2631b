"""Looks into S3 for the results of rows, the cheaper way: one by one, or by listing the run's prefix.

Rows whose object is found are claimed and fetched, as noticed ones are. The pipeline starts the lookers and cancels
them when every row has ended; the reconciler decides when it is worth looking.
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
from fanout.engine.flow import Flow
from fanout.engine.open_row import OpenRow
from fanout.engine.open_rows import OpenRows
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
        rows: The open rows.
        flow: Passes rows on to the stages.
        objects: Where results stand.
        clock: The run's clock.
    """

    def __init__(self, *, rows: OpenRows, flow: Flow, objects: ObjectStore, clock: Clock) -> None:
        self._rows = rows
        self._flow = flow
        self._objects = objects
        self._clock = clock
        self._singles: Channel[_Look] = Channel(LOOKERS)
        self._may_list = True
        self._found = 0

    async def find(self, rows: Sequence[OpenRow]) -> None:
        """Look for `rows` the cheaper way: one by one, or by listing the run's prefix."""
        places = self._rows.places
        roots = [root for root in (places.outputs.root(), places.failures.root()) if root is not None]
        shards = plan_look(
            [row.number for row in rows],
            rows_seen=self._rows.rows_seen,
            may_list=self._may_list and bool(roots),
            roots=len(roots),
        )
        if shards is None or not await self._list(shards):
            await self.find_singly(rows)

    async def find_singly(self, rows: Sequence[OpenRow]) -> None:
        """Look for `rows` one by one, as many at once as there are lookers, and return when that is done."""
        group = _Group(len(rows))
        for row in rows:
            await self._singles.put(_Look(row, group))
        await group.wait()

    async def looker(self) -> None:
        """Look for the objects of single rows for ever; as many at once as there are lookers."""
        while True:
            look = await self._singles.get()
            await self._look_for(look.row)
            look.group.done()

    async def _look_for(self, row: OpenRow) -> None:
        """Look for one row's output, then for its failure object, and claim the row by what is found."""
        places = self._rows.places
        for paths, place, completed in (
            (places.outputs, places.output(row), True),
            (places.failures, places.failure(row), False),
        ):
            for location in _where(paths, place, row):
                generation = row.generation
                info = await self._head(location)
                if info is not None:
                    await self._claim(row.number, generation, info, completed=completed)
                    return

    async def _head(self, location: Location) -> ObjectInfo | None:
        return await retry_call(
            lambda: self._objects.head(location), operation="s3:GetObject", clock=self._clock
        )

    async def _list(self, shards: Sequence[str]) -> bool:
        """Claim what stands below `shards` of the run's prefixes; return False if that is not permitted."""
        places = self._rows.places
        for paths, completed in ((places.outputs, True), (places.failures, False)):
            root = paths.root()
            if root is None or (not completed and root == places.outputs.root()):
                continue
            for shard in shards:
                try:
                    await self._list_prefix(paths, root, shard, completed=completed)
                except CallError as error:
                    _log.warning(
                        "cannot list %s (s3:ListBucket: %s): looking for objects one by one",
                        root.uri,
                        error.code,
                    )
                    self._may_list = False
                    return False
        return True

    async def _list_prefix(self, paths: OutputPaths, root: Location, shard: str, *, completed: bool) -> None:
        # A page lost to a passing fault starts this prefix again: what was claimed before is not claimed twice.
        async def pages() -> None:
            async for page in self._objects.list(root.bucket, root.key + shard):
                await self._claim_page(paths, page, completed=completed)

        await retry_call(pages, operation="s3:ListBucket", clock=self._clock)

    async def _claim_page(self, paths: OutputPaths, page: Sequence[ObjectInfo], *, completed: bool) -> None:
        # A resume whose window is full of rows that it may not send gets no reply that would show how outputs are
        # named. Where failures stand among them, or in an unknown place, a name alone does not say what it is.
        places = self._rows.places
        apart = places.failures.root() not in {None, places.outputs.root()}
        for info in page:
            if apart:
                paths.discover(info.location)
            parsed = paths.parse(info.location.key)
            if parsed is not None and self._rows.awaits(*parsed):
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
        claimed = self._rows.found(notice, info.location)
        if claimed is not None:
            self._found += 1
            await self._flow.fetch(claimed)

    def statistics(self) -> LookupStatistics:
        """Return a snapshot."""
        return LookupStatistics(len(self._singles), self._found)


class _Group:
    """Looks whose end is waited for together."""

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
    row: OpenRow
    group: _Group


def _where(paths: OutputPaths, place: Location | None, row: OpenRow) -> list[Location]:
    """Return where to look for a row's object: where its reply said, then where the run's others stand."""
    expected = paths.expected(row.number, row.generation)
    return list(dict.fromkeys(location for location in (place, expected) if location is not None))
