"""One call, made by both clients of the data plane: the same request reaches the server."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import xml.etree.ElementTree as ET

import pytest

from fanout.aws.session import open_cloud
from fanout.domain.location import Location
from fanout.domain.records import Message, Options
from fanout.errors import Phase

pytestmark = pytest.mark.asyncio
DATE = "Fri, 20 Nov 2026 10:00:00 GMT"
URL = "https://sqs.us-east-1.amazonaws.com/123456789012/q"
OWN = frozenset({
    "authorization", "x-amz-date", "user-agent", "expect", "accept", "accept-encoding", "connection",
    "amz-sdk-invocation-id", "amz-sdk-request", "content-length",
})  # fmt: skip
"""What each client may say in its own way; signatures are verified by the simulator, in the contract suite."""


async def requests(wire, answer, call, **settings):
    """Return the request of each client as (method, target, headers, body)."""
    async with wire.serve(wire.answering(answer)) as served:
        for client in ("wire", "aiobotocore"):
            async with open_cloud(wire.settings_for(served.url, client=client, **settings)) as cloud:
                await call(cloud)
        ours, theirs = (
            (
                *(request.method, request.target),
                *({name: request.headers[name] for name in request.headers.keys() - OWN}, request.body),
            )
            for request in served.requests
        )
        assert served.requests[0].headers["user-agent"].startswith("fanout/")
        return ours, theirs


OPTIONS = Options(
    content_type="text/csv; charset=utf-8",
    accept="application/json",
    custom_attributes="a=b  c",
    ttl_s=60,
    invocation_timeout_s=900,
)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"body": b""},
        {"body": b"x" * 128_000},
        {"options": OPTIONS},
        {"body": None, "input_location": "s3://in/a  key", "options": OPTIONS},
        {"body": None, "input_location": "s3://in/\u00e4"},
    ],
)
async def test_invocations(wire, changes):
    invocation = dataclasses.replace(wire.invocation, **changes)
    ours, theirs = await requests(wire, wire.accepted, lambda cloud: cloud.invoker.invoke(invocation))
    assert ours == theirs
    assert ours[3] == (invocation.body or b"")


@pytest.mark.parametrize(
    "key", ["a/key", "a b+c%20/\u00e4\u20ac", "~a'()*!;:@&=$,?#[]", "a//b/../c/./d", "/lead", "end/"]
)
async def test_objects_of_odd_names(wire, key):
    here = Location("bucket", key)
    found, stored = wire.reply(200, b"hello", Last_Modified=DATE), wire.reply(200, ETag='"1"')
    for answer, call in (
        (found, lambda cloud: cloud.objects.get(here)),
        (stored, lambda cloud: cloud.objects.put(here, b"hello", content_type="text/csv")),
    ):
        ours, theirs = await requests(wire, answer, call)
        assert ours == theirs


async def test_encryption_owner_and_token(wire):
    found, stored = wire.reply(200, b"hello", Last_Modified=DATE), wire.reply(200, ETag='"1"')
    settings = {"kms_key_id": "key-1", "bucket_owner": "123456789012", "session_token": "token"}
    here = Location("bucket", "key")
    for answer, call in (
        (found, lambda cloud: cloud.objects.get(here)),
        (stored, lambda cloud: cloud.objects.put(here, b"hello")),
        (stored, lambda cloud: cloud.objects.put(here, b"")),
    ):
        ours, theirs = await requests(wire, answer, call, **settings)
        assert ours == theirs
        assert ours[2]["x-amz-expected-bucket-owner"] == "123456789012"
        assert ours[2]["x-amz-security-token"] == "token"


NAMED = {"metadata": {"run": "abc"}, "content_type": "text/csv"}


@pytest.mark.parametrize(
    "call",
    [
        lambda cloud, here: cloud.objects.read(here, start=5, size_bytes=5, etag='"1"'),
        lambda cloud, here: cloud.objects.read(here, start=0, size_bytes=5, etag=""),
    ],
)
async def test_ranges(wire, call):
    answer = wire.reply(206, b"hello", Last_Modified=DATE, ETag='"1"', Content_Range="bytes 5-9/10")
    here = Location("bucket", "a b+c%20/\u00e4")
    ours, theirs = await requests(
        wire, answer, lambda cloud: call(cloud, here), bucket_owner="123456789012", session_token="token"
    )
    ours[2].pop("x-amz-content-sha256")  # aiobotocore signs it, too, and names it where it must
    theirs[2].pop("x-amz-content-sha256")
    theirs[2].pop("x-amz-checksum-mode", None)  # of a range there is no checksum
    assert ours == theirs


@pytest.mark.parametrize(
    "told",
    [{"if_none_match": "*"}, {"if_match": '"1"'}, {"metadata": {"run": "abc"}}, {**NAMED, "if_match": '"1"'}],
)
async def test_writes_on_a_condition_and_with_metadata(wire, told):
    here = Location("bucket", "a b+c%20/\u00e4")
    ours, theirs = await requests(
        wire,
        wire.reply(200, ETag='"1"'),
        lambda cloud: cloud.objects.put(here, b"hello", **told),
        bucket_owner="123456789012",
        kms_key_id="key-1",
    )
    assert ours == theirs


async def test_deletes(wire):
    keys = [Location("bucket", key) for key in ("a", "b<&>\u00e4", "c d+")]
    answer = wire.reply(200, b"<DeleteResult></DeleteResult>")
    ours, theirs = await requests(
        wire, answer, lambda cloud: cloud.objects.delete(keys), bucket_owner="123456789012"
    )
    assert (ours[0], ours[1].rstrip("=")) == (theirs[0], theirs[1])
    assert read_xml(ours[3]) == read_xml(theirs[3])
    assert "x-amz-checksum-crc32" in ours[2].keys() & theirs[2].keys()


async def test_listings(wire):
    answer = wire.reply(200, b"<ListBucketResult></ListBucketResult>")

    async def call(cloud):
        assert [page async for page in cloud.objects.list("bucket", "a b+/\u00e4&=")] == []

    ours, theirs = await requests(wire, answer, call, bucket_owner="123456789012")
    assert sorted(ours[1].partition("?")[2].split("&")) == sorted(theirs[1].partition("?")[2].split("&"))
    ours[2].pop("x-amz-content-sha256"), theirs[2].pop("x-amz-content-sha256")
    assert (ours[0], ours[1].partition("?")[0], ours[2]) == (
        theirs[0],
        theirs[1].partition("?")[0],
        theirs[2],
    )


async def test_uploads_in_parts(wire):
    created = b"<InitiateMultipartUploadResult><UploadId>a/b c</UploadId></InitiateMultipartUploadResult>"
    done = b"<CompleteMultipartUploadResult><ETag>w</ETag></CompleteMultipartUploadResult>"
    here = Location("bucket", "a b+c%20/\u00e4")
    told = []
    for client in ("wire", "aiobotocore"):
        answers = [
            wire.reply(200, created),
            wire.reply(200, ETag='"p"'),
            wire.reply(200, done),
            wire.reply(204),
        ]
        async with wire.serve(wire.answering(*answers)) as served:
            settings = wire.settings_for(
                served.url, client=client, kms_key_id="key-1", bucket_owner="123456789012"
            )
            async with open_cloud(settings) as cloud:
                upload = await cloud.objects.begin_upload(here, if_none_match="*", **NAMED)
                await upload.put_part(1, b"hello")
                assert await upload.complete() == "w"
                await upload.abort()
            told.append(
                [
                    (
                        *(request.method, in_order(request.target.replace("uploads=", "uploads"))),
                        {
                            name: request.headers[name]
                            for name in request.headers.keys()
                            - OWN
                            - {"content-type", "host", "x-amz-content-sha256"}
                        },
                        read_xml(request.body) if request.method == "POST" and request.body else request.body,
                    )
                    for request in served.requests
                ]
            )
    ours, theirs = told
    assert ours == theirs


def in_order(target):
    path, _, query = target.partition("?")
    return path, sorted(query.split("&"))


def read_xml(body):
    """Return a document's elements as sorted (name, text), without namespaces."""
    return sorted((each.tag.rpartition("}")[2], each.text or "") for each in ET.fromstring(body).iter())


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"encryption": "AES256"}, {"x-amz-server-side-encryption": "AES256"}),
        (
            {"encryption": "aws:kms", "bucket_key": True},
            {
                "x-amz-server-side-encryption": "aws:kms",
                "x-amz-server-side-encryption-bucket-key-enabled": "true",
            },
        ),
        (
            {"kms_key_id": "key-1", "bucket_key": False},
            {
                "x-amz-server-side-encryption": "aws:kms",
                "x-amz-server-side-encryption-aws-kms-key-id": "key-1",
                "x-amz-server-side-encryption-bucket-key-enabled": "false",
            },
        ),
        ({"request_payer": "requester"}, {"x-amz-request-payer": "requester"}),
    ],
)
async def test_how_uploads_are_kept_and_paid_for(wire, settings, told):
    stored, here = wire.reply(200, ETag='"1"'), Location("bucket", "key")
    ours, theirs = await requests(wire, stored, lambda cloud: cloud.objects.put(here, b"hello"), **settings)
    assert ours == theirs
    assert told.items() <= ours[2].items()
    kept = {name for name in ours[2] if "encryption" in name or "tagging" in name or "payer" in name}
    assert kept == told.keys()


async def test_tags(wire):
    tags = {"team": "a b+c", "cost:center": "x=y/z@1"}
    stored, here = wire.reply(200, ETag='"1"'), Location("bucket", "key")
    ours, theirs = await requests(wire, stored, lambda cloud: cloud.objects.put(here, b"hello", tags=tags))
    assert ours == theirs
    assert ours[2]["x-amz-tagging"] == "team=a%20b%2Bc&cost%3Acenter=x%3Dy%2Fz%401"


async def test_every_call_about_a_bucket_names_the_payer(wire):
    found, here = wire.reply(200, b"hello", Last_Modified=DATE), Location("bucket", "key")
    head = f"HTTP/1.1 200 OK\r\nContent-Length: 7\r\nLast-Modified: {DATE}\r\n\r\n".encode()

    async def page(cloud):
        return [page async for page in cloud.objects.list("bucket", "p")]

    for client in ("wire", "aiobotocore"):
        for answer, call in (
            (found, lambda cloud: cloud.objects.get(here)),
            (head, lambda cloud: cloud.objects.head(here)),
            (wire.reply(200, b"<DeleteResult/>"), lambda cloud: cloud.objects.delete([here])),
            (wire.reply(200, b"<ListBucketResult/>"), page),
        ):
            settings = {"client": client, "request_payer": "requester"}
            async with wire.cloud_against(wire.answering(answer), **settings) as (cloud, served):
                await call(cloud)
            assert [each.headers["x-amz-request-payer"] for each in served.requests] == ["requester"]


async def test_an_upload_in_parts_is_kept_alike_and_every_step_names_the_payer(wire):
    answers = [
        wire.reply(
            200, b"<InitiateMultipartUploadResult><UploadId>u</UploadId></InitiateMultipartUploadResult>"
        ),
        wire.reply(200, ETag='"p"'),
        wire.reply(200, ETag='"p"'),
        wire.reply(200, b"<CompleteMultipartUploadResult><ETag>e</ETag></CompleteMultipartUploadResult>"),
    ]
    settings = {"multipart_bytes": 10, "part_bytes": 6, "parts_at_once": 1, "request_payer": "requester"}
    async with wire.cloud_against(wire.answering(*answers), encryption="AES256", **settings) as (
        cloud,
        served,
    ):
        await cloud.objects.put(Location("bucket", "key"), b"0123456789", tags={"team": "x"})
        assert len(served.requests) == 4
        begun = served.requests[0].headers
        assert (begun["x-amz-server-side-encryption"], begun["x-amz-tagging"]) == ("AES256", "team=x")
        assert {each.headers["x-amz-request-payer"] for each in served.requests} == {"requester"}


async def test_a_head(wire):
    answer = f"HTTP/1.1 200 OK\r\nContent-Length: 7\r\nLast-Modified: {DATE}\r\n\r\n".encode()
    here = Location("bucket", "key")
    ours, theirs = await requests(wire, answer, lambda cloud: cloud.objects.head(here))
    assert ours == theirs
    assert ours[0] == "HEAD"


async def test_polls_and_deletes(wire):
    for call, answer in (
        (lambda cloud: cloud.queue(URL).receive(max_messages=50, wait_s=0.2), b"{}"),
        (lambda cloud: cloud.queue(URL).delete(["r0", "r1"]), b'{"Successful": []}'),
    ):
        ours, theirs = await requests(wire, wire.reply(200, answer), call)
        assert ours[:3] == theirs[:3]
        assert json.loads(ours[3]) == json.loads(theirs[3])


async def test_a_large_object_goes_up_in_parts(wire):
    answers = [
        wire.reply(
            200, b"<InitiateMultipartUploadResult><UploadId>u/+1</UploadId></InitiateMultipartUploadResult>"
        ),
        wire.reply(200, ETag='"p"'),
        wire.reply(200, ETag='"p"'),
        wire.reply(200, b"<CompleteMultipartUploadResult><ETag>e</ETag></CompleteMultipartUploadResult>"),
    ]
    settings = {"multipart_bytes": 10, "part_bytes": 6, "parts_at_once": 1}
    async with wire.cloud_against(wire.answering(*answers), **settings) as (cloud, served):
        assert await cloud.objects.put(Location("bucket", "key"), b"0123456789") == "e"
    assert [(request.method, request.target) for request in served.requests] == [
        ("POST", "/bucket/key?uploads="),
        ("PUT", "/bucket/key?partNumber=1&uploadId=u%2F%2B1"),
        ("PUT", "/bucket/key?partNumber=2&uploadId=u%2F%2B1"),
        ("POST", "/bucket/key?uploadId=u%2F%2B1"),
    ]
    parts = served.requests[1:3]
    assert [request.body for request in parts] == [b"012345", b"6789"]
    assert {len(request.headers["x-amz-checksum-crc32"]) for request in parts} == {8}


async def test_an_empty_payload_has_a_length(wire):
    async with wire.cloud_against(wire.answering(wire.accepted)) as (cloud, served):
        await cloud.invoker.invoke(dataclasses.replace(wire.invocation, body=b""))
    assert served.requests[0].headers["content-length"] == "0"


async def test_a_newline_in_a_header_is_the_rows_fault_and_is_not_sent(wire):
    async with wire.cloud_against(wire.answering(wire.accepted)) as (cloud, served):
        for options in (Options(custom_attributes="a\r\nx: y"), Options(content_type="a\r\nx: y")):
            error = await wire.failure(
                cloud.invoker.invoke(dataclasses.replace(wire.invocation, options=options))
            )
            assert (error.phase, error.code, error.status) == (Phase.REPLY, "ParamValidation", 400)
        assert served.requests == []


@pytest.mark.parametrize(
    "body", [b"", b"[1]", b'{"InferenceId": "abcd', b'{"InferenceId": "other"}', b"<html>"]
)
async def test_a_202_that_does_not_say_what_it_must_leaves_it_open(wire, body):
    answer = wire.reply(202, body, **{"X-Amzn-SageMaker-OutputLocation": "s3://out/1"})
    async with wire.cloud_against(wire.answering(answer)) as (cloud, _):
        error = await wire.failure(cloud.invoker.invoke(wire.invocation))
    assert (error.phase, error.code, error.status) == (Phase.EXCHANGE, "UnreadableReply", 202)


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nLast-Modified: %b\r\n\r\nhel" % DATE.encode(),
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nLast-Modified: %b\r\n\r\nhel" % DATE.encode(),
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
    ],
    ids=["no length", "cut off", "no date"],
)
async def test_an_object_that_is_not_whole_is_none(wire, answer):
    async def script(peer):
        await peer.read()
        await peer.send(answer)

    async with wire.cloud_against(script) as (cloud, _):
        error = await wire.failure(cloud.objects.get(Location("bucket", "key")))
    assert error.phase is Phase.EXCHANGE


@pytest.mark.parametrize(
    "body", [b"", b"[]", b'{"Messages": [{"Body": "b"}]}', b'{"Messages": [1]}', b"<html>"]
)
async def test_a_poll_that_cannot_be_read_is_no_empty_one(wire, body):
    async with wire.cloud_against(wire.answering(wire.reply(200, body))) as (cloud, _):
        error = await wire.failure(cloud.queue(URL).receive(wait_s=0))
    assert (error.phase, error.code) == (Phase.EXCHANGE, "UnreadableReply")


async def test_messages_and_nothing_to_delete(wire):
    found = {"Messages": [{"MessageId": "1", "Body": "b", "ReceiptHandle": "r"}]}
    async with wire.cloud_against(wire.answering(wire.reply(200, json.dumps(found).encode()))) as (
        cloud,
        served,
    ):
        assert await cloud.queue(URL).receive() == [Message("b", "r")]
        assert await cloud.queue(URL).delete([]) == []
    assert len(served.requests) == 1


async def test_a_long_poll_may_take_its_wait_and_the_bound_of_a_call(wire):
    async def silent(peer):
        await peer.read()
        await peer.gone()

    async with wire.cloud_against(silent, call_timeout_s=0.5) as (cloud, served):
        now = asyncio.get_running_loop().time
        asked = now()
        poll = asyncio.create_task(cloud.queue(URL).receive(wait_s=20))
        while not served.requests:
            await asyncio.sleep(0)
        channel = cloud._data_plane._channels["sqs"].known(URL)
        (connection,) = channel.pool._all
        assert asked + 20.5 <= connection._deadline <= now() + 20.5, "not the half second of a call"
        poll.cancel()
        assert (await wire.failure(cloud.queue(URL).receive(wait_s=0))).code == "CallTimeout"


async def test_many_kinds_of_rows_keep_few_templates(wire):
    async with wire.cloud_against(wire.answering(wire.accepted)) as (cloud, served):
        for number in range(300):
            options = Options(accept=f"a/{number}", custom_attributes=f"{number}")
            await cloud.invoker.invoke(dataclasses.replace(wire.invocation, options=options))
        assert len(cloud.invoker._templates) <= 256
    assert [request.headers["x-amzn-sagemaker-accept"] for request in served.requests] == [
        f"a/{number}" for number in range(300)
    ]
