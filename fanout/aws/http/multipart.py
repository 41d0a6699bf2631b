"""Uploads the parts of a multipart upload by our own HTTP client; aiobotocore creates, completes and aborts it."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping
from typing import Any, Protocol

from fanout.domain.location import Location


class PutPart(Protocol):
    """Stores one part of a multipart upload; returns its ETag, None where aiobotocore must store it."""

    def __call__(
        self, location: Location, body: memoryview, *, upload_id: str, number: int, checksum: str
    ) -> Awaitable[str | None]:
        """See the class."""
        ...


class HttpMultipart:
    """Stands in for an aiobotocore client in `fanout.aws.sdk.multipart`.

    Args:
        put_part: Stores a part.
        client: The aiobotocore client.
    """

    def __init__(self, put_part: PutPart, client: Any) -> None:
        self._put_part = put_part
        self._client = client

    def __getattr__(self, name: str) -> Any:
        """Pass on the other calls."""
        return getattr(self._client, name)

    async def upload_part(self, **part: Any) -> Mapping[str, Any]:
        """Store a part, described in aiobotocore's words; return its ETag."""
        etag = await self._put_part(
            Location(part["Bucket"], part["Key"]),
            part["Body"],
            upload_id=part["UploadId"],
            number=part["PartNumber"],
            checksum=part["ChecksumCRC32"],
        )
        if etag is not None:
            return {"ETag": etag}
        whole = bytes(part["Body"])  # botocore takes no views
        answer: Mapping[str, Any] = await self._client.upload_part(**{**part, "Body": whole})
        return answer
