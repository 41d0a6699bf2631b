"""Takes snapshots of a run's state while it runs, and deletes the segments that they make superfluous.

Segments that claim the run stay: an owner that slept through any number of snapshots finds its next number taken.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Sequence

from fanout.concurrency.threads import RunBlocking, run_in_thread
from fanout.domain.location import Location
from fanout.engine.retrying import repeat_call
from fanout.errors import CallError
from fanout.failpoints import failpoint
from fanout.ports import Clock, ObjectStore
from fanout.runtime.place.segment_log import SegmentLog
from fanout.runtime.place.snapshot import encode_snapshot, take

LINES = 200_000
"""Lines after which a snapshot is taken before its time: a new owner folds about 400,000 a second."""
LOOK_S = 5.0
_KEYS = 1_000  # of one DeleteObjects, API reference
_log = logging.getLogger(__name__)


class Keeper:
    """Keeps the journal of a run short.

    Args:
        log: The journal; this process owns the run.
        objects: S3.
        clock: The run's clock.
        every_s: Seconds between two snapshots.
        lines: Lines after which one is taken earlier.
        run_blocking: Runs what takes long.
    """

    def __init__(
        self,
        log: SegmentLog,
        objects: ObjectStore,
        *,
        clock: Clock,
        every_s: float,
        lines: int = LINES,
        run_blocking: RunBlocking = run_in_thread,
    ) -> None:
        self._log = log
        self._objects = objects
        self._clock = clock
        self._every_s = every_s
        self._lines = lines
        self._run_blocking = run_blocking
        self._taken_at = clock.now()
        self._taken_lines = 0
        self._segments = list(log.listing.segments)
        self._snapshots = list(log.listing.snapshots)
        self._known = log.claim_number
        self.snapshots = 0

    async def worker(self) -> None:
        """Take snapshots, for ever; what S3 refuses is tried again by the next."""
        while True:
            await self._clock.sleep(min(LOOK_S, self._every_s))
            if self._is_due():
                await self.snapshot()

    def _is_due(self) -> bool:
        if self._log.state.number == self._known:
            return False
        lines = self._log.lines - self._taken_lines
        return lines >= self._lines or self._clock.now() - self._taken_at >= self._every_s

    async def snapshot(self) -> None:
        """Take a snapshot now, then delete what it makes superfluous."""
        state, self._taken_at, self._taken_lines = self._log.state, self._clock.now(), self._log.lines
        snapshot = take(state)
        self._segments += range(self._known + 1, snapshot.number + 1)
        self._known = snapshot.number
        content = await self._run_blocking(functools.partial(encode_snapshot, snapshot))
        location = self._log.place.snapshot(snapshot.number)
        try:
            await repeat_call(
                lambda: self._objects.put(location, content), clock=self._clock, give_up_after_s=LOOK_S
            )
        except CallError as error:
            _log.warning("%s could not be stored, the journal grows until the next: %s", location.uri, error)
            return
        self.snapshots += 1
        failpoint("snapshot.stored")
        claims = set(state.claims)
        old = [number for number in self._segments if number not in claims]
        self._segments = await self._delete([(number, self._log.place.segment(number)) for number in old])
        self._snapshots = await self._delete(
            [(number, self._log.place.snapshot(number)) for number in self._snapshots]
        )
        self._snapshots.append(snapshot.number)

    async def _delete(self, old: Sequence[tuple[int, Location]]) -> list[int]:
        """Delete objects; return the numbers of those that stay, for the next time."""
        stay: list[int] = []
        for first in range(0, len(old), _KEYS):
            batch = old[first : first + _KEYS]
            try:
                kept = set(await self._objects.delete([location for _, location in batch]))
            except CallError as error:
                _log.info("segments before a snapshot stay: %s", error)
                kept = {location for _, location in batch}
            stay += [number for number, location in batch if location in kept]
        return stay
