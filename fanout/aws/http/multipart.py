"""Uploads an object in parts by our own HTTP client, one attempt a call.

Where a create's reply is lost there is no id to abort by: the bucket needs a lifecycle rule
(AbortIncompleteMultipartUpload).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from fanout.aws.http.channel import HttpChannel
from fanout.aws.http.reply_errors import header, unreadable
from fanout.aws.http.reply_parser import Answer
from fanout.aws.http.s3_call import call, document
from fanout.aws.s3_arguments import crc32
from fanout.aws.sdk.multipart import ABORT_WITHIN_S
from fanout.domain.location import Location
from fanout.errors import CallError

PutPart = Callable[..., Awaitable[Answer]]


class HttpUpload:
    """`ports.Upload`; made by `HttpObjects.begin_upload`.

    Args:
        upload_id: S3's name for it.
        channel: To the bucket.
        location: Where the object shall stand.
        put_part: Sends a part: number, body, checksum, and the upload's id.
        of_every_call: Headers that every call to the bucket has.
        condition: The header of its completion's condition.
        timeout_s: Bound of a call.
    """

    def __init__(
        self,
        upload_id: str,
        channel: HttpChannel,
        location: Location,
        *,
        put_part: PutPart,
        of_every_call: Mapping[str, str],
        condition: Mapping[str, str],
        timeout_s: float,
    ) -> None:
        self.id = upload_id
        self._channel = channel
        self.location = location
        self._put_part = put_part
        self._of_every_call = of_every_call
        self._condition = condition
        self._timeout_s = timeout_s
        self._finished: dict[int, tuple[str, str]] = {}

    async def put_part(self, number: int, body: bytes | memoryview) -> None:
        """Store a part with its CRC32; see `ports.Upload`."""
        checksum = crc32(body)
        answer = await self._put_part(
            self._channel, self.location, body, upload_id=self.id, number=number, checksum=checksum
        )
        etag = header(answer, b"etag")
        if not etag:
            raise unreadable(answer, f"UploadPart {number} returned no ETag")
        self._finished[number] = (etag, checksum)

    async def complete(self) -> str:
        """Put the object in its place; see `ports.Upload`."""
        parts = "".join(
            f"<Part><ETag>{etag}</ETag><ChecksumCRC32>{checksum}</ChecksumCRC32>"
            f"<PartNumber>{number}</PartNumber></Part>"
            for number, (etag, checksum) in sorted(self._finished.items())
        )
        answer = await self._call(
            "POST",
            headers={**self._of_every_call, **self._condition, "content-type": "application/xml"},
            body=f"<CompleteMultipartUpload>{parts}</CompleteMultipartUpload>".encode(),
            timeout_s=self._timeout_s,
        )
        # S3 may answer 200 first and fail afterwards, in the body.
        etag = document(answer, "CompleteMultipartUploadResult").findtext("ETag")
        if not etag:
            raise unreadable(answer, "CompleteMultipartUpload returned no ETag")
        return etag

    async def abort(self) -> None:
        """Remove the upload; see `ports.Upload`."""
        try:
            await self._call(
                "DELETE", headers=self._of_every_call, timeout_s=min(self._timeout_s, ABORT_WITHIN_S)
            )
        except CallError as error:
            if error.code != "NoSuchUpload":  # it was completed after all, and only the reply was lost
                raise

    async def _call(
        self, method: str, *, headers: Mapping[str, str], body: bytes = b"", timeout_s: float
    ) -> Answer:
        query = {"uploadId": self.id}
        return await call(
            self._channel,
            method,
            self.location.key,
            query=query,
            headers=headers,
            body=body,
            timeout_s=timeout_s,
        )


async def create_upload(
    channel: HttpChannel, location: Location, *, headers: Mapping[str, str], timeout_s: float
) -> str:
    """Begin an upload and return its id.

    Raises:
        CallError: It failed.
    """
    answer = await call(
        channel,
        "POST",
        location.key,
        query={"uploads": ""},
        headers={**headers, "x-amz-checksum-algorithm": "CRC32"},
        timeout_s=timeout_s,
    )
    upload_id = document(answer, "InitiateMultipartUploadResult").findtext("UploadId")
    if not upload_id:
        raise unreadable(answer, "CreateMultipartUpload returned no UploadId")
    return upload_id
