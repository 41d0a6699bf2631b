"""Names one S3 object, parsed from every form in which AWS writes it."""

from __future__ import annotations

import re
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

_S3_HOST = re.compile(r"(?:(?P<bucket>.+)\.)?s3(?:[.-][a-z0-9-]+)*\.amazonaws\.com(?:\.cn)?")


class Location(NamedTuple):
    """One S3 object."""

    bucket: str
    key: str

    @property
    def uri(self) -> str:
        """The location as `s3://bucket/key`."""
        return f"s3://{self.bucket}/{self.key}"

    @classmethod
    def parse(cls, uri: str) -> Location | None:
        """Return the object that `uri` names (`s3://`, or S3's https forms), None if it names none.

        SageMaker writes `s3://`; its notifications have been seen with https urls, virtual-hosted or path style.
        """
        if uri.startswith("s3://"):
            bucket, _, key = uri[5:].partition("/")
            return cls(bucket, key) if bucket and key else None
        if not uri.startswith("https://"):
            return None
        try:
            parts = urlsplit(uri)
        except ValueError:  # an unfinished IPv6 address
            return None
        host, path = parts.hostname or "", unquote(parts.path).lstrip("/")
        match = _S3_HOST.fullmatch(host)
        if match is None:
            return None
        bucket, key = (match["bucket"], path) if match["bucket"] else path.partition("/")[::2]
        return cls(bucket, key) if bucket and key else None


def parse_prefix(uri: str) -> Location | None:
    """Return bucket and key prefix of `s3://bucket[/prefix]`, None if it is not of that form."""
    if not uri.startswith("s3://"):
        return None
    bucket, _, key = uri[5:].partition("/")
    return Location(bucket, key.strip("/")) if bucket else None
