"""What the wire does, and what reaches us as: each upstream fact that `failures` and `invoker` rely on."""

from __future__ import annotations

import asyncio
import json

import pytest
from support.raw_server import close_after_reading, reset_after_reading

from fanout.aws.session import open_cloud
from fanout.domain.records import Reply
from fanout.errors import CallError, Phase

pytestmark = pytest.mark.asyncio

LOCATION = "X-Amzn-SageMaker-OutputLocation"
ECHO = b'{"InferenceId": "abcdefghij.7.0.1"}'


async def failure_of(wire, behaviour, **changes):
    """Return (the error of one invoke, requests that the server read)."""
    async with wire.cloud_against(behaviour, **changes) as (cloud, server):
        with pytest.raises(CallError) as caught:
            await cloud.invoker.invoke(wire.invocation)
        return caught.value, len(server.requests)


async def reset_at_once(peer):
    peer.reset()


async def half_a_reply(peer):
    await peer.read()
    await peer.send(b"HTTP/1.1 202 Accepted\r\nContent-Length: 100\r\n\r\n{")


async def half_a_head(peer):
    await peer.read()
    await peer.send(b"HTTP/1.1 202 Acc")


async def garbage(peer):
    await peer.read()
    await peer.send(b"\x00\x01 this is not HTTP\r\n\r\n")


async def hang(peer):
    await peer.read()
    await asyncio.Event().wait()


async def dribble(peer):
    await peer.read()
    await peer.send(b"HTTP/1.1 202 Accepted\r\nContent-Length: 1000\r\n\r\n")
    while True:
        await asyncio.sleep(0.02)  # the script's, not the test's: a byte now and then
        await peer.send(b"x")


@pytest.mark.parametrize(
    ("behaviour", "code", "read"),
    [
        # A reset shows as either, depending on whether the writer or the reader meets it first.
        (reset_at_once, {"ClientOSError", "ServerDisconnectedError"}, 0),
        (reset_after_reading, {"ClientOSError", "ServerDisconnectedError"}, 1),
        (close_after_reading, {"ServerDisconnectedError"}, 1),
        (half_a_reply, {"ClientPayloadError"}, 1),
        (half_a_head, {"ServerDisconnectedError"}, 1),
        (garbage, {"ClientResponseError"}, 1),
    ],
)
async def test_what_breaks_after_connecting_leaves_it_open_whether_the_row_was_taken(
    wire, behaviour, code, read
):
    error, requests = await failure_of(wire, behaviour)
    assert (error.phase, error.status) == (Phase.EXCHANGE, None)
    assert error.code in code
    assert requests == read  # never twice: botocore's and aiohttp's own retries are off


@pytest.mark.parametrize("behaviour", [hang, dribble])
async def test_a_call_is_bounded_as_a_whole(wire, behaviour):
    error, requests = await failure_of(
        wire, behaviour, call_timeout_s=1.0
    )  # connecting and signing are within it
    assert (error.phase, error.code, requests) == (Phase.EXCHANGE, "CallTimeout", 1)


async def test_refused_was_not_sent(wire):
    async with wire.serve(hang) as server:
        closed = server.url
    async with open_cloud(wire.settings_for(closed)) as cloud:
        with pytest.raises(CallError) as caught:
            await cloud.invoker.invoke(wire.invocation)
    assert (caught.value.phase, caught.value.code) == (Phase.CONNECT, "ClientConnectorError")


async def test_a_name_that_does_not_resolve_was_not_sent(wire, monkeypatch):
    async def no_such_name(*_, **__):
        raise OSError(-2, "Name or service not known")

    monkeypatch.setattr("aiohttp.connector.TCPConnector._resolve_host", no_such_name)
    async with open_cloud(wire.settings_for("http://nowhere.invalid")) as cloud:
        with pytest.raises(CallError) as caught:
            await cloud.invoker.invoke(wire.invocation)
    assert (caught.value.phase, caught.value.code) == (Phase.CONNECT, "ClientConnectorDNSError")


async def test_a_tls_handshake_that_fails_was_not_sent(wire):
    async def plain_text(peer):
        await peer.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    async with wire.serve(plain_text) as server:
        settings = wire.settings_for(server.url.replace("http:", "https:"))
        async with open_cloud(settings) as cloud:
            with pytest.raises(CallError) as caught:
                await cloud.invoker.invoke(wire.invocation)
    assert (caught.value.phase, caught.value.code) == (Phase.CONNECT, "SSLError")


async def test_a_reset_in_the_tls_handshake_was_not_sent(wire):
    async with wire.serve(reset_at_once) as server:
        settings = wire.settings_for(server.url.replace("http:", "https:"))
        async with open_cloud(settings) as cloud:
            with pytest.raises(CallError) as caught:
                await cloud.invoker.invoke(wire.invocation)
    assert (caught.value.phase, caught.value.code) == (Phase.CONNECT, "ClientConnectorError")


async def test_a_connection_that_never_opens_was_not_sent(wire):
    async def silent(peer):  # TCP connects, TLS never answers: the connect timeout covers both
        await asyncio.Event().wait()

    async with wire.serve(silent) as server:
        settings = wire.settings_for(server.url.replace("http:", "https:"), connect_timeout_s=0.1)
        async with open_cloud(settings) as cloud:
            with pytest.raises(CallError) as caught:
                await cloud.invoker.invoke(wire.invocation)
    assert (caught.value.phase, caught.value.code) == (Phase.CONNECT, "ConnectTimeoutError")


@pytest.mark.parametrize(
    ("status", "body", "headers"),
    [
        (202, ECHO, {}),
        (202, b'{"InferenceId": "abcd', {LOCATION: "s3://out/1"}),
        (202, b"", {LOCATION: "s3://out/1"}),
        (202, b"[1]", {LOCATION: "s3://out/1"}),
        (202, b'{"InferenceId": "abcdefghij.8.0.1"}', {LOCATION: "s3://out/1"}),
        (200, b"<html>a login page</html>", {}),
    ],
)
async def test_a_success_that_does_not_say_what_it_must_leaves_it_open(wire, status, body, headers):
    error, _ = await failure_of(wire, wire.answering(wire.reply(status, body, **headers)))
    assert error.phase is Phase.EXCHANGE


async def test_a_success_without_location_is_called_unreadable(wire):
    error, _ = await failure_of(wire, wire.answering(wire.reply(202, ECHO, x_amzn_RequestId="r-1")))
    assert (error.code, error.status, error.request_id) == ("UnreadableReply", 202, "r-1")


async def test_the_reply_is_read_from_body_and_headers(wire):
    headers = {
        LOCATION: "s3://out/1",
        "X-Amzn-SageMaker-FailureLocation": "s3://out/f",
        "x-amzn-RequestId": "r-1",
    }
    async with wire.cloud_against(wire.answering(wire.reply(202, ECHO, **headers))) as (cloud, _):
        assert await cloud.invoker.invoke(wire.invocation) == Reply(
            "abcdefghij.7.0.1", "s3://out/1", "s3://out/f", "r-1"
        )


async def test_a_missing_failure_location_is_none(wire):
    async with wire.cloud_against(wire.answering(wire.reply(202, ECHO, **{LOCATION: "s3://out/1"}))) as (
        cloud,
        _,
    ):
        assert (await cloud.invoker.invoke(wire.invocation)).failure_location is None


@pytest.mark.parametrize(
    ("status", "body", "headers", "code", "retry_after_s"),
    [
        (400, {"Code": "ThrottlingException"}, {"x-amz-retry-after": "1500"}, "ThrottlingException", 1.5),
        (400, {"__type": "com.amazon#ThrottlingException"}, {}, "ThrottlingException", None),
        (429, {"Code": "TooManyRequestsException"}, {"Retry-After": "3"}, "TooManyRequestsException", 3.0),
        (500, {}, {"x-amzn-ErrorType": "InternalFailure:http://internal"}, "InternalFailure", None),
        (
            503,
            {},
            {"Retry-After": "Thu, 01 Jan 2026 00:00:09 GMT", "Date": "Thu, 01 Jan 2026 00:00:02 GMT"},
            "503",
            7.0,
        ),
    ],
)  # fmt: skip
async def test_a_refusal_keeps_its_facts(wire, status, body, headers, code, retry_after_s):
    answer = wire.reply(status, json.dumps(body).encode(), x_amzn_RequestId="r-9", **headers)
    error, requests = await failure_of(wire, wire.answering(answer))
    assert (error.phase, error.code, error.status) == (Phase.REPLY, code, status)
    assert (error.retry_after_s, error.request_id, requests) == (retry_after_s, "r-9", 1)


async def test_an_html_page_is_a_refusal_with_its_status(wire):
    page = b"<html><body>" + b"Service Unavailable " * 200 + b"</body></html>"
    error, requests = await failure_of(wire, wire.answering(wire.reply(503, page, Content_Type="text/html")))
    assert (error.phase, error.code, error.status, requests) == (Phase.REPLY, "503", 503, 1)
    assert len(error.message) <= 1000


async def test_a_post_on_a_connection_that_went_stale_is_not_sent_again(wire):
    accepted = wire.reply(202, ECHO, **{LOCATION: "s3://out/1"})

    async def answer_once_then_close(peer):
        await peer.read()
        await peer.send(accepted)
        await peer.read()

    async with wire.cloud_against(answer_once_then_close) as (cloud, server):
        await cloud.invoker.invoke(wire.invocation)
        with pytest.raises(CallError) as caught:
            await cloud.invoker.invoke(wire.invocation)
        assert (len(server.requests), server.connections) == (2, 1)
    assert caught.value.phase is Phase.EXCHANGE


async def test_a_cancelled_call_lets_go_of_its_connection(wire):
    arrived = asyncio.Event()

    async def hang_first(peer):
        await peer.read()
        if not arrived.is_set():
            arrived.set()
            await asyncio.Event().wait()
        await peer.send(wire.reply(202, ECHO, **{LOCATION: "s3://out/1"}))

    async with wire.cloud_against(hang_first, max_connections=1) as (cloud, _):
        call = asyncio.create_task(cloud.invoker.invoke(wire.invocation))
        await arrived.wait()
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        assert (await cloud.invoker.invoke(wire.invocation)).output_location == "s3://out/1"
