"""The size in a reply's head counts before its body is read, with either client."""

from __future__ import annotations

import asyncio

import pytest

from fanout.domain.location import Location
from fanout.errors import CallError, Phase

pytestmark = pytest.mark.anyio
HERE = Location("bucket", "key")
SIZE = 48 << 20
MOST_UNREAD = 24 << 20
"""What the sockets of a loopback connection hold, and the client's buffer; far below `SIZE`."""
HEAD = b"HTTP/1.1 200 OK\r\nLast-Modified: Fri, 20 Nov 2026 10:00:00 GMT\r\nContent-Length: %d\r\n\r\n"
PIECE = b"x" * 65_536
CLIENTS = pytest.mark.parametrize("client", ["wire", "aiobotocore"])


class Large:
    """Sends a large object; counts the bytes that it was rid of."""

    def __init__(self):
        self.sent = 0
        self.stopped = asyncio.Event()

    async def __call__(self, peer):
        await peer.read()
        await peer.send(HEAD % SIZE)
        try:
            while self.sent < SIZE:
                await peer.send(PIECE)
                self.sent += len(PIECE)
        finally:
            self.stopped.set()


async def stuck(large):
    """Return once the server gets rid of nothing more."""
    before = -1
    while before != large.sent:
        before = large.sent
        await asyncio.sleep(0.05)  # nothing tells that a socket's buffers stay full


@CLIENTS
async def test_a_body_is_read_once_it_is_admitted(wire, client):
    large, told = Large(), []

    async def admit(size_bytes):
        told.append(size_bytes)
        await stuck(large)
        assert large.sent < MOST_UNREAD

    async with wire.cloud_against(large, client=client) as (cloud, _):
        found = await cloud.objects.get(HERE, admit=admit)
    assert told == [SIZE]
    assert (len(found.body), type(found.body)) == (SIZE, bytes)


@CLIENTS
async def test_a_body_that_is_not_admitted_is_not_read(wire, client):
    large = Large()

    async def admit(size_bytes):
        raise CallError(Phase.REPLY, "ReplyTooLarge", message=f"{size_bytes}", status=200)

    async with wire.cloud_against(large, client=client) as (cloud, _):
        error = await wire.failure(cloud.objects.get(HERE, admit=admit))
        await large.stopped.wait()
    assert (error.phase, error.code, error.message) == (Phase.REPLY, "ReplyTooLarge", str(SIZE))
    assert large.sent < MOST_UNREAD


@CLIENTS
async def test_the_wait_for_room_is_not_the_servers_time(wire, client):
    large = Large()

    async def admit(_size_bytes):
        await asyncio.sleep(1.2)  # more than the call may take

    async with wire.cloud_against(large, client=client, call_timeout_s=1.0) as (cloud, _):
        assert len((await cloud.objects.get(HERE, admit=admit)).body) == SIZE


@CLIENTS
async def test_a_connection_that_ends_while_it_waits_fails_the_call(wire, client):
    ended = asyncio.Event()

    async def goes_away(peer):
        await peer.read()
        await peer.send(HEAD % SIZE + PIECE * 8)
        peer.writer.transport.abort()
        ended.set()

    async def admit(_size_bytes):
        await ended.wait()

    async with wire.cloud_against(goes_away, client=client) as (cloud, _):
        error = await wire.failure(cloud.objects.get(HERE, admit=admit))
    assert error.phase is Phase.EXCHANGE


@CLIENTS
async def test_a_call_that_is_cancelled_while_it_waits_closes_its_connection(wire, client):
    large, asked = Large(), asyncio.Event()

    async def admit(_size_bytes):
        asked.set()
        await asyncio.Event().wait()

    async with wire.cloud_against(large, client=client) as (cloud, _):
        call = asyncio.ensure_future(cloud.objects.get(HERE, admit=admit))
        await asked.wait()
        call.cancel()
        await asyncio.wait([call])
        assert call.cancelled()
        await large.stopped.wait()
    assert large.sent < MOST_UNREAD


@CLIENTS
async def test_a_small_body_is_told_too(wire, client):
    told = []

    async def admit(size_bytes):
        told.append(size_bytes)

    async with wire.cloud_against(wire.answering(HEAD % 5 + b"hello"), client=client) as (cloud, _):
        for _ in range(2):
            assert (await cloud.objects.get(HERE, admit=admit)).body == b"hello"
    assert told == [5, 5]
