"""Deletes messages and uploaded inputs whose rows are durable.

A deletion may fail by design: the message is delivered again and recognised, the input stays under its prefix.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterable
from itertools import islice
from typing import TypeVar

from fanout.concurrency.notify import Notify
from fanout.domain.failures import MISSING
from fanout.domain.location import Location
from fanout.engine.retrying import failed_call, retry_call
from fanout.errors import CallError, RunError
from fanout.failpoints import failpoint
from fanout.ports import Clock, ObjectStore, Queue

_log = logging.getLogger(__name__)
T = TypeVar("T")
SQS_BATCH = 10  # DeleteMessageBatch, API reference
S3_BATCH = 1_000  # DeleteObjects, API reference
BACKLOG_MAX = 50_000  # receipts, 400 bytes each
GIVE_UP_AFTER_S = 20.0  # of one batch: what is not deleted costs a look at the next poll
MAX_TRIES = 3  # of one receipt that SQS refuses inside its 200


class Delete:
    """The deletions that wait.

    Args:
        queue: The queue of the run; None without notifications.
        objects: The store that holds uploaded inputs.
        clock: The run's clock.
    """

    def __init__(self, *, queue: Queue | None, objects: ObjectStore, clock: Clock) -> None:
        self._queue = queue
        self._objects = objects
        self._clock = clock
        self._receipts: deque[tuple[str, int]] = deque()
        self._uploads: deque[Location] = deque()
        self._under_way = 0
        self._wakeup = Notify()
        self._deleted = Notify()
        self.deleted = 0
        self.given_up = 0

    def messages(self, receipts: Iterable[str]) -> None:
        """Have messages deleted that no row needs any more."""
        self._receipts.extend((receipt, 1) for receipt in receipts)
        self._wakeup.notify()

    def uploads(self, locations: Iterable[Location]) -> None:
        """Have uploaded inputs deleted."""
        self._uploads.extend(locations)
        self._wakeup.notify()

    async def room(self) -> None:
        """Return once fewer than `BACKLOG_MAX` deletions wait: the bound on memory when SQS is slow."""
        while len(self._receipts) >= BACKLOG_MAX:
            await self._deleted.wait()

    async def drained(self) -> None:
        """Return once nothing is left to delete."""
        while self._receipts or self._uploads or self._under_way:
            await self._deleted.wait()

    async def abandon(self, uploads: Iterable[Location]) -> None:
        """Delete these uploads, and those that wait: the rows will not be taken up again, and no worker is left."""
        waiting = deque((*self._uploads, *uploads))
        self._uploads.clear()
        while waiting:
            await self._delete_uploads(_take(waiting, S3_BATCH))

    async def worker(self) -> None:
        """Delete for ever."""
        while True:
            self._under_way += 1
            if self._receipts:
                await self._delete_messages(_take(self._receipts, SQS_BATCH))
            elif self._uploads:
                batch = _take(self._uploads, S3_BATCH)
                try:
                    await self._delete_uploads(batch)
                except BaseException:  # cancelled: they may still be there
                    self._uploads.extend(batch)
                    raise
            self._under_way -= 1
            if not self._receipts and not self._uploads:
                self._deleted.notify()
                await self._wakeup.wait()
            elif len(self._receipts) < BACKLOG_MAX:
                self._deleted.notify()

    async def _delete_messages(self, batch: list[tuple[str, int]]) -> None:
        queue = self._queue
        if queue is None:
            return
        tries = dict(batch)
        try:
            refused = await retry_call(
                lambda: queue.delete(list(tries)),
                operation="sqs:DeleteMessage",
                clock=self._clock,
                give_up_after_s=GIVE_UP_AFTER_S,
            )
        except (CallError, RunError) as error:
            # The results are durable; a message too many costs a look at the next poll, not the run.
            self.given_up += len(tries)
            if failed_call(error).code in MISSING:
                self._queue = None  # its messages went with it; the pollers say so
            else:
                _log.warning("messages not deleted: %s", error)
            return
        failpoint("ack.deleted")
        self.deleted += len(tries) - len(refused)
        for receipt in refused:
            if tries[receipt] < MAX_TRIES:
                self._receipts.append((receipt, tries[receipt] + 1))
            else:
                self.given_up += 1

    async def _delete_uploads(self, batch: list[Location]) -> None:
        try:
            left = await retry_call(
                lambda: self._objects.delete(batch),
                operation="s3:DeleteObject",
                clock=self._clock,
                give_up_after_s=GIVE_UP_AFTER_S,
            )
        except (CallError, RunError) as error:
            _log.warning("uploaded inputs not deleted: %s", error)
            return
        if left:
            _log.warning(
                "%d uploaded inputs not deleted, the first is %s: is s3:DeleteObject granted there?",
                len(left),
                left[0].uri,
            )


def _take(items: deque[T], most: int) -> list[T]:
    """Remove and return up to `most` items from the left."""
    taken = list(islice(items, most))
    for _ in taken:
        items.popleft()
    return taken
