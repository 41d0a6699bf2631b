"""Objects in the S3 of a local AWS: inputs that are put there, outputs that are fetched as one file."""

from __future__ import annotations

from pathlib import Path

import anyio
from support.cli import LocalAws
from support.settings import aws_settings

from fanout.aws.session import open_cloud
from fanout.aws.settings import AwsSettings
from fanout.domain.location import Location


def in_s3(aws: LocalAws, name: str) -> str:
    """Return where an output called `name` stands."""
    return f"s3://{aws.bucket}/outputs-of-tests/{name}.parquet"


def download(aws: LocalAws, uri: str, path: Path) -> None:
    """Put the object at `uri` into `path`; have nothing there if there is none."""
    location = _location(uri)

    async def main() -> bytes | None:
        async with open_cloud(_settings(aws)) as cloud:
            if await cloud.objects.head(location) is None:
                return None
            return (await cloud.objects.get(location)).body

    body = anyio.run(main)
    path.unlink(missing_ok=True)
    if body is not None:
        path.write_bytes(body)


def upload(aws: LocalAws, uri: str, body: bytes) -> None:
    """Store `body` at `uri`."""
    location = _location(uri)

    async def main() -> None:
        async with open_cloud(_settings(aws)) as cloud:
            await cloud.objects.put(location, body)

    anyio.run(main)


def _location(uri: str) -> Location:
    location = Location.parse(uri)
    assert location is not None
    return location


def _settings(aws: LocalAws) -> AwsSettings:
    return aws_settings(
        region=aws.env["AWS_REGION"],
        endpoint_url=aws.url,
        access_key_id=aws.env["AWS_ACCESS_KEY_ID"],
        secret_access_key=aws.env["AWS_SECRET_ACCESS_KEY"],
        session_token=aws.env["AWS_SESSION_TOKEN"],
    )
