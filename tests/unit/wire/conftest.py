"""A TCP server on loopback that plays a script for each connection, and what is pointed at it.

Every wait of a script is for something that the client does; nothing sleeps.
"""

from __future__ import annotations

import asyncio
import functools
import os
import socket
import ssl
import struct
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import pytest
from botocore.loaders import create_loader

from fanout.aws.session import AwsCloud, open_cloud
from fanout.aws.settings import AwsSettings
from fanout.errors import CallError
from fanout.records import Invocation, Options
from fanout.wire.dial import Dialer
from fanout.wire.keyring import Keyring
from fanout.wire.line import Line
from fanout.wire.pool import Pool, PoolStatistics
from fanout.wire.reading import Answer
from fanout.wire.replies import json_refusal
from fanout.wire.route import Route
from fanout.wire.sigv4 import EMPTY_SHA256, Template
from fanout.wire.skew import Skew

ACCEPTED = (
    b"HTTP/1.1 202 Accepted\r\nContent-Length: 35\r\nX-Amzn-SageMaker-OutputLocation: s3://out/1\r\n\r\n"
    b'{"InferenceId": "abcdefghij.7.0.1"}'
)
INVOCATION = Invocation(
    endpoint="model",
    inference_id="abcdefghij.7.0.1",
    output_extension="fanout/abcdefghij/07",
    filename="7.0",
    options=Options(),
    body=b'{"x": 1}',
)


@dataclass(frozen=True, slots=True)
class Request:
    """One request as it came over the wire; header names in lower case."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes


@dataclass(slots=True)
class Peer:
    """The server's end of one connection."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    requests: list[Request]

    async def read(self) -> Request:
        """Return the next request; raises IncompleteReadError at the end of the connection."""
        head = await self.reader.readuntil(b"\r\n\r\n")
        first, *lines = head.decode().split("\r\n")[:-2]
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
        if headers.get("expect") == "100-continue":  # aiobotocore's uploads
            await self.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        body = await self.reader.readexactly(int(headers.get("content-length", "0")))
        method, target, _ = first.split(" ")
        request = Request(method, target, headers, body)
        self.requests.append(request)
        return request

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def gone(self) -> None:
        """Return when the client has closed the connection."""
        while await self.reader.read(65_536):
            pass

    def reset(self) -> None:
        """Close with a RST instead of a FIN."""
        linger = struct.pack("ii", 1, 0)
        self.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.writer.transport.abort()


Script = Callable[[Peer], Awaitable[None]]


@dataclass(slots=True)
class Served:
    """A running server."""

    url: str = ""
    port: int = 0
    connections: int = 0
    ended: int = 0
    requests: list[Request] = field(default_factory=list)


@asynccontextmanager
async def serve(*scripts: Script, tls: ssl.SSLContext | None = None) -> AsyncIterator[Served]:
    """Play the n-th script on the n-th connection, and the last one on all that follow."""
    served = Served()
    tasks: set[asyncio.Task[None]] = set()

    async def on_connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        script = scripts[min(served.connections, len(scripts) - 1)]
        served.connections += 1
        try:
            await script(Peer(reader, writer, served.requests))
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # the client went away, or the test is over
        finally:
            served.ended += 1
            writer.close()
            tasks.discard(task)

    server = await asyncio.start_server(on_connection, "127.0.0.1", 0, ssl=tls)
    served.port = server.sockets[0].getsockname()[1]
    served.url = f"http{'s' if tls else ''}://127.0.0.1:{served.port}"
    try:
        yield served
    finally:
        server.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def answering(*replies: bytes) -> Script:
    """Give each request of a connection the next of `replies`, and the last one ever after."""

    async def script(peer: Peer) -> None:
        for reply in replies:
            await peer.read()
            await peer.send(reply)
        while True:
            await peer.read()
            await peer.send(replies[-1])

    return script


def reply(status: int, body: bytes = b"", **headers: str) -> bytes:
    """Return an HTTP reply; underscores in header names stand for hyphens."""
    lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(body)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


class StaticCredentials:
    """Credentials that never end, as botocore gives them."""

    access_key, secret_key, token = "AKIDEXAMPLE", "secret", None

    async def get_frozen_credentials(self) -> StaticCredentials:
        return self


TEMPLATE = Template("POST", host="server", path="/ask")


@dataclass(slots=True)
class Asker:
    """A line to a server, and the simplest request for it."""

    line: Line

    async def ask(self, body: bytes = b"", *, timeout_s: float = 10.0, cap_bytes: int = 100_000) -> Answer:
        return await self.line.send(
            TEMPLATE, (), payload=EMPTY_SHA256, body=body, timeout_s=timeout_s, cap_bytes=cap_bytes
        )

    @property
    def pool(self) -> PoolStatistics:
        return self.line.pool.statistics()


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
    line = Line(
        route,
        pool=pool,
        keyring=Keyring(credentials or StaticCredentials()),
        skew=Skew(),
        refusal=json_refusal,
        wall=wall,
    )
    try:
        yield Asker(line)
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
    return AwsSettings(**(values | changes))  # type: ignore[arg-type]


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


_shared_loader = functools.cache(create_loader)


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> None:
    """No AWS setting and no proxy of the machine reaches a test; service models are read once."""
    monkeypatch.setattr("botocore.session.create_loader", _shared_loader)
    for name in list(os.environ):
        if name.startswith(("AWS_", "BOTO")) or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_CONFIG_FILE", f"{tmp_path}/config")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", f"{tmp_path}/credentials")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
