"""A TCP server on loopback that plays a script for each connection, and an environment without AWS to call it from.

What a script waits for is something that the client does.
"""

from __future__ import annotations

import asyncio
import functools
import os
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
from botocore.loaders import create_loader

from fanout.domain.records import Invocation, Options

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
        first, *lines = head.decode("latin-1").split("\r\n")[:-2]
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


async def reset_after_reading(peer: Peer) -> None:
    await peer.read()
    peer.reset()


async def close_after_reading(peer: Peer) -> None:
    await peer.read()


@dataclass(slots=True)
class Served:
    """A running server."""

    url: str = ""
    port: int = 0
    connections: int = 0
    ended: int = 0
    requests: list[Request] = field(default_factory=list)
    close: Callable[[], None] = lambda: None
    """Lets in no other client."""


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
    served.close = server.close
    served.port = server.sockets[0].getsockname()[1]
    served.url = f"http{'s' if tls else ''}://127.0.0.1:{served.port}"
    try:
        yield served
    finally:
        server.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def reply(status: int, body: bytes = b"", **headers: str) -> bytes:
    """Return an HTTP reply; underscores in header names stand for hyphens."""
    lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(body)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


_shared_loader = functools.cache(create_loader)


def bare_environment(monkeypatch: pytest.MonkeyPatch, home: object) -> None:
    """Let no AWS setting and no proxy of the machine reach a test, and read the service models once for all tests.

    Reading them is four fifths of opening AWS.
    """
    monkeypatch.setattr("botocore.session.create_loader", _shared_loader)
    for name in list(os.environ):
        if name.startswith(("AWS_", "BOTO")) or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_CONFIG_FILE", f"{home}/config")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", f"{home}/credentials")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
