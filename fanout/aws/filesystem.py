"""Opens a pyarrow filesystem that reads inputs from `s3://` with the credentials of an `AwsCloud`.

pyarrow ignores `AWS_ENDPOINT_URL` and the endpoints of profiles, so it is handed what the session resolved.
"""

from __future__ import annotations

from urllib.parse import urlsplit

import pyarrow.fs as pafs

from fanout.aws.clients import is_aws
from fanout.aws.session import AwsCloud
from fanout.domain.remedies import remedy
from fanout.errors import CallError, RunError


async def input_filesystem(cloud: AwsCloud) -> pafs.FileSystem:
    """Return a filesystem that reads `bucket/key` with the credentials of `cloud` as they are now.

    Credentials that expire while a large input is read end the read; a run that resumes gets fresh ones.

    Raises:
        RunError: The credentials have expired and cannot be refreshed; the message says what to do.
    """
    try:
        keys = await cloud.keys()
    except CallError as error:
        raise RunError(f"the input in S3 cannot be read: {remedy('s3:GetObject', error)}") from error
    url = cloud.endpoint_url("s3")
    parts = urlsplit(url)
    return pafs.S3FileSystem(
        access_key=keys.access_key_id,
        secret_key=keys.secret_access_key,
        session_token=keys.session_token,
        region=cloud.region,
        scheme=parts.scheme,
        endpoint_override=parts.netloc,
        force_virtual_addressing=is_aws(url),
    )
