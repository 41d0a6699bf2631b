"""Reads and writes objects in S3 through aiobotocore, one attempt a call; large ones in parts (`multipart`)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from io import BytesIO
from typing import Any

from fanout.aws.errors import UNREADABLE
from fanout.aws.s3_arguments import address, crc32, description, in_bucket
from fanout.aws.sdk.multipart import MultipartUpload
from fanout.aws.settings import AwsSettings
from fanout.aws.timeouts import TIMED_OUT, bounded, transfer_s
from fanout.domain.location import Location
from fanout.domain.object_faults import CHECKSUM_DIFFERS, INCOMPLETE
from fanout.errors import CallError, Phase
from fanout.ports import Admit, Object, ObjectInfo, at_once

_PIECE_BYTES = 1024 * 1024


class S3Objects:
    """`ports.ObjectStore` on one S3 client.

    Args:
        client: An aiobotocore client that retries nothing by itself.
        settings: Timeouts, encryption, the owner that buckets must have, sizes of parts.
    """

    def __init__(self, client: Any, *, settings: AwsSettings) -> None:
        self._client = client
        self._settings = settings
        self._timeout_s = settings.call_timeout_s

    async def put(self, location: Location, body: bytes, *, content_type: str | None = None) -> None:
        """Store `body` with its CRC32; see `ports.ObjectStore`."""
        if len(body) >= self._settings.multipart_bytes:
            upload = MultipartUpload(self._client, location, body, settings=self._settings)
            await upload.run(content_type=content_type)
            return
        async with bounded(self._timeout_s + transfer_s(len(body))):
            await self._client.put_object(
                **address(location, self._settings),
                **description(content_type, self._settings),
                Body=body,
                ChecksumCRC32=crc32(body),
            )

    async def get(self, location: Location, *, admit: Admit = at_once) -> Object:
        """Return the object, its length compared with Content-Length; see `ports.ObjectStore`."""
        loop = asyncio.get_running_loop()
        told: list[int] = []
        try:
            async with bounded(self._timeout_s) as timeout:
                answer = await self._client.get_object(**address(location, self._settings))
                async with answer["Body"] as stream:
                    length = _length(answer)
                    timeout.reschedule(None)  # the wait is for room here
                    await admit(length)
                    told.append(length)
                    timeout.reschedule(loop.time() + self._timeout_s + transfer_s(length))
                    body = await _read(stream)
        except CallError as error:
            if told and error.code not in {TIMED_OUT, CHECKSUM_DIFFERS}:
                message = f"fewer than {told[0]} bytes arrived ({error})"
                raise CallError(Phase.EXCHANGE, INCOMPLETE, message=message) from error
            raise
        if len(body) != length:
            message = f"{len(body)} of {length} bytes arrived"
            raise CallError(Phase.EXCHANGE, INCOMPLETE, message=message)
        return Object(
            body=body, content_type=answer.get("ContentType"), modified_at=answer["LastModified"].timestamp()
        )

    async def head(self, location: Location) -> ObjectInfo | None:
        """Return what is known of the object, None when S3 says 404 or 403."""
        try:
            async with bounded(self._timeout_s):
                answer = await self._client.head_object(**address(location, self._settings))
        except CallError as error:
            if error.status in {403, 404}:
                return None
            raise
        return ObjectInfo(location, answer["ContentLength"], answer["LastModified"].timestamp())

    async def delete(self, locations: Sequence[Location]) -> Sequence[Location]:
        """Delete up to 1,000 objects of one bucket; return those that S3 refused inside its 200."""
        if not locations:
            return []
        keys = [{"Key": location.key} for location in locations]
        async with bounded(self._timeout_s):
            answer = await self._client.delete_objects(
                **in_bucket(locations[0].bucket, self._settings), Delete={"Objects": keys, "Quiet": True}
            )
        refused = {entry.get("Key") for entry in answer.get("Errors", ())}
        return [location for location in locations if location.key in refused]

    def list(self, bucket: str, prefix: str) -> AsyncIterator[Sequence[ObjectInfo]]:
        """Yield the objects below `prefix`, a page a call; see `ports.ObjectStore`."""
        return _Pages(self._client, bucket, prefix, settings=self._settings)


def _length(answer: Mapping[str, Any]) -> int:
    length = answer.get("ContentLength")
    if length is None:
        message = "the reply does not say how long the object is"
        raise CallError(Phase.EXCHANGE, UNREADABLE, message=message)
    return int(length)


async def _read(stream: Any) -> bytes:
    """Return the whole body; BytesIO gives its buffer away as bytes, so it is in memory once."""
    whole = BytesIO()
    while piece := await stream.read(_PIECE_BYTES):
        whole.write(piece)
    return whole.getvalue()


class _Pages:
    """The pages of one listing; not a generator, so that a caller that stops early leaves nothing open."""

    def __init__(self, client: Any, bucket: str, prefix: str, *, settings: AwsSettings) -> None:
        self._client = client
        self._bucket = bucket
        self._timeout_s = settings.call_timeout_s
        self._request = {"Prefix": prefix, **in_bucket(bucket, settings)}
        self._has_more = True

    def __aiter__(self) -> _Pages:
        return self

    async def __anext__(self) -> Sequence[ObjectInfo]:
        while self._has_more:
            async with bounded(self._timeout_s):
                page = await self._client.list_objects_v2(**self._request)
            self._turn(page)
            entries = page.get("Contents", ())
            if entries:
                return [_info(self._bucket, entry) for entry in entries]
        raise StopAsyncIteration

    def _turn(self, page: Mapping[str, Any]) -> None:
        """Set the request for the page after `page`."""
        self._has_more = bool(page.get("IsTruncated"))
        following, last = page.get("NextContinuationToken"), self._request.get("ContinuationToken")
        if self._has_more and (not following or following == last):  # it would end early, or never
            message = "a truncated listing names no next page"
            raise CallError(Phase.EXCHANGE, UNREADABLE, message=message)
        self._request["ContinuationToken"] = following or ""


def _info(bucket: str, entry: Mapping[str, Any]) -> ObjectInfo:
    return ObjectInfo(Location(bucket, entry["Key"]), entry["Size"], entry["LastModified"].timestamp())
