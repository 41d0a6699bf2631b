"""Reads and writes objects in S3, and lists and deletes them, by our own HTTP client.

Each call makes one attempt. As in botocore's uploads, the body's hash is signed on http, and on https it is not: there
TLS and the CRC32, which is signed, protect it, and hashing would cost as much CPU as everything else in the call.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from functools import partial
from hashlib import sha256
from typing import Literal, TypeVar
from urllib.parse import quote

from fanout.aws.errors import http_date
from fanout.aws.http.channel import HttpChannel
from fanout.aws.http.channels import HttpChannels
from fanout.aws.http.checksums import verify_checksum
from fanout.aws.http.listing import delete_objects, list_page
from fanout.aws.http.multipart import HttpUpload, create_upload
from fanout.aws.http.object_headers import (
    CRC32,
    HASH,
    TYPE,
    conditions,
    metadata_of,
    modified_at,
    noted,
    to_template,
)
from fanout.aws.http.reply_errors import header, unreadable
from fanout.aws.http.reply_parser import Answer
from fanout.aws.http.s3_call import call, path_of
from fanout.aws.http.sigv4 import EMPTY_SHA256, UNSIGNED, Template
from fanout.aws.pages import Pages
from fanout.aws.parts import upload_whole
from fanout.aws.s3_arguments import crc32, headers_of_every_call, headers_of_storage
from fanout.aws.sdk.objects import S3Objects
from fanout.aws.settings import AwsSettings
from fanout.aws.timeouts import transfer_s
from fanout.domain.location import Location
from fanout.errors import CallError
from fanout.ports import Admit, Object, ObjectInfo, Upload, at_once

T = TypeVar("T")

OBJECT_CAP_BYTES = 2 * 1024**3
"""Above all that is ever admitted: `collect.response_max_bytes` can be no more than a page of Parquet holds."""
REPLY_CAP_BYTES = 1024 * 1024

_ELSEWHERE = frozenset({
    "PermanentRedirect", "TemporaryRedirect", "Redirect", "AuthorizationHeaderMalformed",
    "IllegalLocationConstraintException",  # of a region that an account has to opt in to
})  # fmt: skip
"""S3 says with these that the bucket is in another region; botocore finds it."""
_PARTIAL = 206


class HttpObjects:
    """`ports.ObjectStore` with a `HttpChannel` a bucket.

    Args:
        channels: To S3.
        otherwise: Takes the calls to a bucket that no channel leads to.
        settings: Timeouts, encryption, the owner that buckets must have, sizes of parts.
    """

    def __init__(self, channels: HttpChannels, *, otherwise: S3Objects, settings: AwsSettings) -> None:
        self._channels = channels
        self._otherwise = otherwise
        self._settings = settings
        self._timeout_s = settings.call_timeout_s
        self._of_every_call = headers_of_every_call(settings)
        self._templates: dict[tuple[HttpChannel, str, bool], Template] = {}

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
            return await upload_whole(upload, memoryview(body), settings=self._settings)
        told = {**noted(metadata, tags), **conditions(if_match, if_none_match)}

        async def put(channel: HttpChannel) -> str:
            answer = await self._put(channel, location, body, content_type=content_type, told=told)
            return header(answer, b"etag") or ""

        otherwise = partial(
            self._otherwise.put,
            location,
            body,
            content_type=content_type,
            metadata=metadata,
            tags=tags,
            if_match=if_match,
            if_none_match=if_none_match,
        )
        return await self._by_channel(location, put, otherwise=otherwise)

    async def _put(
        self,
        channel: HttpChannel,
        location: Location,
        body: bytes,
        *,
        content_type: str | None,
        told: Mapping[str, str],
    ) -> Answer:
        if not told:
            typed = () if content_type is None else (content_type,)
            template = self._template(channel, "PUT", typed=content_type is not None)
            return await self._send_body(channel, template, (path_of(channel, location.key), *typed), body)
        # With metadata or on a condition, as is done seldom.
        headers = {**self._described(content_type), **told, CRC32: crc32(body)}
        timeout_s = self._timeout_s + transfer_s(len(body))
        return await call(channel, "PUT", location.key, headers=headers, body=body, timeout_s=timeout_s)

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
        headers = {**self._described(content_type), **noted(metadata, tags)}

        async def begin(channel: HttpChannel) -> Upload:
            return HttpUpload(
                await create_upload(channel, location, headers=headers, timeout_s=self._timeout_s),
                channel,
                location,
                put_part=self._put_part,
                of_every_call=self._of_every_call,
                condition=conditions(None, if_none_match),
                timeout_s=self._timeout_s,
            )

        otherwise = partial(
            self._otherwise.begin_upload,
            location,
            content_type=content_type,
            metadata=metadata,
            tags=tags,
            if_none_match=if_none_match,
        )
        return await self._by_channel(location, begin, otherwise=otherwise)

    async def read(self, location: Location, *, start: int, size_bytes: int, etag: str) -> bytes:
        """Return a range of an object; see `ports.ObjectStore`."""
        wanted = {"range": f"bytes={start}-{start + size_bytes - 1}", **conditions(etag or None, None)}

        async def read(channel: HttpChannel) -> bytes:
            answer = await call(
                channel,
                "GET",
                location.key,
                headers={**self._of_every_call, **wanted},
                timeout_s=self._timeout_s + transfer_s(size_bytes),
                cap_bytes=max(size_bytes, REPLY_CAP_BYTES),  # a refusal has a body, too
            )
            if answer.status != _PARTIAL or not answer.measured or len(answer.body) > size_bytes:
                raise unreadable(answer, "the reply is not the range that was asked for")
            return answer.body

        otherwise = partial(self._otherwise.read, location, start=start, size_bytes=size_bytes, etag=etag)
        return await self._by_channel(location, read, otherwise=otherwise)

    async def get(self, location: Location, *, admit: Admit = at_once) -> Object:
        """Return the object, its length and its checksum compared; see `ports.ObjectStore`."""
        channel = await self._channel(location)
        if channel is None:
            return await self._otherwise.get(location, admit=admit)
        try:
            answer = await self._ask(channel, "GET", location, cap_bytes=OBJECT_CAP_BYTES, admit=admit)
        except CallError as error:
            if self._is_elsewhere(location, error):
                return await self._otherwise.get(location, admit=admit)
            raise
        if not answer.measured:
            raise unreadable(answer, "the reply does not say how long the object is")
        verify_checksum(answer)
        return Object(
            body=answer.body, content_type=header(answer, b"content-type"), modified_at=modified_at(answer)
        )

    async def head(self, location: Location) -> ObjectInfo | None:
        """Return what is known of the object, None when S3 says 404 or 403."""
        channel = await self._channel(location)
        if channel is None:
            return await self._otherwise.head(location)
        try:
            answer = await self._ask(channel, "HEAD", location, cap_bytes=0)
        except CallError as error:
            if error.status in {403, 404}:
                return None
            # A HEAD has no body to name the reason in.
            if self._is_elsewhere(location, error) or error.status == 400:
                return await self._otherwise.head(location)
            raise
        length = header(answer, b"content-length")
        if length is None:
            raise unreadable(answer, "the reply does not say how long the object is")
        return ObjectInfo(
            location,
            int(length),
            modified_at(answer),
            header(answer, b"etag") or "",
            metadata_of(answer),
            http_date(header(answer, b"date") or ""),
        )

    async def _put_part(
        self,
        channel: HttpChannel,
        location: Location,
        body: bytes | memoryview,
        *,
        upload_id: str,
        number: int,
        checksum: str,
    ) -> Answer:
        query = f"partNumber={number}&uploadId={quote(upload_id, safe='')}"
        template = self._template(channel, "PUT part", typed=False)
        values = (path_of(channel, location.key), query)
        return await self._send_body(channel, template, values, body, checksum=checksum)

    async def delete(self, locations: Sequence[Location]) -> Sequence[Location]:
        """Delete up to 1,000 objects of one bucket; return those that S3 refused."""
        if not locations:
            return []

        async def delete(channel: HttpChannel) -> Sequence[Location]:
            return await delete_objects(
                channel, locations, headers=self._of_every_call, timeout_s=self._timeout_s
            )

        return await self._by_channel(
            locations[0], delete, otherwise=partial(self._otherwise.delete, locations)
        )

    def list(self, bucket: str, prefix: str) -> AsyncIterator[Sequence[ObjectInfo]]:
        """Yield the objects below `prefix`; see `ports.ObjectStore`."""
        return Pages(partial(self._list_page, bucket, prefix))

    async def _list_page(
        self, bucket: str, prefix: str, token: str | None
    ) -> tuple[Sequence[ObjectInfo], str | None]:
        async def page(channel: HttpChannel) -> tuple[Sequence[ObjectInfo], str | None]:
            return await list_page(
                channel, bucket, prefix, token=token, headers=self._of_every_call, timeout_s=self._timeout_s
            )

        otherwise = partial(self._otherwise.list_page, bucket, prefix, token)
        return await self._by_channel(Location(bucket, "k"), page, otherwise=otherwise)

    async def _by_channel(
        self,
        location: Location,
        make: Callable[[HttpChannel], Awaitable[T]],
        *,
        otherwise: Callable[[], Awaitable[T]],
    ) -> T:
        """Make a call by the channel to its bucket, by aiobotocore where there is none or it leads elsewhere."""
        channel = await self._channel(location)
        if channel is not None:
            try:
                return await make(channel)
            except CallError as error:
                if not self._is_elsewhere(location, error):
                    raise
        return await otherwise()

    async def _channel(self, location: Location) -> HttpChannel | None:
        bucket = location.bucket
        return self._channels.known(bucket) or await self._channels.find(
            bucket, "head_object", Bucket=bucket, Key="k"
        )

    def _is_elsewhere(self, location: Location, error: CallError) -> bool:
        """Whether the bucket is in another region; from then on its calls are botocore's, which finds it."""
        elsewhere = error.code in _ELSEWHERE or error.status in {301, 307}
        if elsewhere:
            self._channels.forget(location.bucket, because=error.code)
        return elsewhere

    async def _ask(
        self,
        channel: HttpChannel,
        method: str,
        location: Location,
        *,
        cap_bytes: int,
        admit: Admit | None = None,
    ) -> Answer:
        return await channel.send(
            self._template(channel, method, typed=False),
            (path_of(channel, location.key),),
            payload=EMPTY_SHA256,
            timeout_s=self._timeout_s,
            cap_bytes=cap_bytes,
            admit=admit,
        )

    async def _send_body(
        self,
        channel: HttpChannel,
        template: Template,
        values: tuple[str, ...],
        body: bytes | memoryview,
        *,
        checksum: str | None = None,
    ) -> Answer:
        payload = UNSIGNED if channel.route.tls else sha256(body).hexdigest()
        return await channel.send(
            template,
            (*values, checksum or crc32(body), payload),
            payload=payload,
            body=body,
            timeout_s=self._timeout_s + transfer_s(len(body)),
            cap_bytes=REPLY_CAP_BYTES,
        )

    def _template(self, channel: HttpChannel, kind: str, *, typed: bool) -> Template:
        template = self._templates.get((channel, kind, typed))
        if template is None:
            template = to_template(channel, kind, headers=self._headers(kind), typed=typed)
            self._templates[channel, kind, typed] = template
        return template

    def _headers(self, kind: str) -> dict[str, str]:
        if kind == "GET":
            return {HASH: EMPTY_SHA256, "x-amz-checksum-mode": "ENABLED", **self._of_every_call}
        if kind == "HEAD":
            return {HASH: EMPTY_SHA256, **self._of_every_call}
        if kind == "PUT":
            return headers_of_storage(self._settings) | self._of_every_call
        return dict(self._of_every_call)

    def _described(self, content_type: str | None) -> dict[str, str]:
        typed = {} if content_type is None else {TYPE: content_type}
        return {**self._headers("PUT"), **typed}
