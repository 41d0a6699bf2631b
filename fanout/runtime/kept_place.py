"""Keeps the state of a run at its place in S3 as long as this process owns it, and lets go of it at the end."""

from __future__ import annotations

import logging
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import anyio

from fanout.domain.location import Location
from fanout.engine.journal_writer import JournalWriter
from fanout.engine.open_rows import OpenRows
from fanout.errors import CallError, RunError, StateLost, UsageError
from fanout.observability.status_file import read_status_file
from fanout.output.parts import Part
from fanout.ports import Clock, ObjectStore
from fanout.rundir.recovery import Recovered
from fanout.runtime.place.keeper import Keeper
from fanout.runtime.place.part_store import PartStore
from fanout.runtime.place.place_files import put_file
from fanout.runtime.place.place_writer import PlaceWriter
from fanout.runtime.place.replay import reading
from fanout.runtime.place.segment import Purpose
from fanout.runtime.place.segment_log import SegmentLog
from fanout.runtime.place.sign_of_life import BEAT_S, PlaceInUse, PlaceOwner
from fanout.runtime.spec import RunSpec

CLOSE_S = 10.0
"""What letting go of the place may take: a place that says nothing of it is taken over all the same."""
_KEYS = 1_000  # of one DeleteObjects, API reference
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class FinishedRun:
    """A run that has finished at a place, where another may begin.

    Attributes:
        run_id: The run.
        etag: Of its `run.json`.
    """

    run_id: str
    etag: str


class KeptPlace:
    """The place of the run that this process owns; made by `open_place.open_place`.

    Attributes:
        place: The place.
        log: Its journal.
        recovered: What earlier owners left behind.
        delegated: Whether shards of the run may have sent, of which its own journal knows nothing.
    """

    def __init__(
        self,
        spec: RunSpec,
        log: SegmentLog,
        *,
        objects: ObjectStore,
        clock: Clock,
        owner: PlaceOwner,
        replaces: FinishedRun | None = None,
    ) -> None:
        self.place = log.place
        self.log = log
        self._owner = owner
        self._replaces = replaces
        self._spec = spec
        self._objects = objects
        self._clock = clock
        self._store = PartStore(self._objects, self.place, clock=self._clock)
        self._writer: PlaceWriter | None = None
        self._begun = spec.begun
        self._finished = False
        self._mirrored: dict[Path, int] = {}
        self.delegated = False
        self._mirroring = anyio.Lock()
        self._closed = False
        self.recovered: Recovered = log.state.recovered(spec.directory.parts)

    @property
    def has_sent_nothing(self) -> bool:
        """Whether no row of the run was received by the endpoint, or may have been."""
        return self.log.state.has_sent_nothing and not self.delegated

    def make_journal(self, rows: OpenRows) -> JournalWriter:
        """Return what writes the journal."""
        self._writer = PlaceWriter(
            self.log,
            store=self._store,
            rows=rows,
            clock=self._clock,
            every_s=self._spec.config.run.segment_s,
        )
        return self._writer

    async def begin(self) -> None:
        """Have what the run is stand in the place, before anything is sent.

        Raises:
            UsageError: Another run began there meanwhile.
            RunError: S3 does not take it.
        """
        directory = self._spec.directory
        before = self._replaces
        self._begun = True
        if before is not None:  # what tells that a run has finished goes once `run.json` names another
            await self._remove([self.place.inputs, self.place.uploads])
        if directory.inputs.exists():
            await put_file(self._objects, directory.inputs, self.place.inputs, clock=self._clock)
        with of_another(self._spec):
            await put_file(
                self._objects,
                directory.manifest,
                self.place.manifest,
                clock=self._clock,
                if_none_match="*" if before is None else None,
                if_match=None if before is None else before.etag,
            )
        if before is not None:
            await self._remove([self.place.summary])
            await self._remove_below(self.place.parts)

    def workers(self) -> Sequence[Callable[[], Coroutine[Any, Any, None]]]:
        """Return what goes on beside the run until it has ended."""
        every_s = self._spec.config.run.snapshot_s
        return Keeper(self.log, self._objects, clock=self._clock, every_s=every_s).worker, self._live

    async def prove(self) -> None:
        """Return if the run is this process's now.

        Raises:
            Fenced: Another process owns it.
            StateLost: S3 does not tell.
        """
        if self._writer is not None:
            await self._writer.flush()
        await self.log.append()

    async def fetch_parts(self, parts: Sequence[Part]) -> None:
        """Have the files of the parts here, to be merged.

        Raises:
            JournalError: One is missing or damaged.
            RunError: S3 does not permit it, or does not answer.
            StorageError: The disk is full or failed.
        """
        await self._store.fetch(parts, self.log.state.parts)

    async def finish_shard(self) -> None:
        """Note what a shard came to, once this process has proved that it is its own; a note that is there stays.

        Raises:
            Fenced: Another process owns the shard.
            RunError: S3 does not take it.
        """
        await self.prove()
        with suppress(UsageError):  # an earlier owner noted it, of the same rows
            await put_file(
                self._objects,
                self._spec.directory.subtotal,
                self.place.subtotal,
                clock=self._clock,
                if_none_match="*",
            )
        self._finished = True

    async def finish(self) -> None:
        """Note that the run has finished, and remove its parts unless they are to be kept.

        Raises:
            RunError: S3 does not take the summary.
        """
        await put_file(self._objects, self._spec.directory.summary, self.place.summary, clock=self._clock)
        self._finished = True
        if not self._spec.config.run.keep_dir:
            await self._remove_below(self.place.parts)
            for index in range(self._spec.config.run.shards or 0):
                await self._remove_below(self.place.shard(index).parts)

    async def _live(self) -> None:
        """Show others that this process is at the run, whatever else it is at, for ever.

        Raises:
            Fenced: Another process owns the run.
        """
        while True:
            await self.mirror()
            with suppress(
                StateLost
            ):  # rows that are to be sent wait likewise, and their patience ends the run
                await self.log.renew(BEAT_S / 2)
            await self._clock.sleep(BEAT_S)

    async def mirror(self) -> None:
        """Copy what tells others of the run, where it has changed; it never fails the run."""
        async with self._mirroring:
            if not (self._closed or self.log.fenced):
                await self._mirror()

    async def _mirror(self) -> None:
        directory = self._spec.directory
        for path, location, read in (
            (directory.status, self.place.status, self._status),
            (directory.uploads, self.place.uploads, directory.uploads.read_bytes),
        ):
            try:
                changed = path.stat().st_mtime_ns if path.exists() else 0
                if self._mirrored.get(path) != changed:
                    await self._objects.put(location, read(), content_type="application/json")
                    self._mirrored[path] = changed
            except FileNotFoundError:
                continue
            except (OSError, CallError) as error:
                _log.info("%s is not up to date: %s", location.uri, error)

    def _status(self) -> bytes:
        """Return what `status.json` says, with who owns the run: that much also before there is such a file."""
        return self._owner.within(read_status_file(self._spec.directory.status))

    async def close(self, *, unused: bool) -> None:
        """Let go of the place: the next owner need not wait for what this one may still send, as it sends nothing.

        Args:
            unused: Whether nothing was sent, so that nothing of the run need stay.
        """
        self.log.release.end()
        if self.log.fenced:
            return
        with anyio.move_on_after(CLOSE_S, shield=True):
            if unused and not self._finished:
                await self._leave_nothing()
            else:
                await self.mirror()
            async with self._mirroring:
                self._closed = True
        # The last that is written here: from then on the place is another's to take.
        with anyio.move_on_after(CLOSE_S, shield=True), suppress(RunError, CallError):
            await self.log.append(purpose=Purpose.CLOSE)

    async def _leave_nothing(self) -> None:
        async with self._mirroring:
            self._closed = True
            place = self.place
            begun = (place.manifest, place.inputs, place.plan, place.footers) if self._begun else ()
            for location in (*begun, place.status):
                with suppress(CallError):
                    await self._objects.delete([location])

    async def _remove(self, locations: Sequence[Location]) -> None:
        """Remove objects of the place.

        Raises:
            RunError: S3 does not permit it, or does not answer.
        """
        for first in range(0, len(locations), _KEYS):
            delete = partial(self._objects.delete, locations[first : first + _KEYS])
            refused = await reading(delete, self.place, operation="s3:DeleteObject", clock=self._clock)
            if refused:
                raise RunError(f"{refused[0].uri}: could not be deleted: grant s3:DeleteObject")

    async def _remove_below(self, prefix: str) -> None:
        with suppress(CallError, RunError):
            found: list[Location] = []
            async for page in self._objects.list(self.place.bucket, prefix):
                found += [info.location for info in page]
            await self._remove(found)


@contextmanager
def of_another(spec: RunSpec) -> Iterator[None]:
    """Have a shard that is begun already be in use: its place is its plan's, so that no other run can be there.

    Raises:
        PlaceInUse: It was begun by another process since this one looked.
    """
    try:
        yield
    except UsageError as error:
        if not spec.is_shard or spec.place is None:
            raise
        raise PlaceInUse(
            f"{spec.place.uri} was begun by another process just now: wait for it, or stop it"
        ) from error
