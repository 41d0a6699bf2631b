"""Holds the settings by which AWS is reached: account, region, timeouts, sizes. The configuration has the defaults.

Everything that is None is left to botocore's own resolution (environment, profile, instance role).
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Literal

MIB = 1024 * 1024
MULTIPART_BYTES = 32 * MIB
PART_BYTES = 8 * MIB


@dataclass(frozen=True, slots=True, kw_only=True)
class AwsSettings:
    """Settings of one connection to AWS.

    Attributes:
        client: What makes the calls of each record: `wire` (`fanout.aws.http`), a tenth of the CPU, or `aiobotocore`,
            for people with instrumentation in it. Behind a proxy it is aiobotocore by itself.
        region: Region name; None takes the profile's or `AWS_REGION`/`AWS_DEFAULT_REGION`.
        profile: Named profile; None takes `AWS_PROFILE` or the default chain.
        endpoint_url: One server for all services, such as the simulator. None keeps `AWS_ENDPOINT_URL*` and
            the profile's endpoints in force.
        access_key_id: Static credentials, for the local simulator only; None takes botocore's chain.
        secret_access_key: See `access_key_id`.
        session_token: See `access_key_id`.
        connect_timeout_s: Longest time to open one connection, TLS included.
        call_timeout_s: Longest time for one call as a whole; transfers of objects get more, by their size.
        max_connections: Connections a service; no more calls than these may run at once, because a call that
            waits for a connection ages its signature.
        inline_regions: Regions where InvokeEndpointAsync takes payloads; None for those that AWS announced (`regions`).
        encryption: How S3 encrypts uploaded inputs; None leaves it to the bucket, unless a key is named.
        kms_key_id: Key that encrypts uploaded inputs (SSE-KMS); None for the account's own, or the bucket's.
        bucket_key: Whether S3 derives a bucket's keys from it, which saves calls to KMS; None leaves it to the bucket.
        bucket_owner: Account that every bucket must belong to (`ExpectedBucketOwner`); None does not ask.
        request_payer: Who pays for requests to buckets that let the requester pay; None for their owner.
        multipart_bytes: Objects of this size and above are uploaded in parts. Those of 16 MiB took a third more CPU
            that way, here and at the server, and left at half the megabytes a second.
        part_bytes: Size of a part; S3 requires 5 MiB at least; raised by itself where 10,000 parts would not do.
        parts_at_once: Parts of one object that are under way at the same time.
    """

    client: Literal["wire", "aiobotocore"]
    region: str | None = None
    profile: str | None = None
    endpoint_url: str | None = None
    access_key_id: str | None = None
    secret_access_key: str | None = field(default=None, repr=False)
    session_token: str | None = field(default=None, repr=False)
    connect_timeout_s: float
    call_timeout_s: float
    max_connections: int
    inline_regions: Collection[str] | None = None
    encryption: Literal["AES256", "aws:kms"] | None = None
    kms_key_id: str | None = None
    bucket_key: bool | None = None
    bucket_owner: str | None = None
    request_payer: Literal["requester"] | None = None
    multipart_bytes: int = MULTIPART_BYTES
    part_bytes: int = PART_BYTES
    parts_at_once: int = 4
