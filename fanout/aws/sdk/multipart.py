"""Uploads an object in parts through aiobotocore, one attempt a call.

Where a create's reply is lost there is no id to abort by: the bucket needs a lifecycle rule
(AbortIncompleteMultipartUpload).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, Self

from fanout.aws.errors import UNREADABLE
from fanout.aws.s3_arguments import address, condition, crc32, description
from fanout.aws.settings import AwsSettings
from fanout.aws.timeouts import bounded, transfer_s
from fanout.domain.location import Location
from fanout.errors import CallError, Phase

ABORT_WITHIN_S = 10.0
"""A run that is being cancelled waits no longer than this for the abort."""


class SdkUpload:
    """`ports.Upload`; made by `begin`.

    Args:
        upload_id: S3's name for it.
        client: An aiobotocore S3 client that retries nothing by itself.
        location: Where the object shall stand.
        settings: Timeouts, the owner that the bucket must have.
        if_none_match: The condition of its completion.
    """

    def __init__(
        self,
        upload_id: str,
        client: Any,
        location: Location,
        *,
        settings: AwsSettings,
        if_none_match: Literal["*"] | None,
    ) -> None:
        self.id = upload_id
        self._client = client
        self.location = location
        self._address = {**address(location, settings), "UploadId": upload_id}
        self._timeout_s = settings.call_timeout_s
        self._condition = condition(if_none_match=if_none_match)
        self._finished: dict[int, dict[str, object]] = {}

    @classmethod
    async def begin(
        cls,
        client: Any,
        location: Location,
        *,
        settings: AwsSettings,
        content_type: str | None,
        metadata: Mapping[str, str] | None,
        tags: Mapping[str, str] | None,
        if_none_match: Literal["*"] | None,
    ) -> Self:
        """Begin an upload and return it; see `ports.ObjectStore.begin_upload`."""
        async with bounded(settings.call_timeout_s):
            created = await client.create_multipart_upload(
                **address(location, settings),
                **description(content_type, settings, metadata=metadata, tags=tags),
                ChecksumAlgorithm="CRC32",
            )
        upload_id = created.get("UploadId")
        if not upload_id:
            raise CallError(Phase.EXCHANGE, UNREADABLE, message="CreateMultipartUpload returned no UploadId")
        return cls(upload_id, client, location, settings=settings, if_none_match=if_none_match)

    async def put_part(self, number: int, body: bytes | memoryview) -> None:
        """Store a part with its CRC32; see `ports.Upload`."""
        checksum = crc32(body)
        whole = body if isinstance(body, bytes) else bytes(body)  # botocore takes no views
        async with bounded(self._timeout_s + transfer_s(len(body))):
            answer = await self._client.upload_part(
                **self._address, PartNumber=number, Body=whole, ChecksumCRC32=checksum
            )
        if not answer.get("ETag"):
            raise CallError(Phase.EXCHANGE, UNREADABLE, message=f"UploadPart {number} returned no ETag")
        self._finished[number] = {"PartNumber": number, "ETag": answer["ETag"], "ChecksumCRC32": checksum}

    async def complete(self) -> str:
        """Put the object in its place; see `ports.Upload`."""
        parts = [self._finished[number] for number in sorted(self._finished)]
        async with bounded(self._timeout_s):
            answer = await self._client.complete_multipart_upload(
                **self._address, **self._condition, MultipartUpload={"Parts": parts}
            )
        # S3 may answer 200 first and fail afterwards, in the body; botocore raises for an <Error>, but calls
        # a body that was cut off before it a success.
        if not answer.get("ETag"):
            raise CallError(Phase.EXCHANGE, UNREADABLE, message="CompleteMultipartUpload returned no ETag")
        return str(answer["ETag"])

    async def abort(self) -> None:
        """Remove the upload; see `ports.Upload`."""
        try:
            async with bounded(min(self._timeout_s, ABORT_WITHIN_S)):
                await self._client.abort_multipart_upload(**self._address)
        except CallError as error:
            if error.code != "NoSuchUpload":  # it was completed after all, and only the reply was lost
                raise
