"""A server on loopback that plays a script for each connection, and what is pointed at it: a line, or a cloud.

Every wait of a script is for something that the client does; nothing sleeps.
"""

from __future__ import annotations

import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from support import raw_server
from support.raw_server import INVOCATION, Peer, Script, Served, reply, serve
from support.settings import aws_settings

from fanout.aws.http.channel import HttpChannel
from fanout.aws.http.clock_skew import ClockSkew
from fanout.aws.http.dialer import Dialer
from fanout.aws.http.endpoint_lookup import Route
from fanout.aws.http.keys import SigningKeys
from fanout.aws.http.pool import Pool, PoolStatistics
from fanout.aws.http.reply_errors import json_refusal
from fanout.aws.http.reply_parser import Answer
from fanout.aws.http.sigv4 import EMPTY_SHA256, Template
from fanout.aws.session import AwsCloud, open_cloud
from fanout.aws.settings import AwsSettings
from fanout.domain.records import Invocation
from fanout.errors import CallError

ACCEPTED = (
    b"HTTP/1.1 202 Accepted\r\nContent-Length: 35\r\nX-Amzn-SageMaker-OutputLocation: s3://out/1\r\n\r\n"
    b'{"InferenceId": "abcdefghij.7.0.1"}'
)


def answering(*replies: bytes) -> Script:
    """Give each request of a connection the next of `replies`, and the last one ever after."""

    async def script(peer: Peer) -> None:
        for each in replies:
            await peer.read()
            await peer.send(each)
        while True:
            await peer.read()
            await peer.send(replies[-1])

    return script


class StaticCredentials:
    """Credentials that never end, as botocore gives them."""

    access_key, secret_key, token = "AKIDEXAMPLE", "secret", None

    async def get_frozen_credentials(self) -> StaticCredentials:
        return self


TEMPLATE = Template("POST", host="server", path="/ask")


@dataclass(slots=True)
class Asker:
    """A line to a server, and the simplest request for it."""

    channel: HttpChannel

    async def ask(self, body: bytes = b"", *, timeout_s: float = 10.0, cap_bytes: int = 100_000) -> Answer:
        return await self.channel.send(
            TEMPLATE, (), payload=EMPTY_SHA256, body=body, timeout_s=timeout_s, cap_bytes=cap_bytes
        )

    @property
    def pool(self) -> PoolStatistics:
        return self.channel.pool.statistics()


@asynccontextmanager
async def asker(
    url: str,
    *,
    limit: int = 4,
    tls: ssl.SSLContext | None = None,
    connect_timeout_s: float = 5.0,
    credentials: Any = None,
    wall: Callable[[], float] = time.time,
) -> AsyncIterator[Asker]:
    """Yield a line to `url`; by its end no connection is left."""
    parts = urlsplit(url)
    assert parts.hostname is not None
    assert parts.port is not None
    route = Route(
        tls=tls is not None,
        hostname=parts.hostname,
        port=parts.port,
        host=parts.netloc,
        path="/",
        region="us-east-1",
        service="sagemaker",
        user_agent="test",
    )
    pool = Pool(Dialer(route.hostname, port=route.port, tls=tls, timeout_s=connect_timeout_s), limit=limit)
    channel = HttpChannel(
        route,
        pool=pool,
        signing_keys=SigningKeys(credentials or StaticCredentials()),
        skew=ClockSkew(),
        refusal=json_refusal,
        wall=wall,
    )
    try:
        yield Asker(channel)
    finally:
        await pool.aclose()
        assert pool.statistics() == PoolStatistics(0, 0, 0, pool.statistics().opened)


@asynccontextmanager
async def asking(
    *scripts: Script, server_tls: ssl.SSLContext | None = None, **changes: Any
) -> AsyncIterator[tuple[Asker, Served]]:
    async with serve(*scripts, tls=server_tls) as served, asker(served.url, **changes) as opened:
        yield opened, served


def settings_for(url: str, **changes: object) -> AwsSettings:
    values: dict[str, object] = {
        "region": "us-east-1",
        "endpoint_url": url,
        "access_key_id": "AKIDEXAMPLE",
        "secret_access_key": "secret",
        "connect_timeout_s": 5.0,
        "call_timeout_s": 10.0,
    }
    return aws_settings(**(values | changes))  # type: ignore[arg-type]


@asynccontextmanager
async def cloud_against(*scripts: Script, **changes: object) -> AsyncIterator[tuple[AwsCloud, Served]]:
    async with serve(*scripts) as served, open_cloud(settings_for(served.url, **changes)) as cloud:
        yield cloud, served


async def failure(call: Awaitable[object]) -> CallError:
    with pytest.raises(CallError) as caught:
        await call
    return caught.value


@dataclass(frozen=True, slots=True)
class Wire:
    """The tools of this folder, handed to tests as one fixture: nothing can be imported from a conftest."""

    serve = staticmethod(serve)
    answering = staticmethod(answering)
    reply = staticmethod(reply)
    asker = staticmethod(asker)
    asking = staticmethod(asking)
    cloud_against = staticmethod(cloud_against)
    settings_for = staticmethod(settings_for)
    failure = staticmethod(failure)
    invocation: Invocation = INVOCATION
    accepted: bytes = ACCEPTED


@pytest.fixture
def wire() -> Wire:
    return Wire()


@pytest.fixture(params=[False, True], ids=["asyncio", "uvloop"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, object]]:
    """Both loops, for tests marked `anyio`: those of what depends on how transports behave."""
    return "asyncio", {"use_uvloop": request.param}


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    raw_server.bare_environment(monkeypatch, tmp_path)
