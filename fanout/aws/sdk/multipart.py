"""Uploads one large object in parts, a few at a time, and completes or aborts the upload.

Parts that are left behind are invisible and paid for, so the abort is shielded from cancellation. Where a
create's reply is lost there is no id to abort by: the bucket needs a lifecycle rule (AbortIncompleteMultipartUpload).
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import anyio

from fanout.aws.errors import UNREADABLE
from fanout.aws.s3_arguments import address, crc32, description
from fanout.aws.settings import MIB, AwsSettings
from fanout.aws.timeouts import bounded, transfer_s
from fanout.domain.location import Location
from fanout.errors import CallError, Phase

MAX_PARTS = 10_000  # S3 user guide, "multipart upload limits"
ABORT_WITHIN_S = 10.0
"""A run that is being cancelled waits no longer than this for the abort."""

_log = logging.getLogger(__name__)


class MultipartUpload:
    """The upload of one object.

    Args:
        client: An aiobotocore S3 client.
        location: Where the object shall stand.
        body: The whole object; parts of a view are views, and cost no copy.
        settings: Timeouts, encryption, sizes, and how many parts at a time.
    """

    def __init__(
        self, client: Any, location: Location, body: bytes | memoryview, *, settings: AwsSettings
    ) -> None:
        self._client = client
        self._location = location
        self._body = body
        self._settings = settings
        self._address = address(location, settings)
        self._timeout_s = settings.call_timeout_s
        self._finished: dict[int, dict[str, object]] = {}

    async def run(self, *, content_type: str | None) -> None:
        """Store the object.

        Raises:
            CallError: Of the step that failed; nothing is left behind, or the object stands whole where only
                the reply to the last step was lost.
        """
        async with bounded(self._timeout_s):
            created = await self._client.create_multipart_upload(
                **self._address, **description(content_type, self._settings), ChecksumAlgorithm="CRC32"
            )
        upload_id = created.get("UploadId")
        if not upload_id:
            raise CallError(Phase.EXCHANGE, UNREADABLE, message="CreateMultipartUpload returned no UploadId")
        try:
            await self._upload_parts(upload_id)
            await self._complete(upload_id)
        except BaseException:
            await self._abort(upload_id)
            raise

    async def _upload_parts(self, upload_id: str) -> None:
        parts = cut(len(self._body), part_bytes=self._settings.part_bytes)
        failures: list[CallError] = []

        async def work() -> None:
            for number, start, stop in parts:  # one iterator for all workers
                try:
                    await self._upload_part(upload_id, number, self._body[start:stop])
                except CallError as error:
                    failures.append(error)
                    workers.cancel_scope.cancel()

        async with anyio.create_task_group() as workers:
            for _ in range(self._settings.parts_at_once):
                workers.start_soon(work)
        if failures:
            raise failures[0]

    async def _upload_part(self, upload_id: str, number: int, piece: bytes | memoryview) -> None:
        checksum = crc32(piece)
        async with bounded(self._timeout_s + transfer_s(len(piece))):
            answer = await self._client.upload_part(
                **self._address, UploadId=upload_id, PartNumber=number, Body=piece, ChecksumCRC32=checksum
            )
        if not answer.get("ETag"):
            raise CallError(Phase.EXCHANGE, UNREADABLE, message=f"UploadPart {number} returned no ETag")
        self._finished[number] = {"PartNumber": number, "ETag": answer["ETag"], "ChecksumCRC32": checksum}

    async def _complete(self, upload_id: str) -> None:
        parts = [self._finished[number] for number in sorted(self._finished)]
        async with bounded(self._timeout_s):
            answer = await self._client.complete_multipart_upload(
                **self._address, UploadId=upload_id, MultipartUpload={"Parts": parts}
            )
        # S3 may answer 200 first and fail afterwards, in the body; botocore raises for an <Error>, but calls
        # a body that was cut off before it a success.
        if not answer.get("ETag"):
            raise CallError(Phase.EXCHANGE, UNREADABLE, message="CompleteMultipartUpload returned no ETag")

    async def _abort(self, upload_id: str) -> None:
        with anyio.CancelScope(shield=True):
            try:
                async with bounded(min(self._timeout_s, ABORT_WITHIN_S)):
                    await self._client.abort_multipart_upload(**self._address, UploadId=upload_id)
            except CallError as error:
                if error.code != "NoSuchUpload":  # completed after all: only the reply was lost
                    _log.warning(
                        "multipart upload %s of %s is left behind: %s", upload_id, self._location.uri, error
                    )


def cut(size_bytes: int, *, part_bytes: int) -> Iterator[tuple[int, int, int]]:
    """Yield (part number from 1, start, stop) over `size_bytes`.

    Parts are of `part_bytes` or, if 10,000 of those do not reach, of the first whole MiB that does.
    """
    smallest = -(-size_bytes // MAX_PARTS)
    step = max(part_bytes, -(-smallest // MIB) * MIB) if smallest > part_bytes else part_bytes
    for number, start in enumerate(range(0, size_bytes, step), start=1):
        yield number, start, min(start + step, size_bytes)
