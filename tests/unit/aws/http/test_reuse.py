"""Connections between two requests: kept, closed by either side, and what was not sent because of it."""

from __future__ import annotations

import asyncio

import pytest

from fanout.aws.http.pool import PoolStatistics
from fanout.aws.http.sigv4 import Template
from fanout.errors import NOT_RELEASED, Phase

pytestmark = pytest.mark.anyio
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


async def until(condition):
    while not condition():
        await asyncio.sleep(0)


async def test_a_connection_serves_one_request_after_another(wire):
    async with wire.asking(wire.answering(OK)) as (asker, served):
        for _ in range(5):
            await asker.ask()
        assert (served.connections, len(served.requests)) == (1, 5)


async def test_a_connection_that_the_server_closed_while_idle_is_not_used(wire):
    async def once(peer):
        await peer.read()
        await peer.send(OK)

    async with wire.asking(once) as (asker, served):
        for _ in range(3):
            assert (await asker.ask()).body == b"ok"
            await until(lambda: asker.pool.open == 0)
        assert (served.connections, len(served.requests)) == (3, 3)


async def test_a_server_that_closes_when_the_next_request_arrives_may_have_read_it(wire):
    """The keep-alive race: nothing tells a server that closed before from one that died of it."""

    async def closes_in_between(peer):
        await peer.read()
        await peer.send(OK)
        await peer.reader.readexactly(1)

    async with wire.asking(closes_in_between, wire.answering(OK)) as (asker, served):
        await asker.ask()
        error = await wire.failure(asker.ask())
        assert error.phase is Phase.EXCHANGE
        assert error.code in {"ConnectionClosed", "ConnectionResetError"}
        assert len(served.requests) == 1
        await asker.ask()
        assert served.connections == 2


async def test_bytes_that_nobody_asked_for_end_an_idle_connection(wire):
    async def talks(peer):
        await peer.read()
        await peer.send(OK)
        await peer.send(b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n")
        await peer.gone()

    async with wire.asking(talks, wire.answering(OK)) as (asker, served):
        await asker.ask()
        await until(lambda: asker.pool.open == 0)
        assert (await asker.ask()).status == 200
        assert served.connections == 2


async def test_idle_connections_are_closed_before_the_server_does_it(wire, monkeypatch):
    monkeypatch.setattr("fanout.aws.http.pool.IDLE_S", 0.01)
    async with wire.asking(wire.answering(OK)) as (asker, served):
        await asker.ask()
        await until(lambda: served.ended == 1)
        assert asker.pool == PoolStatistics(0, 0, 0, 1)


async def test_a_connection_idle_for_too_long_is_not_taken(wire):
    async with wire.asking(wire.answering(OK)) as (asker, served):
        await asker.ask()
        now = asyncio.get_running_loop().time()
        assert asker.channel.pool.take_nowait(now + 5.1) is None
        assert asker.pool == PoolStatistics(0, 0, 0, 1)
        await asker.ask()
        assert served.connections == 2


async def test_the_connection_used_last_is_used_first(wire):
    async with wire.asking(wire.answering(OK)) as (asker, _):
        await asyncio.gather(asker.ask(), asker.ask(), asker.ask())
        pool, now = asker.channel.pool, asyncio.get_running_loop().time()
        assert asker.pool == PoolStatistics(3, 3, 0, 3)
        taken = [pool.take_nowait(now) for _ in range(3)]
        ages = [connection.idle_since for connection in taken]
        assert ages == sorted(ages, reverse=True)
        for connection in taken:
            pool.give_back(connection)


async def test_no_more_connections_than_the_limit(wire):
    async with wire.asking(wire.answering(OK), limit=2) as (asker, served):
        await asyncio.gather(*(asker.ask() for _ in range(20)))
        assert (served.connections, len(served.requests)) == (2, 20)
        assert asker.pool == PoolStatistics(2, 2, 0, 2)


async def test_first_come_first_served(wire):
    async with wire.asking(wire.answering(OK), limit=1) as (asker, served):
        await asyncio.gather(*(asker.ask(b"%d" % number) for number in range(20)))
    assert [int(request.body) for request in served.requests] == list(range(20))


async def test_a_call_that_finds_no_connection_in_time_was_not_sent(wire):
    async def hang(peer):
        await peer.read()
        await peer.gone()

    async with wire.asking(hang, limit=1) as (asker, served):
        first = asyncio.create_task(asker.ask())
        await until(lambda: served.requests)
        error = await wire.failure(asker.ask(timeout_s=0.02))
        assert (error.phase, error.code) == (Phase.CONNECT, "CallTimeout")
        first.cancel()
        await asyncio.wait([first])
        assert len(served.requests) == 1


async def test_a_waiting_call_opens_its_own_connection_when_one_dies(wire):
    async def dies(peer):
        await peer.read()

    async with wire.asking(dies, wire.answering(OK), limit=1) as (asker, served):
        first, second = await asyncio.gather(asker.ask(b"1"), asker.ask(b"2"), return_exceptions=True)
        assert first.phase is Phase.EXCHANGE
        assert second.body == b"ok"
        assert (served.connections, asker.pool) == (2, PoolStatistics(1, 1, 0, 2))


async def test_a_connection_that_dies_on_its_way_to_a_waiting_call_is_replaced(wire):
    async with wire.asking(wire.answering(OK), limit=1) as (asker, served):
        await asker.ask()
        pool = asker.channel.pool
        connection = pool.take_nowait(asyncio.get_running_loop().time())
        call = asyncio.create_task(asker.ask())
        await until(lambda: asker.pool.waiting == 1)
        pool.give_back(connection)
        connection.abort()  # before the call has its turn
        assert (await call).body == b"ok"
        assert (served.connections, asker.pool) == (2, PoolStatistics(1, 1, 0, 2))


async def test_waiting_calls_try_for_themselves_when_connecting_fails(wire):
    async with wire.serve(wire.answering(OK)) as served:
        closed = served.url
    async with wire.asker(closed, limit=1) as asker:
        errors = await asyncio.gather(*(asker.ask() for _ in range(5)), return_exceptions=True)
    assert [(error.phase, error.code) for error in errors] == [(Phase.CONNECT, "ConnectionRefusedError")] * 5


async def test_calls_under_way_and_waiting_fail_when_the_pool_closes(wire):
    async def hang(peer):
        await peer.read()
        await peer.gone()

    async with wire.asking(hang, limit=1) as (asker, served):
        first, second = (asyncio.create_task(asker.ask()) for _ in range(2))
        await until(lambda: served.requests and asker.pool.waiting)
        await asker.channel.pool.aclose()
        errors = await asyncio.gather(first, second, return_exceptions=True)
    assert [(error.phase, error.code) for error in errors] == [
        (Phase.EXCHANGE, "ConnectionClosed"),
        (Phase.CONNECT, "ConnectionClosed"),
    ]


async def test_a_value_that_cannot_be_sent_costs_no_connection(wire):
    template = Template("POST", host="server", path="/", varying=["x-amz-a"])
    async with wire.asking(wire.answering(OK)) as (asker, served):
        await asker.ask()
        call = asker.channel.send(template, ["a\nb"], payload="", timeout_s=5.0, cap_bytes=0)
        error = await wire.failure(call)
        assert (error.phase, error.code, error.status) == (Phase.REPLY, "ParamValidation", 400)
        await asker.ask()
        assert (served.connections, len(served.requests)) == (1, 2)


async def test_a_request_that_may_not_leave_any_more_is_not_written(wire):
    """Asked once the connection is there: the wait for it may have taken longer than the release."""
    async with wire.asking(wire.answering(OK)) as (asker, served):
        connections = []

        def too_late():
            connections.append(served.connections)
            return False

        error = await wire.failure(
            asker.channel.send(
                Template("GET", host="h", path="/", headers={}, varying=()),
                (),
                payload="",
                timeout_s=10.0,
                cap_bytes=100,
                may_leave=too_late,
            )
        )
        assert (error.code, error.phase) == (NOT_RELEASED, Phase.CONNECT)
        assert connections == [1], "it was asked before there was a connection"
        assert (await asker.ask()).body == b"ok"
        assert len(served.requests) == 1
