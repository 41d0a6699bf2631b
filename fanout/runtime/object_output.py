"""Puts a run's output into S3: proves at the start that it may, and places it at the end, visible when it is whole."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal, TypeVar

import anyio.to_thread

from fanout.aws.parts import aborting, cut, put_parts
from fanout.domain.location import Location
from fanout.domain.remedies import remedy
from fanout.engine.retrying import retry_call
from fanout.errors import CallError, RunError, UsageError
from fanout.failpoints import failpoint
from fanout.output.object_place import (
    CLAIM,
    MANIFEST,
    RUN,
    SUCCESS,
    ObjectPlace,
    manifest,
    run_of_manifest,
    stranger_among,
)
from fanout.ports import Clock, ObjectInfo, ObjectStore, Upload
from fanout.runtime.upload_proof import prove_upload

T = TypeVar("T")
_log = logging.getLogger(__name__)
MIB = 1024 * 1024
PART_BYTES = 8 * MIB
PARTS_AT_ONCE = 4
TRIES = 3
"""Uploads that another writer's conflict (409) may spoil before the run is told of it."""
DELETE_MAX = 1_000  # keys of a DeleteObjects, API reference

_CONTENT_TYPE = "application/vnd.apache.parquet"  # registered with IANA
Condition = Literal["*"] | None


@dataclass(frozen=True, slots=True)
class BuiltFile:
    """A file of the output, as it was built on this machine."""

    name: str
    path: Path
    rows: int
    size_bytes: int


class ObjectOutput:
    """A run's output in S3.

    Args:
        objects: S3.
        place: Where it shall stand.
        run_id: The run; what names it is its own, and is replaced.
        overwrite: Whether an earlier output may be replaced.
        clock: The run's clock.
        note: Notes, durably, the place of an upload that is about to begin, and the id of one that has; None where
            there is no run whose directory could have it noted.
    """

    def __init__(
        self,
        objects: ObjectStore,
        place: ObjectPlace,
        *,
        run_id: str,
        overwrite: bool,
        clock: Clock,
        note: Callable[[Location, str | None], Awaitable[None]] | None = None,
    ) -> None:
        self._objects = objects
        self._place = place
        self._run_id = run_id
        self._overwrite = overwrite
        self._clock = clock
        self._note = note or _note_nothing

    async def prove(self, *, warn: Callable[[str], None] = _log.warning) -> None:
        """Return if the output may be written as far as can be known before the first row is sent.

        An upload is begun and aborted, so that nothing needs to be deleted.

        Args:
            warn: Called with what a person should know if that upload stays.

        Raises:
            UsageError: Something stands there that may not be replaced.
            RunError: S3 does not permit it; the message names the right.
        """
        await self._replaceable()
        location = self._place.at(SUCCESS if self._place.dataset else "")
        begin = partial(self._begin, location, if_none_match=None)
        await prove_upload(begin, uri=location.uri, clock=self._clock, warn=warn)

    async def publish(self, files: Sequence[BuiltFile]) -> None:
        """Put the files in their place; a kill at any point leaves what can be done again.

        Raises:
            UsageError: The name was taken meanwhile.
            RunError: S3 refused, or did not answer.
        """
        replaced = await self._replaceable()
        condition: Condition = None if replaced else "*"
        if not self._place.dataset:
            await self._store(self._place.at(""), files[0], if_none_match=condition)
            return
        if SUCCESS in replaced:  # a reader must not take what is half replaced for whole
            await self._delete([self._place.at(SUCCESS)])
        etags = [
            await self._store(self._place.at(file.name), file, if_none_match=condition) for file in files
        ]
        stale = replaced.keys() - {file.name for file in files} - {MANIFEST, SUCCESS}
        await self._delete([self._place.at(name) for name in sorted(stale)])
        facts = [
            {"name": file.name, "rows": file.rows, "size_bytes": file.size_bytes, "etag": etag}
            for file, etag in zip(files, etags, strict=True)
        ]
        await self._put(
            self._place.at(MANIFEST), manifest(self._run_id, facts), content_type="application/json"
        )
        await self._put(self._place.at(SUCCESS), b"", content_type=None)

    # What stands there.

    async def _replaceable(self) -> dict[str, ObjectInfo]:
        """Return what stands in the output's place and may go, by name; empty if nothing does.

        Raises:
            UsageError: It may not be replaced.
        """
        place = self._place
        if not place.dataset:
            info = await self._call(lambda: self._objects.head(place.at("")), "s3:GetObject")
            if info is None:
                return {}
            if self._overwrite or info.metadata.get(RUN) == self._run_id:
                return {"": info}
            raise UsageError(f"{place.uri} exists: choose another name, or replace it with --overwrite")
        found: dict[str, ObjectInfo] = {}
        pages = self._objects.list(place.bucket, place.key)
        while (page := await self._call(lambda: anext(pages, None), "s3:ListBucket")) is not None:
            found |= {info.location.key.removeprefix(place.key): info for info in page}
        for own in ("", CLAIM):  # a folder's marker, and what says whose the prefix is
            found.pop(own, None)
        if not found:
            return {}
        stranger = stranger_among(list(found))
        if stranger is not None:
            raise UsageError(
                f"{place.uri} holds more than an earlier output ({stranger}): choose another prefix"
            )
        if self._overwrite or await self._is_of_this_run(found):
            return found
        raise UsageError(
            f"{place.uri} holds an output: choose another prefix, or replace it with --overwrite"
        )

    async def _is_of_this_run(self, found: dict[str, ObjectInfo]) -> bool:
        """Whether a dataset, half or wholly there, is this run's own: by its manifest, or by each of its files."""
        if MANIFEST in found:
            body = await self._call(lambda: self._objects.get(self._place.at(MANIFEST)), "s3:GetObject")
            return run_of_manifest(body.body) == self._run_id
        for name in found:
            if not await self._is_own(self._place.at(name), size_bytes=None):
                return False
        return True

    async def _is_own(self, location: Location, *, size_bytes: int | None) -> bool:
        info = await self._call(lambda: self._objects.head(location), "s3:GetObject")
        return (
            info is not None
            and info.metadata.get(RUN) == self._run_id
            and (size_bytes is None or info.size_bytes == size_bytes)
        )

    # Writing.

    async def _store(self, location: Location, file: BuiltFile, *, if_none_match: Condition) -> str:
        """Store a file and return its ETag; one that stands there already, by a reply that was lost, counts."""
        for _ in range(TRIES):
            try:
                return await self._upload(location, file, if_none_match=if_none_match)
            except CallError as error:
                # 412: something stands there. NoSuchUpload: complete after all, or aborted by a lifecycle rule.
                if error.code == _CONFLICT:
                    continue
                if error.code not in {"PreconditionFailed", "NoSuchUpload"}:
                    raise RunError(f"{location.uri}: {remedy('s3:PutObject', error)}") from error
                info = await self._call(lambda: self._objects.head(location), "s3:GetObject")
                if info is not None and await self._is_own(location, size_bytes=file.size_bytes):
                    return info.etag
                if error.code == "NoSuchUpload":
                    continue
                raise UsageError(
                    f"{location.uri} appeared while the run went on: move it away, then `fanout resume`"
                ) from error
        raise RunError(
            f"{location.uri}: other writers kept getting in between: look at who writes there, then resume"
        )

    async def _put(self, location: Location, body: bytes, *, content_type: str | None) -> None:
        put = partial(
            self._objects.put, location, body, content_type=content_type, metadata={RUN: self._run_id}
        )
        await self._call(put, "s3:PutObject")

    async def _upload(self, location: Location, file: BuiltFile, *, if_none_match: Condition) -> str:
        upload = await self._begin(location, if_none_match=if_none_match)

        async def put(number: int, start: int, stop: int) -> None:
            body = await anyio.to_thread.run_sync(_slice, file.path, start, stop)
            await retry_call(
                partial(upload.put_part, number, body), operation="s3:PutObject", clock=self._clock
            )

        async with aborting(upload):
            await put_parts(put, cut(file.size_bytes, part_bytes=PART_BYTES), at_once=PARTS_AT_ONCE)
            failpoint("output.uploaded")
            return await retry_call(upload.complete, operation="s3:PutObject", clock=self._clock)

    async def _begin(self, location: Location, *, if_none_match: Condition) -> Upload:
        begin = partial(
            self._objects.begin_upload,
            location,
            content_type=_CONTENT_TYPE,
            metadata={RUN: self._run_id},
            if_none_match=if_none_match,
        )
        await self._note(location, None)
        upload = await self._call(begin, "s3:PutObject")
        try:
            await self._note(location, upload.id)
        except BaseException:
            with anyio.CancelScope(shield=True):  # in bounded time
                await upload.abort()
            raise
        return upload

    async def _delete(self, locations: Sequence[Location]) -> None:
        for first in range(0, len(locations), DELETE_MAX):
            batch = locations[first : first + DELETE_MAX]
            refused = await self._call(partial(self._objects.delete, batch), "s3:DeleteObject")
            if refused:
                raise RunError(
                    f"{refused[0].uri}: of an earlier output, could not be deleted: grant s3:DeleteObject"
                )

    async def _call(self, call: Callable[[], Awaitable[T]], operation: str) -> T:
        try:
            return await retry_call(call, operation=operation, clock=self._clock)
        except CallError as error:
            raise RunError(f"{self._place.uri}: {remedy(operation, error)}") from error


async def _note_nothing(_location: Location, _upload_id: str | None) -> None:
    """Note nothing."""


_CONFLICT = "ConditionalRequestConflict"


def _slice(path: Path, start: int, stop: int) -> bytes:
    with path.open("rb", buffering=0) as file:
        file.seek(start)
        return file.read(stop - start)


async def run_in_s3(objects: ObjectStore, place: ObjectPlace, *, clock: Clock) -> str | None:
    """Return the run that made the output at `place`, None where none is known to stand there whole.

    Raises:
        RunError: S3 refused, or did not answer.
    """

    async def found() -> str | None:
        if not place.dataset:
            info = await objects.head(place.at(""))
            return None if info is None else info.metadata.get(RUN)
        if await objects.head(place.at(SUCCESS)) is None:
            return None
        return run_of_manifest((await objects.get(place.at(MANIFEST))).body)

    try:
        return await retry_call(found, operation="s3:GetObject", clock=clock)
    except CallError as error:
        if error.missing:
            return None
        raise RunError(f"{place.uri}: {remedy('s3:GetObject', error)}") from error
