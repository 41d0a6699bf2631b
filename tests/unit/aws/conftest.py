"""A TCP server on loopback that does to a request whatever a test wants, and clients pointed at it."""

from __future__ import annotations

import asyncio
import functools
import os
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
from botocore.loaders import create_loader

from fanout.aws.session import AwsCloud, AwsSettings, open_cloud
from fanout.records import Invocation, Options


@dataclass(frozen=True, slots=True)
class Request:
    """One request as it came over the wire; header names in lower case."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes


@dataclass(slots=True)
class Peer:
    """What a behaviour may do with one connection."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    requests: list[Request]

    async def read(self) -> Request | None:
        """Return the next request, None at the end of the connection."""
        try:
            head = await self.reader.readuntil(b"\r\n\r\n")
        except asyncio.IncompleteReadError:
            return None
        first, *lines = head.decode("latin-1").split("\r\n")[:-2]
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
        if headers.get("expect") == "100-continue":
            await self.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        body = await self.reader.readexactly(int(headers.get("content-length", "0")))
        method, target, _ = first.split(" ")
        request = Request(method, target, headers, body)
        self.requests.append(request)
        return request

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    def reset(self) -> None:
        """Close with a RST instead of a FIN."""
        linger = struct.pack("ii", 1, 0)
        self.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.writer.transport.abort()


Behaviour = Callable[[Peer], Awaitable[None]]


@dataclass(slots=True)
class RawServer:
    """A server with one behaviour for every connection."""

    port: int = 0
    connections: int = 0
    requests: list[Request] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@asynccontextmanager
async def serve(behaviour: Behaviour) -> AsyncIterator[RawServer]:
    state = RawServer()
    tasks: set[asyncio.Task[None]] = set()

    async def on_connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        state.connections += 1
        try:
            await behaviour(Peer(reader, writer, state.requests))
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # the client went away, or the test is over
        finally:
            writer.close()
            tasks.discard(task)

    server = await asyncio.start_server(on_connection, "127.0.0.1", 0)
    state.port = server.sockets[0].getsockname()[1]
    try:
        yield state
    finally:
        server.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def answering(*replies: bytes) -> Behaviour:
    """Return a behaviour that gives each request the next of `replies`, and the last one ever after."""
    remaining = list(replies)

    async def behave(peer: Peer) -> None:
        while await peer.read() is not None:
            await peer.send(remaining.pop(0) if len(remaining) > 1 else remaining[0])

    return behave


def reply(status: int, body: bytes = b"", **headers: str) -> bytes:
    """Return an HTTP reply; underscores in header names stand for hyphens."""
    lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(body)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def settings_for(url: str, **changes: object) -> AwsSettings:
    values: dict[str, object] = {
        "client": "aiobotocore",
        "region": "us-east-1",
        "endpoint_url": url,
        "access_key_id": "AKIDEXAMPLE",
        "secret_access_key": "secret",
        "connect_timeout_s": 2.0,
        "call_timeout_s": 5.0,
    }
    return AwsSettings(**(values | changes))  # type: ignore[arg-type]


@asynccontextmanager
async def cloud_against(behaviour: Behaviour, **changes: object) -> AsyncIterator[tuple[AwsCloud, RawServer]]:
    async with serve(behaviour) as server, open_cloud(settings_for(server.url, **changes)) as cloud:
        yield cloud, server


INVOCATION = Invocation(
    endpoint="model",
    inference_id="abcdefghij.7.0.1",
    output_extension="fanout/abcdefghij/07",
    filename="7.0",
    options=Options(),
    body=b'{"x": 1}',
)


@dataclass(frozen=True, slots=True)
class Wire:
    """The tools of this folder, handed to tests as one fixture: nothing can be imported from a conftest."""

    serve = staticmethod(serve)
    answering = staticmethod(answering)
    reply = staticmethod(reply)
    cloud_against = staticmethod(cloud_against)
    settings_for = staticmethod(settings_for)
    invocation: Invocation = INVOCATION


@pytest.fixture
def wire() -> Wire:
    return Wire()


_shared_loader = functools.cache(create_loader)


@pytest.fixture(autouse=True)
def one_loader(monkeypatch: pytest.MonkeyPatch) -> None:
    """Read the service models once for all tests: that is four fifths of opening AWS."""
    monkeypatch.setattr("botocore.session.create_loader", _shared_loader)


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> None:
    """No AWS setting of the machine reaches a test."""
    for name in list(os.environ):
        if name.startswith(("AWS_", "BOTO", "NO_PROXY", "no_proxy")) or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_CONFIG_FILE", f"{tmp_path}/config")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", f"{tmp_path}/credentials")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
