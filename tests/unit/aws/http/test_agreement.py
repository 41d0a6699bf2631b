"""One reply, read by both clients of the data plane: they report the same facts."""

from __future__ import annotations

import pytest
from support import raw_server

from fanout.aws.session import open_cloud
from fanout.domain.location import Location
from fanout.errors import CallError, Phase

pytestmark = pytest.mark.asyncio
HERE = Location("bucket", "a/key")
URL = "https://sqs.us-east-1.amazonaws.com/123456789012/q"
DATE = "Thu, 01 Jan 2026 00:00:02 GMT"
HTML = b"<html><head><title>502 Bad Gateway</title></head></html>"


async def facts(call):
    try:
        return await call
    except CallError as error:
        return (
            *(error.phase, error.code, error.status),
            *(error.message, error.retry_after_s, error.request_id),
        )


async def both(wire, answer, call):
    """Return what each client makes of `answer`."""
    async with wire.serve(wire.answering(answer)) as served:
        told = []
        for client in ("wire", "aiobotocore"):
            async with open_cloud(wire.settings_for(served.url, client=client)) as cloud:
                told.append(await facts(call(cloud)))
        assert len(served.requests) == 2
    return told


@pytest.mark.parametrize(
    ("status", "body", "headers"),
    [
        (
            400,
            b'{"__type": "com.amazon#ThrottlingException", "message": "Rate"}',
            {"x_amzn_RequestId": "r-1"},
        ),
        (400, b'{"Code": "ThrottlingException", "Message": "Rate"}', {"x-amz-retry-after": "1500"}),
        (400, b'{"code": "ValidationError"}', {"x-amzn-ErrorType": "ValidationError:http://internal/"}),
        (429, b"{}", {"Retry-After": "3"}),
        (503, b"{}", {"Retry-After": "Thu, 01 Jan 2026 00:00:09 GMT", "Date": DATE}),
        (500, b"{}", {"x-amzn-ErrorType": "InternalFailure"}),
        (502, HTML, {"Content-Type": "text/html"}),
        (503, b"", {}),
        (404, b'{"message": "no endpoint"}', {}),
        (202, b'{"InferenceId": "abcdefghij.7.0.1"}', {}),
    ],
)
async def test_replies_to_an_invocation(wire, status, body, headers):
    answer = wire.reply(status, body, **headers)
    ours, theirs = await both(wire, answer, lambda cloud: cloud.invoker.invoke(wire.invocation))
    assert ours == theirs


async def test_a_202(wire):
    headers = {
        "X-Amzn-SageMaker-OutputLocation": "s3://out/1",
        "X-Amzn-SageMaker-FailureLocation": "s3://out/f",
        "x-amzn-RequestId": "r-1",
    }
    answer = wire.reply(202, b'{"InferenceId": "abcdefghij.7.0.1"}', **headers)
    ours, theirs = await both(wire, answer, lambda cloud: cloud.invoker.invoke(wire.invocation))
    assert ours == theirs
    assert ours.failure_location == "s3://out/f"


@pytest.mark.parametrize(
    ("status", "body", "headers"),
    [
        (
            404,
            b"<Error><Code>NoSuchKey</Code><Message>a &lt;b&gt;</Message></Error>",
            {"x-amz-request-id": "R"},
        ),
        (
            403,
            b"<?xml version='1.0'?>\n<Error>\n <Code>AccessDenied</Code>\n <Message>m</Message></Error>",
            {},
        ),
        (503, b"<Error><Code>SlowDown</Code><Message>m</Message></Error>", {"Retry-After": "2"}),
        (502, HTML, {}),
        (500, b"", {}),
        (200, b"hello", {"Last-Modified": DATE, "Content-Type": "text/csv", "ETag": '"1"'}),
        (200, b"", {"Last-Modified": DATE}),
    ],
)
async def test_replies_to_a_get(wire, status, body, headers):
    ours, theirs = await both(
        wire, wire.reply(status, body, **headers), lambda cloud: cloud.objects.get(HERE)
    )
    assert ours == theirs


@pytest.mark.parametrize(
    ("kind", "checksum"),
    [
        ("crc32", "NhCmhg=="),
        ("sha1", "qvTGHdzF6KLavt4PO0gs2a6pQ00="),
        ("crc32", "AAAAAA=="),
        ("crc32", "AAAAAA==-2"),
    ],
)
async def test_checksums_of_a_get(wire, kind, checksum):
    answer = wire.reply(200, b"hello", Last_Modified=DATE, **{f"x-amz-checksum-{kind}": checksum})
    ours, theirs = await both(wire, answer, lambda cloud: cloud.objects.get(HERE))
    if isinstance(ours, tuple):  # a mismatch; the words differ
        assert ours[:2] == theirs[:2]
        assert checksum == "AAAAAA=="
    else:
        assert ours == theirs


@pytest.mark.parametrize("status", [200, 403, 404, 500])
async def test_replies_to_a_head(wire, status):
    answer = f"HTTP/1.1 {status} X\r\nContent-Length: 7\r\nLast-Modified: {DATE}\r\n\r\n".encode()
    ours, theirs = await both(wire, answer, lambda cloud: cloud.objects.head(HERE))
    assert ours == theirs


@pytest.mark.parametrize(
    ("status", "body"),
    [(200, b""), (503, b"<Error><Code>SlowDown</Code><Message>m</Message></Error>"), (502, HTML)],
)
async def test_replies_to_a_put(wire, status, body):
    ours, theirs = await both(wire, wire.reply(status, body), lambda cloud: cloud.objects.put(HERE, b"x"))
    assert ours == theirs


@pytest.mark.parametrize(
    ("status", "body", "headers"),
    [
        (200, b'{"Messages": [{"Body": "b", "ReceiptHandle": "r", "MD5OfBody": "92eb5ffee6ae2fec3ad71c777531578f"}]}',
         {}),
        (200, b"{}", {}),
        (
            400,
            b'{"__type": "com.amazonaws.sqs#QueueDoesNotExist", "message": "m"}',
            {"x-amzn-query-error": "AWS.SimpleQueueService.NonExistentQueue;Sender"},
        ),
        (400, b'{"__type": "com.amazon.coral.service#ExpiredTokenException", "message": "m"}', {}),
        (503, HTML, {}),
    ],
)  # fmt: skip
async def test_replies_to_a_poll(wire, status, body, headers):
    answer = wire.reply(status, body, **headers)
    ours, theirs = await both(wire, answer, lambda cloud: cloud.queue(URL).receive(wait_s=0))
    assert ours == theirs


async def test_replies_to_a_delete(wire):
    answer = wire.reply(200, b'{"Successful": [{"Id": "0"}], "Failed": [{"Id": "1", "Code": "x"}]}')
    ours, theirs = await both(wire, answer, lambda cloud: cloud.queue(URL).delete(["r0", "r1", "r2"]))
    assert ours == theirs == ["r1", "r2"]


CONTENTS = (
    "<Contents><Key>p/a%2Bb+c%0D</Key><Size>3</Size><LastModified>2026-11-20T10:00:00.123Z</LastModified>"
    "<ETag>&quot;1&quot;</ETag><StorageClass>STANDARD</StorageClass></Contents>"
)
NAMESPACE = 'xmlns="http://s3.amazonaws.com/doc/2006-03-01/"'


async def listed(cloud):
    return [info async for page in cloud.objects.list("bucket", "p/") for info in page]


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, f"<ListBucketResult {NAMESPACE}><EncodingType>url</EncodingType>{CONTENTS}</ListBucketResult>"),
        (200, f"<ListBucketResult>{CONTENTS}</ListBucketResult>"),
        (200, f"<?xml version='1.0' encoding='UTF-8'?>\n<ListBucketResult>{CONTENTS}</ListBucketResult>"),
        (200, "<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>"),
        (200, "<ListBucketResult><IsTruncated>true</IsTruncated></ListBucketResult>"),
        (404, "<Error><Code>NoSuchBucket</Code><Message>m</Message></Error>"),
        (403, "<Error><Code>AccessDenied</Code><Message>m</Message></Error>"),
    ],
)
async def test_replies_to_a_listing(wire, status, body):
    ours, theirs = await both(wire, wire.reply(status, body.encode()), listed)
    if status == 200 and "true" in body:  # the words differ
        assert ours[:2] == theirs[:2]
    else:
        assert ours == theirs


@pytest.mark.parametrize(
    "body",
    [
        b"<html>proxy</html>",
        b"<ListBucketResult><Contents></Contents></ListBucketResult>",
        b'<!DOCTYPE a [<!ENTITY b "c">]><ListBucketResult>&b;</ListBucketResult>',
        b"<ListBucketResult>",
        b"",
    ],
)
async def test_a_listing_that_cannot_be_read_is_no_end(wire, body):
    async with (
        wire.serve(wire.answering(wire.reply(200, body))) as served,
        open_cloud(wire.settings_for(served.url, client="wire")) as cloud,
    ):
        told = await facts(listed(cloud))
    assert told[1] == "UnreadableReply"


UNDATED = "<Contents><Key>p/a</Key><Size>3</Size></Contents>"
UNMEASURED = "<Contents><Key>p/a</Key><LastModified>2026-11-20T10:00:00Z</LastModified></Contents>"


@pytest.mark.parametrize(
    ("answer", "call"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", lambda cloud: cloud.objects.get(HERE)),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", lambda cloud: cloud.objects.head(HERE)),
        (
            f"HTTP/1.1 200 OK\r\nLast-Modified: {DATE}\r\n\r\n".encode(),
            lambda cloud: cloud.objects.head(HERE),
        ),
        (raw_server.reply(200, f"<ListBucketResult>{UNDATED}</ListBucketResult>".encode()), listed),
        (raw_server.reply(200, f"<ListBucketResult>{UNMEASURED}</ListBucketResult>".encode()), listed),
        (
            raw_server.reply(200, b'{"Messages": [{"ReceiptHandle": "r"}]}'),
            lambda cloud: cloud.queue(URL).receive(wait_s=0),
        ),
        (
            raw_server.reply(200, b'{"Messages": [{"Body": "b"}]}'),
            lambda cloud: cloud.queue(URL).receive(wait_s=0),
        ),
    ],
    ids=["get", "head", "head, no size", "list", "list, no size", "receive, no body", "receive, no receipt"],
)
async def test_a_success_that_lacks_what_it_must_say_is_unreadable(wire, answer, call):
    ours, theirs = await both(wire, answer, call)
    assert ours[:2] == theirs[:2] == (Phase.EXCHANGE, "UnreadableReply")


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, b"<Error><Code>InternalError</Code><Message>m</Message></Error>"),
        (200, b"<CompleteMultipartUploadResult></CompleteMultipartUploadResult>"),
        (412, b"<Error><Code>PreconditionFailed</Code><Message>m</Message></Error>"),
        (409, b"<Error><Code>ConditionalRequestConflict</Code><Message>m</Message></Error>"),
    ],
)
async def test_replies_to_the_end_of_an_upload(wire, status, body):
    told = []
    created = b"<InitiateMultipartUploadResult><UploadId>u</UploadId></InitiateMultipartUploadResult>"
    for client in ("wire", "aiobotocore"):
        answers = [wire.reply(200, created), wire.reply(200, ETag='"p"'), wire.reply(status, body)]
        async with (
            wire.serve(wire.answering(*answers)) as served,
            open_cloud(wire.settings_for(served.url, client=client)) as cloud,
        ):
            upload = await cloud.objects.begin_upload(HERE)
            await upload.put_part(1, b"x")
            told.append(await facts(upload.complete()))
    ours, theirs = told
    assert ours[:2] == theirs[:2]
