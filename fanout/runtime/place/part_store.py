"""Keeps the parts of a run in its place: each is there before its rows are durable, and is fetched to be merged."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from pathlib import Path

from fanout.concurrency.side_by_side import side_by_side
from fanout.concurrency.threads import RunBlocking, run_in_thread
from fanout.domain.remedies import remedy
from fanout.engine.retrying import repeat_call
from fanout.errors import CallError, JournalError, StateLost
from fanout.files import make_directory, storage
from fanout.output.parts import Part
from fanout.ports import Clock, ObjectStore
from fanout.runtime.place.replay import read_object
from fanout.runtime.place.run_place import RunPlace
from fanout.runtime.place.segment import StoredPart

PATIENCE_S = 60.0
"""How long S3 may refuse a part: nothing is lost meanwhile, as its messages stay where they are."""
LEAST_TRIES = 5
"""A process that was stopped for longer than its patience has not tried for as long."""
AT_ONCE = 8
"""Parts that are fetched at the same time; each is in memory, and has up to `output.part_bytes`."""


class PartStore:
    """The parts of one run in its place.

    Args:
        objects: S3.
        place: The place.
        clock: The run's clock.
        run_blocking: Runs what blocks on the disk.
    """

    def __init__(
        self,
        objects: ObjectStore,
        place: RunPlace,
        *,
        clock: Clock,
        run_blocking: RunBlocking = run_in_thread,
    ) -> None:
        self._objects = objects
        self._place = place
        self._clock = clock
        self._run_blocking = run_blocking

    async def put(self, part: Part, *, claim: int) -> StoredPart:
        """Store a part and return it as the state knows it.

        Args:
            part: The part, whose file is here.
            claim: The number of its owner's claim: what another owner stores never has its name.

        Raises:
            StateLost: S3 does not take it.
            StorageError: The file cannot be read.
        """
        name = f"{claim:010d}/{part.path.name}"
        location = self._place.part(name)
        content = await self._run_blocking(functools.partial(_read, part.path))
        try:
            await repeat_call(
                lambda: self._objects.put(location, content),
                clock=self._clock,
                give_up_after_s=PATIENCE_S,
                least_tries=LEAST_TRIES,
            )
        except CallError as error:
            raise StateLost(
                f"{location.uri}: {remedy('s3:PutObject', error)}", denied=error.status is not None
            ) from error
        return StoredPart(
            part.number, name, part.rows, part.min_row, part.max_row, part.size_bytes, part.kinds
        )

    async def fetch(self, parts: Sequence[Part], stored: Mapping[int, StoredPart]) -> None:
        """Have the files of `parts` here, by fetching those that are not.

        Args:
            parts: Where they are to stand.
            stored: What the state knows of each, by number.

        Raises:
            JournalError: A part is missing or damaged.
            RunError: S3 does not permit it, or does not answer.
            StorageError: The disk is full or failed.
        """
        missing = [part for part in parts if not part.path.exists()]
        for first in range(0, len(missing), AT_ONCE):
            batch = missing[first : first + AT_ONCE]
            await side_by_side([functools.partial(self._fetch, part, stored[part.number]) for part in batch])

    async def _fetch(self, part: Part, stored: StoredPart) -> None:
        location = self._place.part(stored.name)
        content = await read_object(self._objects, location, clock=self._clock)
        if content is None or len(content) != stored.size_bytes:
            found = (
                "is missing" if content is None else f"has {len(content):,} of {stored.size_bytes:,} bytes"
            )
            raise JournalError(
                f"{location.uri} {found}: put it back (S3 versioning, a backup); without it, its rows are lost, and "
                "`fanout discard` gives the run up"
            )
        await self._run_blocking(functools.partial(_write, part.path, content))


def _read(path: Path) -> bytes:
    with storage(path, "read"):
        return path.read_bytes()


def _write(path: Path, content: bytes) -> None:
    make_directory(path.parent)
    with storage(path, "write"):
        path.write_bytes(content)  # scratch: another process begins with an empty directory
