"""Says where the calls of one service go where AWS is reached in the plain way, without botocore; pure.

A test holds every answer against botocore's own. What is not plain after all, such as a bucket with dots in its name
or an access point, is asked of botocore.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Awaitable, Callable
from functools import cache
from urllib.parse import quote, urlsplit

from fanout._version import __version__
from fanout.aws.http.endpoint_lookup import EndpointLookup, Route
from fanout.aws.http.plain import PlainAws

_PLAIN_BUCKET = re.compile(r"[a-z0-9](-?[a-z0-9])+")
"""Without dots, which no wildcard certificate covers, and without the `--` of S3 Express and other special names."""
_BUCKET_CHARS = range(3, 64)

_HOSTS = {
    "sagemaker-runtime": "runtime.sagemaker",
    "sagemaker": "api.sagemaker",
    "s3": "s3",
    "sns": "sns",
    "sqs": "sqs",
    "cloudwatch": "monitoring",
    "sts": "sts",
}
_SIGNED_AS = {"sagemaker-runtime": "sagemaker", "cloudwatch": "monitoring"}  # the others by their own names


class PlainLookup:
    """Finds the routes of one service.

    Args:
        service: One of `fanout.aws.clients.SERVICES`.
        aws: Where AWS is.
        otherwise: Returns what asks botocore.
    """

    def __init__(
        self, service: str, aws: PlainAws, *, otherwise: Callable[[], Awaitable[EndpointLookup]]
    ) -> None:
        self.service = service
        self._otherwise = otherwise
        self._aws = aws
        self._url = urlsplit(service_url(service, aws))

    @property
    def behind_proxy(self) -> bool:
        """No: that would not be plain."""
        return False

    async def route(self, operation: str, **parameters: object) -> Route | None:
        """Return where `operation` goes with `parameters`; see `EndpointLookup.route`."""
        host, path = self._url.netloc.lower(), "/"
        if self.service == "sagemaker-runtime":
            path = f"/endpoints/{quote(str(parameters['EndpointName']), safe='-._~')}/async-invocations"
        elif self.service == "s3":
            bucket = str(parameters["Bucket"])
            if not _is_plain_bucket(bucket):
                lookup = await self._otherwise()
                return await lookup.route(operation, **parameters)
            if self._aws.endpoint_url is None:
                host, path = f"{bucket}.{host}", "/k"
            else:
                path = f"/{bucket}/k"
        return self._route(host, path)

    def _route(self, host: str, path: str) -> Route:
        tls = self._url.scheme == "https"
        standard = 443 if tls else 80
        hostname, _, _ = host.partition(":")
        port = self._url.port or standard
        return Route(
            tls=tls,
            hostname=hostname,
            port=port,
            host=hostname if port == standard else f"{hostname}:{port}",
            path=path,
            region=self._aws.region,
            service=_SIGNED_AS.get(self.service, self.service),
            user_agent=user_agent(),
        )


def service_url(service: str, aws: PlainAws) -> str:
    """Return the url that calls to `service` go to."""
    if aws.endpoint_url is not None:
        return aws.endpoint_url
    if (
        service == "s3" and aws.region == "us-east-1"
    ):  # the region that S3 began with; botocore keeps to its old host
        return "https://s3.amazonaws.com"
    return f"https://{_HOSTS[service]}.{aws.region}.amazonaws.com"


@cache
def user_agent() -> str:
    """Return the User-Agent header: fanout, and what it runs on."""
    python = ".".join(map(str, sys.version_info[:3]))
    return f"fanout/{__version__} os/{sys.platform} lang/python#{python}"


def _is_plain_bucket(name: str) -> bool:
    alias = name.endswith("-s3alias")  # of an access point
    return len(name) in _BUCKET_CHARS and _PLAIN_BUCKET.fullmatch(name) is not None and not alias
