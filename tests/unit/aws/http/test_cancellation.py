"""A call that is cancelled, wherever it is, leaves nothing behind that a later call could meet."""

from __future__ import annotations

import asyncio

import anyio
import pytest

from fanout.aws.http.dialer import tls_context
from fanout.aws.http.pool import PoolStatistics

pytestmark = pytest.mark.anyio
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


async def hang(peer):
    await peer.read()
    await peer.gone()


async def answers_all_but_the_second(peer):
    """Leaves one reply to be played by the test, in the turn of the loop that it wants."""
    for data in (OK, b"", OK):
        await peer.read()
        await peer.send(data)
    await peer.gone()


async def until(condition):
    while not condition():
        await asyncio.sleep(0)


async def cancelled(task):
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_pending_reply_ends_its_connection(wire):
    async with wire.asking(hang, wire.answering(OK)) as (asker, served):
        call = asyncio.create_task(asker.ask())
        await until(lambda: served.requests)
        await cancelled(call)
        assert asker.pool == PoolStatistics(0, 0, 0, 1)
        assert (await asker.ask()).body == b"ok"
        assert (served.connections, served.ended) == (2, 1)


async def test_a_cancel_scope_does_the_same(wire):
    async with wire.asking(hang, wire.answering(OK)) as (asker, served):
        with anyio.CancelScope() as scope:
            async with anyio.create_task_group() as group:
                group.start_soon(asker.ask)
                await until(lambda: served.requests)
                scope.cancel()
        assert scope.cancelled_caught
        assert asker.pool == PoolStatistics(0, 0, 0, 1)
        with anyio.fail_after(10):
            assert (await asker.ask()).body == b"ok"


async def test_a_deadline_of_the_caller_is_the_callers(wire):
    async with wire.asking(hang) as (asker, _):
        with pytest.raises(TimeoutError):
            with anyio.fail_after(0.05):
                await asker.ask()
        assert asker.pool.open == 0


async def test_a_reply_that_comes_with_the_cancellation_keeps_the_connection(wire):
    """Both in one turn of the loop: the reply is whole, so the connection is clean and may be lent again."""
    async with wire.asking(answers_all_but_the_second) as (asker, served):
        await asker.ask()
        (connection,) = asker.channel.pool._all
        call = asyncio.create_task(asker.ask())
        await until(lambda: len(served.requests) == 2)
        connection.data_received(OK)
        await cancelled(call)
        assert asker.pool == PoolStatistics(1, 1, 0, 1)
        assert (await asker.ask()).body == b"ok"
        assert served.connections == 1


async def test_a_cancelled_call_does_not_close_the_connection_that_another_has_by_now(wire):
    async with wire.asking(answers_all_but_the_second, limit=1) as (asker, served):
        await asker.ask()
        (connection,) = asker.channel.pool._all
        first = asyncio.create_task(asker.ask(b"1"))
        await until(lambda: len(served.requests) == 2)
        second = asyncio.create_task(asker.ask(b"2"))
        await until(lambda: asker.pool.waiting == 1)
        first.cancel()
        connection.data_received(OK)  # the reply, before the cancelled task runs
        assert (await second).body == b"ok"
        with pytest.raises(asyncio.CancelledError):
            await first
        assert (served.connections, len(served.requests)) == (1, 3)


async def test_a_place_in_the_queue_is_given_up(wire):
    async with wire.asking(hang, wire.answering(OK), limit=1) as (asker, served):
        first = asyncio.create_task(asker.ask(b"1"))
        await until(lambda: served.requests)
        second, third = asyncio.create_task(asker.ask(b"2")), asyncio.create_task(asker.ask(b"3"))
        await until(lambda: asker.pool.waiting == 2)
        await cancelled(second)
        await cancelled(first)
        assert (await third).body == b"ok"
        assert [request.body for request in served.requests] == [b"1", b"3"]


@pytest.mark.parametrize("ends", ["reply", "death"])
async def test_a_turn_that_comes_with_the_cancellation_is_passed_on(wire, ends):
    """The first in the queue gets a connection, or the right to open one, and is cancelled before it runs."""
    async with wire.asking(wire.answering(OK), limit=1) as (asker, _):
        await asker.ask()
        pool = asker.channel.pool
        connection = pool.take_nowait(asyncio.get_running_loop().time())
        second, third = asyncio.create_task(asker.ask(b"2")), asyncio.create_task(asker.ask(b"3"))
        await until(lambda: asker.pool.waiting == 2)
        if ends == "reply":
            pool.give_back(connection)
        else:
            connection.abort()
        await cancelled(second)
        assert (await third).body == b"ok"
        assert asker.pool == PoolStatistics(1, 1, 0, 1 if ends == "reply" else 2)


async def test_a_connection_that_is_being_opened_is_given_up(wire):
    """TLS never answers: the call is cancelled in the middle of the handshake."""

    async def silent(peer):
        await peer.gone()

    async with wire.serve(silent) as served, wire.asker(served.url, tls=tls_context(None), limit=1) as asker:
        call = asyncio.create_task(asker.ask())
        await until(lambda: served.connections == 1)
        await cancelled(call)
        assert asker.pool == PoolStatistics(0, 0, 0, 0)
        await until(lambda: served.ended == 1)


async def test_hundreds_of_calls_cancelled_anywhere_leave_no_place_taken(wire):
    async with wire.asking(wire.answering(OK), limit=3) as (asker, _):
        for pause in range(60):
            calls = [asyncio.create_task(asker.ask()) for _ in range(10)]
            for _ in range(pause):
                await asyncio.sleep(0)
            for call in calls[::2]:
                call.cancel()
            done = await asyncio.gather(*calls, return_exceptions=True)
            assert all(answer.body == b"ok" for answer in done[1::2])
            assert asker.pool.waiting == 0
            assert asker.pool.open == asker.pool.idle <= 3
