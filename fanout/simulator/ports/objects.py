"""Implements `ports.ObjectStore` on a `World`; owned by `cloud`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from typing import Literal

from fanout.domain.location import Location
from fanout.errors import CallError, Phase
from fanout.ports import Admit, Object, ObjectInfo, Upload, at_once
from fanout.simulator.errors import ServiceError
from fanout.simulator.objects import MAX_KEYS, Flaw, Kept, StoredObject, precondition_failed
from fanout.simulator.ports.latency import Wire


class MemoryObjects:
    """Implements `ports.ObjectStore`.

    Args:
        wire: To the account.
    """

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._spread = wire.world.settings.latency.s3

    async def put(
        self,
        location: Location,
        body: bytes,
        *,
        content_type: str | None = None,
        metadata: Mapping[str, str] | None = None,
        tags: Mapping[str, str] | None = None,
        if_match: str | None = None,
        if_none_match: Literal["*"] | None = None,
    ) -> str:
        """Store an object; see `ports.ObjectStore`."""

        def work(now: float) -> StoredObject:
            world = self._wire.world
            world.faults.slow_down()
            return world.objects.put(
                *location,
                body,
                content_type=content_type,
                now=now,
                metadata=_pairs(metadata),
                kept=Kept(tags=_pairs(tags)),
                if_match=if_match,
                if_none_match=if_none_match is not None,
            )

        return (await self._wire.call("PutObject", self._spread, work)).etag

    async def begin_upload(
        self,
        location: Location,
        *,
        content_type: str | None = None,
        metadata: Mapping[str, str] | None = None,
        tags: Mapping[str, str] | None = None,
        if_none_match: Literal["*"] | None = None,
    ) -> Upload:
        """Begin an upload in parts; see `ports.ObjectStore`."""
        objects = self._wire.world.objects
        upload_id = await self._wire.call(
            "CreateMultipartUpload",
            self._spread,
            lambda now: objects.create_multipart(
                *location,
                content_type=content_type,
                metadata=_pairs(metadata),
                kept=Kept(tags=_pairs(tags)),
                now=now,
            ),
        )
        return _MemoryUpload(upload_id, self._wire, location, if_none_match=if_none_match is not None)

    async def read(self, location: Location, *, start: int, size_bytes: int, etag: str) -> bytes:
        """Return a range of an object; see `ports.ObjectStore`."""

        def work(_now: float) -> tuple[bytes, bool]:
            world = self._wire.world
            world.faults.slow_down()
            stored = world.objects.get(*location)
            if etag and etag != stored.etag:
                raise precondition_failed()
            if start >= len(stored.body):
                raise ServiceError(416, "InvalidRange", "The requested range is not satisfiable")
            is_truncated = world.faults.truncates_get() or stored.flaw is Flaw.CUT_OFF
            return stored.body[start : start + size_bytes], is_truncated

        body, is_truncated = await self._wire.call("GetObject", self._spread, work)
        if is_truncated:
            raise _incomplete()
        return body

    async def get(self, location: Location, *, admit: Admit = at_once) -> Object:
        """Return an object, whole; see `ports.ObjectStore`."""

        def work(_now: float) -> tuple[StoredObject, bool]:
            world = self._wire.world
            world.faults.slow_down()
            stored = world.objects.get(*location)
            return stored, world.faults.truncates_get() or stored.flaw is Flaw.CUT_OFF

        stored, is_truncated = await self._wire.call("GetObject", self._spread, work)
        await admit(len(stored.body))
        if is_truncated:
            raise _incomplete()
        return Object(stored.body, stored.content_type, stored.modified_at)

    async def head(self, location: Location) -> ObjectInfo | None:
        """Return what is known of an object, None for 404 and 403; see `ports.ObjectStore`."""
        try:
            stored, now = await self._wire.call(
                "HeadObject", self._spread, lambda now: (self._wire.world.objects.head(*location), now)
            )
        except CallError as error:
            if error.status in {403, 404}:
                return None
            raise
        return replace(_info(location, stored, metadata=dict(stored.metadata)), seen_at=now)

    async def delete(self, locations: Sequence[Location]) -> Sequence[Location]:
        """Delete objects of one bucket; see `ports.ObjectStore`."""

        def work(_now: float) -> None:
            world = self._wire.world
            if not 1 <= len(locations) <= MAX_KEYS or len({location.bucket for location in locations}) != 1:
                raise ServiceError(
                    400, "MalformedXML", "1 to 1,000 keys of one bucket are deleted in one call"
                )
            world.faults.slow_down()
            for location in locations:
                world.objects.delete(*location)

        await self._wire.call("DeleteObjects", self._spread, work)
        return ()

    def list(self, bucket: str, prefix: str) -> AsyncIterator[Sequence[ObjectInfo]]:
        """Yield the objects below `prefix`; see `ports.ObjectStore`."""
        return _Pages(self._wire, bucket, prefix)


class _Pages:
    """The pages of one listing; not a generator, so that a caller that stops early has nothing to close."""

    def __init__(self, wire: Wire, bucket: str, prefix: str) -> None:
        self._wire = wire
        self._bucket = bucket
        self._prefix = prefix
        self._last = ""
        self._has_more = True

    def __aiter__(self) -> _Pages:
        return self

    async def __anext__(self) -> Sequence[ObjectInfo]:
        if not self._has_more:
            raise StopAsyncIteration
        world = self._wire.world
        page = await self._wire.call(
            "ListObjectsV2",
            world.settings.latency.s3,
            lambda _now: world.objects.list(self._bucket, self._prefix, start_after=self._last),
        )
        self._has_more = page.truncated
        if not page.entries:
            raise StopAsyncIteration
        self._last = page.entries[-1][0]
        return [_info(Location(self._bucket, key), stored, metadata={}) for key, stored in page.entries]


class _MemoryUpload:
    """Implements `ports.Upload`."""

    def __init__(self, upload_id: str, wire: Wire, location: Location, *, if_none_match: bool) -> None:
        self.id = upload_id
        self.location = location
        self._wire = wire
        self._spread = wire.world.settings.latency.s3
        self._if_none_match = if_none_match
        self._etags: dict[int, str] = {}

    async def put_part(self, number: int, body: bytes | memoryview) -> None:
        def work(_now: float) -> str:
            self._wire.world.faults.slow_down()
            return self._wire.world.objects.upload_part(self.id, number, bytes(body))

        self._etags[number] = await self._wire.call("UploadPart", self._spread, work)

    async def complete(self) -> str:
        def work(now: float) -> str:
            parts = sorted(self._etags.items())
            objects = self._wire.world.objects
            stored = objects.complete_multipart(self.id, parts, now=now, if_none_match=self._if_none_match)
            return stored.etag

        return await self._wire.call("CompleteMultipartUpload", self._spread, work)

    async def abort(self) -> None:
        def work(_now: float) -> None:
            self._wire.world.objects.abort_multipart(self.id)

        try:
            await self._wire.call("AbortMultipartUpload", self._spread, work)
        except CallError as error:
            if error.code != "NoSuchUpload":
                raise


def _pairs(metadata: Mapping[str, str] | None) -> tuple[tuple[str, str], ...]:
    return tuple((metadata or {}).items())


def _info(location: Location, stored: StoredObject, *, metadata: Mapping[str, str]) -> ObjectInfo:
    return ObjectInfo(location, len(stored.body), stored.modified_at, stored.etag, metadata)


def _incomplete() -> CallError:
    return CallError(Phase.EXCHANGE, "IncompleteBody", status=200, message="shorter than Content-Length")
