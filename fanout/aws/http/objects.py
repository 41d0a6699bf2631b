"""Reads and writes whole objects in S3; aiobotocore lists and deletes, and begins and ends multipart uploads.

Each call makes one attempt. As in botocore's uploads, the body's hash is signed on http, and on https it is not: there
TLS and the CRC32, which is signed, protect it, and hashing would cost as much CPU as everything else in the call.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from hashlib import sha256
from typing import Any
from urllib.parse import quote

from fanout.aws.http.channel import HttpChannel
from fanout.aws.http.channels import HttpChannels
from fanout.aws.http.checksums import verify_checksum
from fanout.aws.http.multipart import HttpMultipart
from fanout.aws.http.reply_errors import header, http_date, unreadable
from fanout.aws.http.reply_parser import Answer
from fanout.aws.http.sigv4 import EMPTY_SHA256, UNSIGNED, Template
from fanout.aws.s3_arguments import crc32
from fanout.aws.sdk.multipart import MultipartUpload
from fanout.aws.settings import AwsSettings
from fanout.aws.timeouts import transfer_s
from fanout.domain.location import Location
from fanout.errors import CallError
from fanout.ports import Admit, Object, ObjectInfo, ObjectStore, at_once

OBJECT_CAP_BYTES = 2 * 1024**3
"""Above all that is ever admitted: `collect.response_max_bytes` can be no more than a page of Parquet holds."""
REPLY_CAP_BYTES = 1024 * 1024

_ELSEWHERE = frozenset({"PermanentRedirect", "TemporaryRedirect", "Redirect", "AuthorizationHeaderMalformed"})
"""S3 says with these that the bucket is in another region; botocore finds it."""
_CRC32, _HASH, _TYPE = "x-amz-checksum-crc32", "x-amz-content-sha256", "content-type"


class HttpObjects:
    """`ports.ObjectStore` with a `HttpChannel` a bucket.

    Args:
        channels: To S3.
        client: The aiobotocore client that begins and ends multipart uploads.
        otherwise: Lists, deletes, and takes the calls to a bucket that no channel leads to.
        settings: Timeouts, encryption, the owner that buckets must have, sizes of parts.
    """

    def __init__(
        self, channels: HttpChannels, *, client: Any, otherwise: ObjectStore, settings: AwsSettings
    ) -> None:
        self._channels = channels
        self._client = client
        self._otherwise = otherwise
        self._settings = settings
        self._timeout_s = settings.call_timeout_s
        self._owner = {"x-amz-expected-bucket-owner": settings.bucket_owner} if settings.bucket_owner else {}
        self._templates: dict[tuple[HttpChannel, str, bool], Template] = {}

    async def put(self, location: Location, body: bytes, *, content_type: str | None = None) -> None:
        """Store `body` with its CRC32; see `ports.ObjectStore`."""
        if len(body) >= self._settings.multipart_bytes:
            client = HttpMultipart(self.put_part, self._client)
            upload = MultipartUpload(client, location, memoryview(body), settings=self._settings)
            await upload.run(content_type=content_type)
            return
        channel = await self._channel(location)
        if channel is not None:
            typed = () if content_type is None else (content_type,)
            template = self._template(channel, "PUT", typed=content_type is not None)
            try:
                await self._send_body(channel, template, (_path(channel, location), *typed), body)
            except CallError as error:
                if not self._is_elsewhere(location, error):
                    raise
            else:
                return
        await self._otherwise.put(location, body, content_type=content_type)

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
            body=answer.body, content_type=header(answer, b"content-type"), modified_at=_modified_at(answer)
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
            if error.status in {301, 307, 400}:  # a HEAD has no body to name the reason in
                return await self._otherwise.head(location)
            raise
        length = header(answer, b"content-length")
        if length is None:
            raise unreadable(answer, "the reply does not say how long the object is")
        return ObjectInfo(location, int(length), _modified_at(answer))

    async def put_part(
        self, location: Location, body: memoryview, *, upload_id: str, number: int, checksum: str
    ) -> str | None:
        """Store one part of a multipart upload; return its ETag, None where no channel leads to the bucket."""
        channel = await self._channel(location)
        if channel is None:
            return None
        query = f"partNumber={number}&uploadId={quote(upload_id, safe='')}"
        template = self._template(channel, "PUT part", typed=False)
        values = (_path(channel, location), query)
        try:
            answer = await self._send_body(channel, template, values, body, checksum=checksum)
        except CallError as error:
            if self._is_elsewhere(location, error):
                return None
            raise
        return header(answer, b"etag") or ""

    async def delete(self, locations: Sequence[Location]) -> Sequence[Location]:
        """Delete up to 1,000 objects of one bucket; return those that S3 refused."""
        return await self._otherwise.delete(locations)

    def list(self, bucket: str, prefix: str) -> AsyncIterator[Sequence[ObjectInfo]]:
        """Yield the objects below `prefix`; see `ports.ObjectStore`."""
        return self._otherwise.list(bucket, prefix)

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
            (_path(channel, location),),
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
            return {_HASH: EMPTY_SHA256, "x-amz-checksum-mode": "ENABLED", **self._owner}
        if kind == "HEAD":
            return {_HASH: EMPTY_SHA256, **self._owner}
        if kind == "PUT" and self._settings.kms_key_id is not None:
            key = self._settings.kms_key_id
            names = "x-amz-server-side-encryption", "x-amz-server-side-encryption-aws-kms-key-id"
            return {names[0]: "aws:kms", names[1]: key, **self._owner}
        return dict(self._owner)


def to_template(channel: HttpChannel, kind: str, *, headers: Mapping[str, str], typed: bool) -> Template:
    """Return a kind of request to a bucket.

    Args:
        channel: To the bucket.
        kind: `GET`, `HEAD`, `PUT` or `PUT part`.
        headers: Constant headers.
        typed: Whether a Content-Type is given.
    """
    has_body = kind.startswith("PUT")
    varying = (*((_TYPE,) if typed else ()), *((_CRC32, _HASH) if has_body else ()))
    return Template(
        kind[:4].strip(),
        host=channel.route.host,
        path=None,
        headers=headers,
        varying=varying,
        unsigned={"user-agent": channel.route.user_agent},
        is_s3=True,
        has_query=kind == "PUT part",
        has_body=has_body,
    )


def _path(channel: HttpChannel, location: Location) -> str:
    """Return the object's path as it is sent; the route was asked about the key `k`."""
    return channel.route.path[:-1] + quote(location.key, safe="/~")


def _modified_at(answer: Answer) -> float:
    instant = http_date(header(answer, b"last-modified") or "")
    if instant is None:
        raise unreadable(answer, "the reply has no readable Last-Modified")
    return instant
