"""What breaks between us and a server, and what it is called: not sent, or perhaps read."""

from __future__ import annotations

import asyncio
import errno

import pytest
from support.raw_server import close_after_reading, reset_after_reading

from fanout.aws.http import dialer
from fanout.aws.http.pool import PoolStatistics
from fanout.aws.http.reply_parser import MAX_HEAD_BYTES
from fanout.errors import Phase

pytestmark = pytest.mark.anyio
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


async def reset_at_once(peer):
    await peer.reader.readexactly(1)
    peer.reset()


async def accept_and_close(peer):
    pass


def sends(data):
    async def script(peer):
        await peer.read()
        await peer.send(data)

    return script


async def hang(peer):
    await peer.read()
    await peer.gone()


async def dribble(peer):
    await peer.read()
    await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
    while True:
        await asyncio.sleep(0.02)  # the script's, not the test's: a byte now and then
        await peer.send(b"x")


@pytest.mark.parametrize(
    ("script", "code", "read"),
    [
        (reset_at_once, "ConnectionResetError", 0),
        (reset_after_reading, "ConnectionResetError", 1),
        (close_after_reading, "ConnectionClosed", 1),
        (sends(b"HTTP/1.1 202 Acc"), "ConnectionClosed", 1),
        (sends(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"), "IncompleteBody", 1),
        (sends(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel"), "IncompleteBody", 1),
        (sends(b"HTTP/1.1 100 Continue\r\n\r\n"), "ConnectionClosed", 1),
        (sends(b"\x00\x01 this is not HTTP\r\n\r\n"), "UnreadableReply", 1),
        (sends(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 2 * MAX_HEAD_BYTES), "ReplyTooLarge", 1),
        (sends(b"HTTP/1.1 200 OK\r\nContent-Length: 100001\r\n\r\n"), "ReplyTooLarge", 1),
    ],
)
async def test_what_breaks_after_the_first_byte_may_have_been_read(wire, script, code, read):
    async with wire.asking(script, wire.answering(OK)) as (asker, served):
        error = await wire.failure(asker.ask(b"payload"))
        assert (error.phase, error.code, error.status) == (Phase.EXCHANGE, code, None)
        assert len(served.requests) == read  # sent once, whatever happened
        assert (await asker.ask()).body == b"ok"  # on a new connection
        assert (served.connections, asker.pool) == (2, PoolStatistics(1, 1, 0, 2))


async def test_a_server_that_accepts_and_closes_may_be_noticed_before_or_after_writing(wire):
    async with wire.asking(accept_and_close) as (asker, served):
        error = await wire.failure(asker.ask())
    assert error.code in {"ConnectionClosed", "ConnectionResetError"}
    assert error.phase in {Phase.CONNECT, Phase.EXCHANGE}
    assert served.requests == []


async def test_no_descriptor_left_is_told_from_a_network_that_does_not_answer(wire, monkeypatch):
    async def refuse(*_arguments, **_more):
        raise OSError(errno.EMFILE, "Too many open files")

    async with wire.asking(wire.answering(OK)) as (asker, _served):
        monkeypatch.setattr(dialer, "start_connection", refuse)
        error = await wire.failure(asker.ask())
    assert (error.phase, error.code) == (Phase.CONNECT, "TooManyOpenFiles")


@pytest.mark.parametrize("then", [hang, dribble])
async def test_a_call_is_bounded_as_a_whole(wire, then):
    async def once(peer):
        await peer.read()
        await peer.send(OK)
        await then(peer)

    async with wire.asking(once, wire.answering(OK)) as (asker, served):
        await asker.ask()  # connecting is no part of the bound below
        error = await wire.failure(asker.ask(timeout_s=0.1))
        assert (error.phase, error.code) == (Phase.EXCHANGE, "CallTimeout")
        assert (await asker.ask()).body == b"ok"
        assert (served.connections, len(served.requests)) == (2, 3)


async def test_a_later_deadline_is_kept_by_the_same_timer(wire):
    """The timer of one call rings during the next, and must look at that one's deadline."""
    held = asyncio.Event()

    async def slow_third(peer):
        for _ in range(2):
            await peer.read()
            await peer.send(OK)
        await peer.read()
        await held.wait()
        await peer.send(OK)

    async with wire.asking(slow_third) as (asker, served):
        await asker.ask()
        await asker.ask(timeout_s=1.0)
        (connection,) = asker.channel.pool._all
        call = asyncio.create_task(asker.ask(timeout_s=30.0))
        while len(served.requests) < 3:
            await asyncio.sleep(0)
        assert connection._alarm_at < connection._deadline
        while connection._alarm_at < connection._deadline and not call.done():
            await asyncio.sleep(0)  # until it has rung, and was set anew
        assert not call.done()
        held.set()
        assert (await call).body == b"ok"
        assert served.connections == 1


async def test_an_earlier_deadline_is_kept_too(wire):
    async def answers_once(peer):
        await peer.read()
        await peer.send(OK)
        await hang(peer)

    async with wire.asking(answers_once) as (asker, _):
        await asker.ask(timeout_s=60.0)
        error = await wire.failure(asker.ask(timeout_s=0.05))
        assert error.code == "CallTimeout"


async def test_a_large_reply_gets_time_by_its_size(wire):
    go = asyncio.Event()

    async def slowly(peer):
        await peer.read()
        await go.wait()
        await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % 10_000_000)
        await peer.reader.read()

    async with wire.asking(slowly) as (asker, served):
        call = asyncio.create_task(asker.ask(timeout_s=10.0, cap_bytes=10_000_000))
        while not served.requests or not asker.channel.pool._all:
            await asyncio.sleep(0)
        (connection,) = asker.channel.pool._all
        before = connection._deadline
        go.set()
        while connection._deadline == before:
            await asyncio.sleep(0)
        assert connection._deadline - before == pytest.approx(10_000_000 / 1024**2)
        call.cancel()


async def test_refused_was_not_sent(wire):
    async with wire.serve(hang) as served:
        closed = served.url
    async with wire.asker(closed) as asker:
        error = await wire.failure(asker.ask())
    assert (error.phase, error.code) == (Phase.CONNECT, "ConnectionRefusedError")
    assert closed.removeprefix("http://") in error.message


async def test_a_name_that_does_not_resolve_was_not_sent(wire):
    async with wire.asker("http://nowhere.invalid:80") as asker:
        error = await wire.failure(asker.ask())
    assert (error.phase, error.code) == (Phase.CONNECT, "gaierror")


async def test_a_name_that_is_none_was_not_sent(wire):
    async with wire.asker(f"http://{'x' * 64}.invalid:80") as asker:
        assert (await wire.failure(asker.ask())).phase is Phase.CONNECT


@pytest.mark.parametrize(
    "reply",
    [
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n" + OK,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\no\r\n1\r\nk\r\n0\r\n\r\n",
    ],
)
async def test_replies_that_are_unusual_and_sound(wire, reply):
    async with wire.asking(wire.answering(reply)) as (asker, served):
        for _ in range(3):
            assert (await asker.ask()).body == b"ok"
        assert served.connections == 1


@pytest.mark.parametrize(
    "reply",
    [
        OK + OK,
        OK + b"x",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok",
        b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
    ],
    ids=["two replies", "longer than it said", "connection: close", "http 1.0"],
)
async def test_a_reply_after_which_the_connection_is_not_used_again(wire, reply):
    async with wire.asking(wire.answering(reply)) as (asker, served):
        for _ in range(2):
            assert (await asker.ask()).body == b"ok"
        assert served.connections == 2


async def test_a_reply_that_ends_with_the_stream_is_marked(wire):
    async with wire.asking(sends(b"HTTP/1.1 200 OK\r\n\r\nok")) as (asker, _):
        answer = await asker.ask()
    assert (answer.body, answer.measured) == (b"ok", False)


async def test_an_answer_before_the_request_was_read_ends_the_connection(wire):
    """A refusal may come while the body is on its way; what is left of that must not precede the next request."""

    async def early(peer):
        await peer.reader.readuntil(b"\r\n\r\n")
        await peer.send(b"HTTP/1.1 413 X\r\nContent-Length: 0\r\n\r\n")
        await peer.gone()

    async with wire.asking(early, wire.answering(OK)) as (asker, served):
        error = await wire.failure(asker.ask(b"x" * 50_000_000))
        assert (error.phase, error.status) == (Phase.REPLY, 413)
        assert (await asker.ask()).body == b"ok"
        assert served.connections == 2
