"""Large objects: how they are cut, how many parts are under way, and that nothing is left behind."""

from __future__ import annotations

import asyncio
from collections import Counter
from itertools import pairwise

import anyio
import pytest
from botocore.exceptions import ClientError
from support.settings import aws_settings

from fanout.aws.parts import cut, upload_whole
from fanout.aws.sdk.multipart import SdkUpload
from fanout.domain.location import Location
from fanout.errors import CallError, Phase

MIB = 1024 * 1024
HERE = Location("bucket", "key")
SETTINGS = aws_settings(part_bytes=10, parts_at_once=4, call_timeout_s=5.0)


def refusal(code, status=500):
    return ClientError({"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}, "x")


class FakeS3:
    """The four calls of an upload; `fail` maps a call (and part number) to what it raises."""

    def __init__(self, fail=None, complete=None):
        self.calls = Counter()
        self.parts = {}
        self.under_way = self.most_under_way = 0
        self.completed = None
        self.fail = fail or {}
        self.complete = {"ETag": '"whole"'} if complete is None else complete
        self.hold = None

    async def create_multipart_upload(self, **told):
        self.calls["create"] += 1
        self.told = told
        return {"UploadId": "u"}

    async def upload_part(self, *, Bucket, Key, UploadId, PartNumber, Body, ChecksumCRC32):  # noqa: N803
        self.calls["part"] += 1
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)
        try:
            await (self.hold.wait() if self.hold else asyncio.sleep(0))
            if PartNumber in self.fail:
                raise self.fail[PartNumber]
        finally:
            self.under_way -= 1
        self.parts[PartNumber] = (Body, ChecksumCRC32)
        return {"ETag": f'"{PartNumber}"'}

    async def complete_multipart_upload(self, *, Bucket, Key, UploadId, MultipartUpload):  # noqa: N803
        self.calls["complete"] += 1
        if "complete" in self.fail:
            raise self.fail["complete"]
        self.completed = MultipartUpload["Parts"]
        return self.complete

    async def abort_multipart_upload(self, **_):
        await asyncio.sleep(0)  # where a cancellation that is not shielded off would strike
        self.calls["abort"] += 1
        if "abort" in self.fail:
            raise self.fail["abort"]


async def put(s3, body, *, content_type=None):
    upload = await SdkUpload.begin(
        s3, HERE, settings=SETTINGS, content_type=content_type, metadata=None, tags=None, if_none_match=None
    )
    return await upload_whole(upload, body, settings=SETTINGS)


@pytest.mark.asyncio
async def test_parts_are_uploaded_four_at_a_time_and_completed_in_order():
    s3, body = FakeS3(), bytes(range(95))
    assert await put(s3, body, content_type="text/csv") == '"whole"'
    assert b"".join(s3.parts[number][0] for number in range(1, 11)) == body
    assert s3.most_under_way == 4
    assert [part["PartNumber"] for part in s3.completed] == list(range(1, 11))
    assert s3.completed[9] == {"PartNumber": 10, "ETag": '"10"', "ChecksumCRC32": s3.parts[10][1]}
    assert s3.told == {
        "Bucket": "bucket",
        "Key": "key",
        "ContentType": "text/csv",
        "ChecksumAlgorithm": "CRC32",
    }
    assert s3.calls == {"create": 1, "part": 10, "complete": 1}


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("step", "calls"),
    [(3, {"create", "part", "abort"}), ("complete", {"create", "part", "complete", "abort"})],
)
async def test_a_failed_step_aborts_and_is_what_is_raised(step, calls):
    s3 = FakeS3(fail={step: refusal("InternalError")})
    with pytest.raises(CallError) as caught:
        await put(s3, bytes(95))
    assert (caught.value.phase, caught.value.code) == (Phase.REPLY, "InternalError")
    assert set(s3.calls) == calls
    assert s3.calls["part"] <= 10


@pytest.mark.asyncio
async def test_a_failed_part_stops_the_others():
    s3 = FakeS3(fail={1: refusal("SlowDown", 503)})
    with pytest.raises(CallError):
        await put(s3, bytes(10_000))
    assert s3.calls["part"] <= 8  # of 1,000
    assert s3.under_way == 0


@pytest.mark.asyncio
async def test_a_completion_that_says_nothing_is_unreadable():
    s3 = FakeS3(complete={"ResponseMetadata": {"HTTPStatusCode": 200}})
    with pytest.raises(CallError) as caught:
        await put(s3, bytes(20))
    assert (caught.value.phase, caught.value.code) == (Phase.EXCHANGE, "UnreadableReply")
    assert s3.calls["abort"] == 1


@pytest.mark.asyncio
async def test_a_failing_abort_hides_no_error(caplog):
    s3 = FakeS3(fail={1: refusal("SlowDown", 503), "abort": refusal("InternalError")})
    with pytest.raises(CallError, match="SlowDown"):
        await put(s3, bytes(20))
    assert [record.getMessage() for record in caplog.records if record.name.startswith("fanout")] == [
        "multipart upload u of s3://bucket/key is left behind: s3:AbortMultipartUpload: InternalError"
    ]


@pytest.mark.asyncio
async def test_cancellation_aborts_the_upload():
    s3 = FakeS3()
    s3.hold = asyncio.Event()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(put, s3, bytes(95))
        while s3.under_way < 4:
            await asyncio.sleep(0)
        tasks.cancel_scope.cancel()
    assert s3.calls == {"create": 1, "part": 4, "abort": 1}


@pytest.mark.asyncio
async def test_s3_may_fail_a_completion_inside_a_200(wire):
    created = b"<InitiateMultipartUploadResult><UploadId>u</UploadId></InitiateMultipartUploadResult>"
    failed = b'<?xml version="1.0"?>\n<Error><Code>InternalError</Code><Message>m</Message></Error>'
    answers = [
        wire.reply(200, created),
        wire.reply(200, b"", ETag='"1"'),
        wire.reply(200, failed),
        wire.reply(204),
    ]
    async with wire.cloud_against(wire.answering(*answers), multipart_bytes=5) as (cloud, server):
        with pytest.raises(CallError) as caught:
            await cloud.objects.put(HERE, b"hello")
    assert (caught.value.phase, caught.value.code) == (Phase.REPLY, "InternalError")
    assert [request.method for request in server.requests] == ["POST", "PUT", "POST", "DELETE"]


@pytest.mark.parametrize(
    ("size", "parts", "first"),
    [
        (1, 1, 1),
        (8 * MIB, 1, 8 * MIB),
        (16 * MIB + 1, 3, 8 * MIB),
        (80_000 * MIB, 10_000, 8 * MIB),
        (80_000 * MIB + 1, 8_889, 9 * MIB),
    ],
)
def test_cut_covers_everything_in_at_most_10_000_parts(size, parts, first):
    cuts = list(cut(size, part_bytes=8 * MIB))
    assert len(cuts) == parts
    assert cuts[0] == (1, 0, first)
    assert cuts[-1][2] == size
    assert all(before[2] == after[1] for before, after in pairwise(cuts))
