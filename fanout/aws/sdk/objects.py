"""Reads and writes objects in S3 through aiobotocore, one attempt a call; large ones in parts (`multipart`)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from functools import partial
from io import BytesIO
from typing import Any, Literal

from fanout.aws.errors import UNREADABLE, http_date
from fanout.aws.pages import Pages
from fanout.aws.parts import upload_whole
from fanout.aws.s3_arguments import address, condition, crc32, description, in_bucket
from fanout.aws.sdk.multipart import SdkUpload
from fanout.aws.settings import AwsSettings
from fanout.aws.timeouts import TIMED_OUT, bounded, transfer_s
from fanout.domain.location import Location
from fanout.domain.object_faults import CHECKSUM_DIFFERS, INCOMPLETE
from fanout.errors import CallError, Phase
from fanout.ports import Admit, Object, ObjectInfo, Upload, at_once

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
        """Store `body` with its CRC32; see `ports.ObjectStore`."""
        if len(body) >= self._settings.multipart_bytes and if_match is None:
            upload = await self.begin_upload(
                location, content_type=content_type, metadata=metadata, tags=tags, if_none_match=if_none_match
            )
            return await upload_whole(upload, body, settings=self._settings)
        async with bounded(self._timeout_s + transfer_s(len(body))):
            answer = await self._client.put_object(
                **address(location, self._settings),
                **description(content_type, self._settings, metadata=metadata, tags=tags),
                **condition(if_match=if_match, if_none_match=if_none_match),
                Body=body,
                ChecksumCRC32=crc32(body),
            )
        return str(answer.get("ETag", ""))

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
        return await SdkUpload.begin(
            self._client,
            location,
            settings=self._settings,
            content_type=content_type,
            metadata=metadata,
            tags=tags,
            if_none_match=if_none_match,
        )

    async def read(self, location: Location, *, start: int, size_bytes: int, etag: str) -> bytes:
        """Return a range of an object; see `ports.ObjectStore`."""
        async with bounded(self._timeout_s + transfer_s(size_bytes)):
            answer = await self._client.get_object(
                **address(location, self._settings),
                **condition(if_match=etag or None),
                Range=f"bytes={start}-{start + size_bytes - 1}",
            )
            async with answer["Body"] as stream:
                body: bytes = await stream.read()
        if len(body) != answer.get("ContentLength", len(body)):
            message = f"{len(body)} of {answer['ContentLength']} bytes arrived"
            raise CallError(Phase.EXCHANGE, INCOMPLETE, message=message)
        if answer["ResponseMetadata"]["HTTPStatusCode"] != 206 or len(body) > size_bytes:
            raise _unreadable("the reply is not the range that was asked for")
        return body

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
        return Object(body=body, content_type=answer.get("ContentType"), modified_at=_modified_at(answer))

    async def head(self, location: Location) -> ObjectInfo | None:
        """Return what is known of the object, None when S3 says 404 or 403."""
        try:
            async with bounded(self._timeout_s):
                answer = await self._client.head_object(**address(location, self._settings))
        except CallError as error:
            if error.status in {403, 404}:
                return None
            raise
        return ObjectInfo(
            location,
            _length(answer),
            _modified_at(answer),
            answer.get("ETag", ""),
            answer.get("Metadata", {}),
            http_date(answer["ResponseMetadata"]["HTTPHeaders"].get("date", "")),
        )

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
        return Pages(partial(self.list_page, bucket, prefix))

    async def list_page(
        self, bucket: str, prefix: str, token: str | None
    ) -> tuple[Sequence[ObjectInfo], str | None]:
        """Return one page of a listing and the token of the next; see `aws.pages`."""
        following = {} if token is None else {"ContinuationToken": token}
        async with bounded(self._timeout_s):
            page = await self._client.list_objects_v2(
                Prefix=prefix, **in_bucket(bucket, self._settings), **following
            )
        found = [_info(bucket, entry) for entry in page.get("Contents", ())]
        if not page.get("IsTruncated"):
            return found, None
        next_token = page.get("NextContinuationToken")
        if not next_token or next_token == token:  # it would end early, or never
            raise _unreadable("a truncated listing names no next page")
        return found, next_token


def _length(answer: Mapping[str, Any]) -> int:
    length = answer.get("ContentLength")
    if length is None:
        raise _unreadable("the reply does not say how long the object is")
    return int(length)


def _modified_at(answer: Mapping[str, Any]) -> float:
    instant = answer.get("LastModified")
    if instant is None:
        raise _unreadable("the reply has no readable Last-Modified")
    return float(instant.timestamp())


async def _read(stream: Any) -> bytes:
    """Return the whole body; BytesIO gives its buffer away as bytes, so it is in memory once."""
    whole = BytesIO()
    while piece := await stream.read(_PIECE_BYTES):
        whole.write(piece)
    return whole.getvalue()


def _info(bucket: str, entry: Mapping[str, Any]) -> ObjectInfo:
    try:
        modified_at = entry["LastModified"].timestamp()
        return ObjectInfo(Location(bucket, entry["Key"]), entry["Size"], modified_at, entry.get("ETag", ""))
    except KeyError as error:
        raise _unreadable("an object without size or time") from error


def _unreadable(message: str) -> CallError:
    return CallError(Phase.EXCHANGE, UNREADABLE, message=message)
