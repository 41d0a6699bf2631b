"""Makes the arguments of S3's calls: place, owner of the bucket, type, encryption, condition, checksum; pure."""

from __future__ import annotations

import base64
import zlib
from collections.abc import Mapping

from fanout.aws.settings import AwsSettings
from fanout.domain.location import Location


def address(location: Location, settings: AwsSettings) -> dict[str, str]:
    """Return the parameters that name one object."""
    return {"Key": location.key, **in_bucket(location.bucket, settings)}


def in_bucket(bucket: str, settings: AwsSettings) -> dict[str, str]:
    """Return the parameters that name a bucket, and its owner where that is known."""
    owner = {"ExpectedBucketOwner": settings.bucket_owner} if settings.bucket_owner else {}
    return {"Bucket": bucket, **owner}


def description(
    content_type: str | None, settings: AwsSettings, *, metadata: Mapping[str, str] | None = None
) -> dict[str, object]:
    """Return the parameters of PutObject and CreateMultipartUpload that describe an object."""
    told: dict[str, object] = {"ContentType": content_type} if content_type is not None else {}
    if metadata:
        told["Metadata"] = dict(metadata)
    if settings.kms_key_id is not None:
        told |= {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": settings.kms_key_id}
    return told


def condition(*, if_match: str | None = None, if_none_match: str | None = None) -> dict[str, str]:
    """Return the parameters of a write's condition."""
    told = {"IfMatch": if_match, "IfNoneMatch": if_none_match}
    return {name: value for name, value in told.items() if value is not None}


def crc32(data: bytes | memoryview) -> str:
    """Return the checksum as S3 spells it: big-endian, base64.

    Given by us it is a plain header, on http and https alike, which S3 compares before it stores anything;
    left to botocore it would be the trailer of a chunked body on https, another request than the one that
    tests see.
    """
    return base64.b64encode(zlib.crc32(data).to_bytes(4, "big")).decode("ascii")
