"""Reads and moves a watermark where it stands, on this machine or in S3, on the condition that no other night has."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import TypeVar

import anyio.to_thread

from fanout.concurrency.threads import run_in_thread
from fanout.domain.location import Location
from fanout.domain.remedies import remedy
from fanout.engine.retrying import retry_call
from fanout.errors import CallError, RunError, UsageError
from fanout.files import durable_file, replace, storage
from fanout.output.object_place import is_remote
from fanout.ports import Clock, ObjectStore
from fanout.source.watermark import Watermark, load

T = TypeVar("T")
TRIES = 5
"""Other nights that may end in the same moment before this one gives up."""
_TAKEN = frozenset({"PreconditionFailed", "ConditionalRequestConflict"})


class WatermarkPlace:
    """Where a watermark stands.

    Args:
        place: A path or an `s3://` uri.
        objects: S3.
        clock: The run's clock.
    """

    def __init__(self, place: str, *, objects: ObjectStore, clock: Clock) -> None:
        self._place = place
        self._objects = objects
        self._clock = clock
        self._location = Location.parse(place) if is_remote(place) else None
        if is_remote(place) and self._location is None:
            raise UsageError(f"input.watermark: {place} names no object: write s3://BUCKET/NAME.json")

    async def read(self) -> Watermark | None:
        """Return the watermark, None before the first night.

        Raises:
            UsageError: It is damaged, or no watermark.
            RunError: It may not be read.
        """
        return (await self._read())[0]

    async def prove(self) -> None:
        """Return if it may be written, as far as can be known before a row is paid for.

        Raises:
            UsageError: There is no such directory, or this user may not write there.
            RunError: S3 does not permit it.
        """
        if self._location is not None:
            upload = await self._call(partial(self._objects.begin_upload, self._location), "s3:PutObject")
            await self._call(upload.abort, "s3:AbortMultipartUpload")
            return
        folder = Path(self._place).parent
        if not folder.is_dir() or not os.access(folder, os.W_OK):
            raise UsageError(
                f"the watermark {self._place} cannot be written there: name another place with input.watermark"
            )

    async def move(self, moved: Callable[[Watermark], Watermark]) -> Watermark:
        """Put in its place what `moved` makes of what stands there, and return what stood there.

        Raises:
            UsageError: What stands there is damaged.
            RunError: It may not be written, or others keep writing it.
            StorageError: The disk is full or failed.
        """
        for _ in range(TRIES):
            before, etag = await self._read()
            now = before or Watermark()
            body = await run_in_thread(partial(_made, moved, now))
            if self._location is None:
                await anyio.to_thread.run_sync(_write, Path(self._place), body)
                return now
            put = partial(
                self._objects.put,
                self._location,
                body,
                content_type="application/json",
                if_match=etag or None,
                if_none_match="*" if before is None else None,
            )
            try:
                await retry_call(put, operation="s3:PutObject", clock=self._clock)
            except CallError as error:
                # Another night's, our own whose reply was lost, or one that was removed: each is read again.
                if error.code in _TAKEN or error.missing:
                    continue
                raise self._refused("s3:PutObject", error) from error
            return now
        raise RunError(f"{self._place}: other runs keep moving this watermark: look at who writes there")

    async def _read(self) -> tuple[Watermark | None, str | None]:
        """Return the watermark and its ETag; of a local one there is none."""
        try:
            body, etag = await (self._local() if self._location is None else self._remote(self._location))
        except CallError as error:
            raise self._refused("s3:GetObject", error) from error
        if body is None:
            return None, None
        try:
            return await run_in_thread(partial(load, body)), etag
        except ValueError as error:
            raise UsageError(
                f"{self._place} is not a watermark of fanout ({error}): move it away, and every file counts as new; "
                "or name another one with input.watermark"
            ) from error

    async def _local(self) -> tuple[bytes | None, str | None]:
        path = Path(self._place)
        with storage(path, "read"):
            try:
                return await anyio.to_thread.run_sync(path.read_bytes), None
            except FileNotFoundError:
                return None, None

    async def _remote(self, location: Location) -> tuple[bytes | None, str | None]:
        while True:
            info = await retry_call(
                lambda: self._objects.head(location), operation="s3:GetObject", clock=self._clock
            )
            if info is None or not info.size_bytes:
                # Also where it may not be seen: the GET says which.
                return await self._absent(location), None
            read = partial(self._objects.read, location, start=0, size_bytes=info.size_bytes, etag=info.etag)
            try:
                return await retry_call(read, operation="s3:GetObject", clock=self._clock), info.etag
            except CallError as error:
                if error.code != "PreconditionFailed":  # it was moved in between
                    raise

    async def _absent(self, location: Location) -> bytes | None:
        try:
            found = await retry_call(
                lambda: self._objects.get(location), operation="s3:GetObject", clock=self._clock
            )
        except CallError as error:
            if error.missing:
                return None
            raise
        return found.body

    async def _call(self, call: Callable[[], Awaitable[T]], operation: str) -> T:
        try:
            return await retry_call(call, operation=operation, clock=self._clock)
        except CallError as error:
            raise self._refused(operation, error) from error

    def _refused(self, operation: str, error: CallError) -> RunError:
        return RunError(f"the watermark {self._place}: {remedy(operation, error)}")


def _made(moved: Callable[[Watermark], Watermark], now: Watermark) -> bytes:
    return moved(now).dump()


def _write(path: Path, body: bytes) -> None:
    """Replace a file in one step; a reader sees the old content or the new."""
    draft = path.with_name(f"{path.name}.tmp")
    with durable_file(draft) as file:
        file.write(body)
    replace(draft, path)
