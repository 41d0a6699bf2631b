"""S3's awkward answers, as they come over the wire; the plain ones are in the contract suite."""

from __future__ import annotations

import base64
import zlib

import pytest

from fanout.domain.location import Location
from fanout.errors import CallError, Phase
from fanout.ports import ObjectInfo

pytestmark = pytest.mark.asyncio

HERE = Location("bucket", "a/key")
DATE = "Fri, 20 Nov 2026 10:00:00 GMT"
STORED = {"ETag": '"1"'}


def error_page(code):
    return f"<Error><Code>{code}</Code><Message>m</Message></Error>".encode()


async def test_put_names_checksum_type_encryption_and_owner(wire):
    changes = {"kms_key_id": "key-1", "bucket_owner": "123456789012"}
    async with wire.cloud_against(wire.answering(wire.reply(200, **STORED)), **changes) as (cloud, server):
        await cloud.objects.put(HERE, b"hello", content_type="text/csv")
    (request,) = server.requests
    assert (request.method, request.target, request.body) == ("PUT", "/bucket/a/key", b"hello")
    told = {
        name: request.headers[name]
        for name in request.headers
        if name.startswith("x-amz-") and "date" not in name
    }
    told.pop("x-amz-content-sha256")
    assert told == {
        "x-amz-checksum-crc32": base64.b64encode(zlib.crc32(b"hello").to_bytes(4, "big")).decode(),
        "x-amz-server-side-encryption": "aws:kms",
        "x-amz-server-side-encryption-aws-kms-key-id": "key-1",
        "x-amz-expected-bucket-owner": "123456789012",
    }
    assert request.headers["content-type"] == "text/csv"


async def test_a_body_that_ends_early_is_not_an_object(wire):
    async def truncated(peer):
        await peer.read()
        await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort")

    async with wire.cloud_against(truncated) as (cloud, _):
        with pytest.raises(CallError) as caught:
            await cloud.objects.get(HERE)
    assert (caught.value.phase, caught.value.code) == (Phase.EXCHANGE, "IncompleteBody")


async def test_a_body_that_differs_from_its_checksum_is_not_an_object(wire):
    headers = {"Last-Modified": DATE, "x-amz-checksum-crc32": "AAAAAA=="}
    async with wire.cloud_against(wire.answering(wire.reply(200, b"hello", **headers))) as (cloud, _):
        with pytest.raises(CallError) as caught:
            await cloud.objects.get(HERE)
    assert (caught.value.phase, caught.value.code) == (Phase.EXCHANGE, "FlexibleChecksumError")


@pytest.mark.parametrize(
    ("status", "code", "missing"),
    [(404, "NoSuchKey", True), (403, "AccessDenied", False), (503, "SlowDown", False)],
)
async def test_get_passes_on_what_s3_says(wire, status, code, missing):
    async with wire.cloud_against(wire.answering(wire.reply(status, error_page(code)))) as (cloud, _):
        with pytest.raises(CallError) as caught:
            await cloud.objects.get(HERE)
    error = caught.value
    assert (error.phase, error.code, error.status, error.missing) == (Phase.REPLY, code, status, missing)


async def head(wire, answer):
    async def behave(peer):  # a HEAD has headers only
        await peer.read()
        await peer.send(answer)

    async with wire.cloud_against(behave) as (cloud, _):
        return await cloud.objects.head(HERE)


@pytest.mark.parametrize("status", [403, 404])
async def test_head_takes_403_and_404_for_missing(wire, status):
    assert await head(wire, f"HTTP/1.1 {status} X\r\n\r\n".encode()) is None


async def test_head_passes_on_other_refusals(wire):
    with pytest.raises(CallError) as caught:
        await head(wire, b"HTTP/1.1 500 X\r\n\r\n")
    assert (caught.value.phase, caught.value.status) == (Phase.REPLY, 500)


async def test_head_tells_size_and_time(wire):
    answer = f"HTTP/1.1 200 OK\r\nContent-Length: 7\r\nLast-Modified: {DATE}\r\n\r\n".encode()
    assert await head(wire, answer) == ObjectInfo(HERE, 7, 1795168800.0)


async def test_delete_returns_the_keys_that_s3_refused_inside_its_200(wire):
    body = b"<DeleteResult><Error><Key>b</Key><Code>InternalError</Code></Error></DeleteResult>"
    keys = [Location("bucket", key) for key in "abc"]
    async with wire.cloud_against(wire.answering(wire.reply(200, body))) as (cloud, server):
        assert await cloud.objects.delete(keys) == [keys[1]]
        assert await cloud.objects.delete([]) == []
    assert len(server.requests) == 1
    assert b"<Quiet>true</Quiet>" in server.requests[0].body


def listing(*keys, truncated, following=""):
    items = "".join(
        f"<Contents><Key>{key}</Key><Size>1</Size><LastModified>2026-11-20T10:00:00.000Z</LastModified></Contents>"
        for key in keys
    )
    tail = f"<NextContinuationToken>{following}</NextContinuationToken>" if following else ""
    flag = "true" if truncated else "false"
    page = f"<ListBucketResult><IsTruncated>{flag}</IsTruncated>{items}{tail}</ListBucketResult>"
    return page.encode()


async def test_list_follows_pages_and_passes_an_empty_one(wire):
    pages = [
        wire.reply(200, listing("p/a", truncated=True, following="t1")),
        wire.reply(200, listing(truncated=True, following="t2")),
        wire.reply(200, listing("p/b", truncated=False)),
    ]
    async with wire.cloud_against(wire.answering(*pages)) as (cloud, server):
        found = [[info.location.key for info in page] async for page in cloud.objects.list("bucket", "p/")]
    assert found == [["p/a"], ["p/b"]]
    assert [("continuation-token=t1" in r.target, "continuation-token=t2" in r.target) for r in server.requests] == [
        (False, False), (True, False), (False, True)
    ]  # fmt: skip


@pytest.mark.parametrize("following", ["", "same"])
async def test_a_listing_that_would_not_end_is_unreadable(wire, following):
    page = wire.reply(200, listing("p/a", truncated=True, following=following))
    async with wire.cloud_against(wire.answering(page)) as (cloud, _):
        with pytest.raises(CallError) as caught:
            _ = [page async for page in cloud.objects.list("bucket", "p/")]
    assert (caught.value.phase, caught.value.code) == (Phase.EXCHANGE, "UnreadableReply")
