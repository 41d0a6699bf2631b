"""Asks botocore where a call goes: it prepares a request, which is stopped before it is sent.

So environment, profiles, FIPS, dual stack, buckets in hosts and in paths, access points are treated as by botocore.
"""

from __future__ import annotations

import re
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import urlsplit

_SCOPE = re.compile(r"AWS4-HMAC-SHA256 Credential=.+/\d{8}/([^/]+)/([^/]+)/aws4_request,")
_SPOKEN = frozenset(
    {"sagemaker", "s3", "sns", "sqs", "monitoring", "sts"}
)  # not s3express, which signs with a session of its own
_PORTS = {"http": 80, "https": 443}

_only_asking: ContextVar[bool] = ContextVar("only_asking", default=False)


class _PreparedError(Exception):
    """Carries out of botocore a request that must not be sent."""

    def __init__(self, request: Any) -> None:
        super().__init__("not to be sent")
        self.request = request


@dataclass(frozen=True, slots=True)
class Route:
    """Where the requests of one operation go, and how they are signed.

    Attributes:
        tls: Whether it is https.
        hostname: Name or address to connect to.
        port: TCP port.
        host: The Host header.
        path: Path of the request that was asked about, as sent.
        region: Of the credential scope.
        service: Signing name.
        user_agent: botocore's, with our name in it.
    """

    tls: bool
    hostname: str
    port: int
    host: str
    path: str
    region: str
    service: str
    user_agent: str


class Lookup(Protocol):
    """Finds the routes of one service."""

    service: str

    @property
    def behind_proxy(self) -> bool:
        """Whether the service's calls have to go through a proxy, which this package does not speak to."""
        ...

    async def route(self, operation: str, **parameters: object) -> Route | None:
        """Return where `operation` goes with `parameters`, None where it is not plain SigV4."""
        ...


class EndpointLookup:
    """Finds the routes of one aiobotocore client.

    Args:
        client: An aiobotocore client; its own calls are not touched.
    """

    def __init__(self, client: Any) -> None:
        self.service: str = client.meta.service_model.service_name
        self._client = client
        client.meta.events.register("before-send", _stop)

    @property
    def behind_proxy(self) -> bool:
        """Whether the environment names a proxy for the client's endpoint, as botocore sees it."""
        from botocore.utils import get_environ_proxies

        url: str = self._client.meta.endpoint_url
        return bool(get_environ_proxies(url).get(urlsplit(url).scheme))

    async def route(self, operation: str, **parameters: object) -> Route | None:
        """Return where `operation` goes with `parameters`, None where it is not plain SigV4.

        Raises:
            Exception: Whatever botocore raises: credentials that are gone, a bucket that is no name.
        """
        token = _only_asking.set(True)
        try:
            await getattr(self._client, operation)(**parameters)
        except _PreparedError as prepared:
            return read_route(prepared.request)
        finally:
            _only_asking.reset(token)
        raise AssertionError("unreachable: no request leaves a client that is being asked")


def read_route(request: Any) -> Route | None:
    """Return what a prepared request says, None if it is not signed as this package signs.

    Args:
        request: botocore's `AWSPreparedRequest`.
    """
    headers = {name.lower(): _text(value) for name, value in request.headers.items()}
    scope = _SCOPE.match(headers.get("authorization", ""))
    url = urlsplit(request.url)
    if scope is None or scope[2] not in _SPOKEN or url.scheme not in _PORTS or not url.hostname:
        return None
    standard = _PORTS[url.scheme]
    port = url.port or standard
    name = f"[{url.hostname}]" if ":" in url.hostname else url.hostname
    return Route(
        tls=url.scheme == "https",
        hostname=url.hostname,
        port=port,
        host=name if port == standard else f"{name}:{port}",
        path=url.path or "/",
        region=scope[1],
        service=scope[2],
        user_agent=headers.get("user-agent", ""),
    )


def _stop(request: Any, **_: object) -> None:
    """Stop a request that was only asked about; registered as botocore's `before-send`."""
    if _only_asking.get():
        raise _PreparedError(request)


def _text(value: str | bytes) -> str:
    return value if isinstance(value, str) else value.decode("latin-1")
