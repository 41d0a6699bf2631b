"""Names one S3 object, parsed from every form in which AWS writes it."""

from __future__ import annotations

import re
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

PARTITIONS = {
    "amazonaws.com": ("aws", "api.aws"),  # and aws-us-gov
    "amazonaws.com.cn": ("aws-cn", "api.amazonwebservices.com.cn"),
    "amazonaws.eu": ("aws-eusc", "api.amazonwebservices.eu"),  # the European Sovereign Cloud
    "c2s.ic.gov": ("aws-iso", "api.aws.ic.gov"),
    "sc2s.sgov.gov": ("aws-iso-b", "api.aws.scloud"),
    "cloud.adc-e.uk": ("aws-iso-e", "api.cloud-aws.adc-e.uk"),
    "csp.hci.ic.gov": ("aws-iso-f", "api.aws.hci.ic.gov"),
}
"""What the hosts of each partition end in, its name in ARNs, and what its hosts end in that speak IPv6, too:
`dnsSuffix` and `dualStackDnsSuffix` of botocore's partitions.json."""

_SUFFIX = f"(?:{'|'.join(map(re.escape, PARTITIONS))})"
_S3_HOST = re.compile(rf"(?:(?P<bucket>.+)\.)?s3(?:[.-](?!vpce\.)[a-z0-9-]+)*\.{_SUFFIX}")
_ENDPOINT_HOST = re.compile(
    rf"(?:(?:(?P<bucket>.+)\.)?bucket\.)?vpce-[a-z0-9-]+\.s3\.[a-z0-9-]+\.vpce\.{_SUFFIX}"
)
"""Of an interface endpoint in a VPC; `bucket` in front of its id is a word, not a name (S3 user guide, PrivateLink)."""
_ACCESS_POINT_HOST = re.compile(
    rf"(?P<name>[a-z0-9-]+)-(?P<account>\d{{12}})\."
    rf"(?:s3-accesspoint(?:-fips)?(?:\.dualstack)?|accesspoint\.vpce-[a-z0-9-]+\.s3)"
    rf"\.(?P<region>[a-z0-9-]+)(?:\.vpce)?\.(?P<suffix>{_SUFFIX})"
)
_ARN_BUCKET = re.compile(r"(?P<bucket>arn:[^/]+:accesspoint[/:][^/]+)(?:/(?P<key>.*))?", re.DOTALL)


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

        SageMaker writes `s3://`; its notifications have been seen with https urls, virtual-hosted or path style. The
        bucket of an access point's url is its ARN.
        """
        if uri.startswith("s3://"):
            bucket, key = _split(uri)
            return cls(bucket, key) if bucket and key else None
        if not uri.startswith("https://"):
            return None
        try:
            parts = urlsplit(uri)
        except ValueError:  # an unfinished IPv6 address
            return None
        host, path = parts.hostname or "", unquote(parts.path).lstrip("/")
        bucket, key = _at_host(host, path)
        return cls(bucket, key) if bucket and key else None


def parse_prefix(uri: str) -> Location | None:
    """Return bucket and key prefix of `s3://bucket[/prefix]`, None if it is not of that form."""
    if not uri.startswith("s3://"):
        return None
    bucket, key = _split(uri)
    return Location(bucket, key.strip("/")) if bucket else None


def is_arn(bucket: str) -> bool:
    """Whether the ARN of an access point stands where a bucket's name would."""
    return bucket.startswith("arn:")


def dns_suffix(host: str) -> str | None:
    """Return what hosts end in where `host` is, one suffix for a whole partition; None if it is not AWS's."""
    for plain, (_, dual) in PARTITIONS.items():
        if host.endswith((f".{plain}", f".{dual}")):
            return plain
    return None


def _split(uri: str) -> tuple[str, str]:
    """Return bucket and key of an `s3://` uri; the ARN of an access point has a slash of its own."""
    found = _ARN_BUCKET.fullmatch(uri[5:])
    if found is not None:
        return found["bucket"], found["key"] or ""
    bucket, _, key = uri[5:].partition("/")
    return bucket, key


def _at_host(host: str, path: str) -> tuple[str, str]:
    """Return bucket and key of an https url; empty if the host is not S3's."""
    point = _ACCESS_POINT_HOST.fullmatch(host)
    if point is not None:
        partition, _ = PARTITIONS[point["suffix"]]
        if partition == "aws" and point["region"].startswith("us-gov-"):
            partition = "aws-us-gov"
        arn = f"arn:{partition}:s3:{point['region']}:{point['account']}:accesspoint/{point['name']}"
        return arn, path
    match = _ENDPOINT_HOST.fullmatch(host) or _S3_HOST.fullmatch(host)
    if match is None:
        return "", ""
    if match["bucket"]:
        return match["bucket"], path
    bucket, _, key = path.partition("/")
    return bucket, key
