"""Makes the arguments of S3's calls: place, owner and payer, type, encryption, tags, condition, checksum; pure."""

from __future__ import annotations

import base64
import zlib
from collections.abc import Mapping
from urllib.parse import quote, urlencode

from fanout.aws.settings import AwsSettings
from fanout.domain.location import Location


def address(location: Location, settings: AwsSettings) -> dict[str, str]:
    """Return the parameters that name one object."""
    return {"Key": location.key, **in_bucket(location.bucket, settings)}


def in_bucket(bucket: str, settings: AwsSettings) -> dict[str, str]:
    """Return the parameters that every call about a bucket or its objects has."""
    return {"Bucket": bucket, **_of_every_call(settings)}


def _of_every_call(settings: AwsSettings) -> dict[str, str]:
    told = {"ExpectedBucketOwner": settings.bucket_owner, "RequestPayer": settings.request_payer}
    return {name: value for name, value in told.items() if value}


def description(
    content_type: str | None,
    settings: AwsSettings,
    *,
    metadata: Mapping[str, str] | None = None,
    tags: Mapping[str, str] | None = None,
) -> dict[str, object]:
    """Return the parameters of PutObject and CreateMultipartUpload that describe an object."""
    told: dict[str, object] = {"ContentType": content_type} if content_type is not None else {}
    if metadata:
        told["Metadata"] = dict(metadata)
    if tags:
        told["Tagging"] = tagging(tags)
    return told | storage(settings)


def storage(settings: AwsSettings) -> dict[str, str | bool]:
    """Return the parameters that say how S3 encrypts what is put."""
    encryption = settings.encryption or ("aws:kms" if settings.kms_key_id is not None else None)
    told: dict[str, str | bool | None] = {
        "ServerSideEncryption": encryption,
        "SSEKMSKeyId": settings.kms_key_id,
        "BucketKeyEnabled": settings.bucket_key,
    }
    return {name: value for name, value in told.items() if value is not None}


def tagging(tags: Mapping[str, str]) -> str:
    """Return tags as S3 takes them in a header."""
    return urlencode(tags, quote_via=quote)


_HEADERS = {
    "ServerSideEncryption": "x-amz-server-side-encryption",
    "SSEKMSKeyId": "x-amz-server-side-encryption-aws-kms-key-id",
    "BucketKeyEnabled": "x-amz-server-side-encryption-bucket-key-enabled",
    "ExpectedBucketOwner": "x-amz-expected-bucket-owner",
    "RequestPayer": "x-amz-request-payer",
}
"""Service model of S3: where botocore puts these parameters."""


def headers_of_every_call(settings: AwsSettings) -> dict[str, str]:
    """Return as headers what every call has beside its bucket and key."""
    return _headers(_of_every_call(settings))


def headers_of_storage(settings: AwsSettings) -> dict[str, str]:
    """Return `storage` as headers."""
    return _headers(storage(settings))


def _headers(parameters: Mapping[str, str | bool]) -> dict[str, str]:
    return {
        _HEADERS[name]: value if isinstance(value, str) else str(value).lower()
        for name, value in parameters.items()
    }


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
