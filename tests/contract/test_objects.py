"""`ports.ObjectStore`, on every cloud."""

from __future__ import annotations

import hashlib
import time

import anyio
import pytest
from support.settings import KEEPING, aws_settings

from fanout.domain.location import Location
from fanout.errors import CallError, Phase
from fanout.simulator.objects import Flaw

pytestmark = pytest.mark.asyncio(loop_scope="module")

ODD_KEYS = [
    "a b",
    "plus+plus",
    "per%20cent",
    "%2F",
    "tilde~quote'\"`",
    "semi;colon:at@equals=dollar$comma,",
    "question?x=1&y=2",
    "hash#1",
    "less<than>amp&amp;",
    "back\\slash|pipe^caret{brace}[bracket]",
    "double//slash",
    "dots/../and/./dots",
    "ünïcode/雪/☃/😀",
    "trailing/",
]


def at(harness, run, name="key"):
    return Location(harness.bucket, f"contract/{run}/{name}")


async def keys(harness, prefix):
    return [
        info.location.key
        async for page in harness.cloud.objects.list(harness.bucket, prefix)
        for info in page
    ]


@pytest.mark.parametrize("body", [b"", b"\x00", b"hello", bytes(range(256)) * 1000])
async def test_what_is_put_is_what_is_got(storage, run, body):
    here = at(storage, run)
    before = time.time()
    await storage.cloud.objects.put(here, body, content_type="application/x-test")
    found = await storage.cloud.objects.get(here)
    assert (found.body, found.content_type) == (body, "application/x-test")
    assert before - 5.0 <= found.modified_at <= time.time() + 5.0  # S3's clock counts whole seconds


async def test_a_large_object_goes_up_in_parts_and_comes_back_whole(storage, run):
    size_bytes = aws_settings().multipart_bytes + 1
    body = hashlib.shake_128(run.encode()).digest(size_bytes)
    here = at(storage, run)
    await storage.cloud.objects.put(here, body, content_type="application/x-test")
    found = await storage.cloud.objects.get(here)
    assert hashlib.sha256(found.body).digest() == hashlib.sha256(body).digest()
    assert found.content_type == "application/x-test"
    info = await storage.cloud.objects.head(here)
    assert info is not None
    assert info.size_bytes == size_bytes
    await storage.cloud.objects.delete([here])


async def test_a_repeated_put_replaces(storage, run):
    here = at(storage, run)
    await storage.cloud.objects.put(here, b"first")
    await storage.cloud.objects.put(here, b"second")
    assert (await storage.cloud.objects.get(here)).body == b"second"
    assert await keys(storage, here.key) == [here.key]


async def test_a_missing_object(storage, run):
    here = at(storage, run)
    with pytest.raises(CallError) as caught:
        await storage.cloud.objects.get(here)
    error = caught.value
    assert (error.phase, error.code, error.status, error.missing) == (Phase.REPLY, "NoSuchKey", 404, True)
    assert await storage.cloud.objects.head(here) is None


async def test_a_missing_bucket(storage, run):
    nowhere = Location(f"missing-{run}", "key")
    for call in (storage.cloud.objects.get(nowhere), storage.cloud.objects.put(nowhere, b"x")):
        with pytest.raises(CallError) as caught:
            await call
        error = caught.value
        assert (error.phase, error.code, error.status) == (Phase.REPLY, "NoSuchBucket", 404)


async def test_head_tells_size_and_time(storage, run):
    here = at(storage, run)
    await storage.cloud.objects.put(here, b"seven b")
    info = await storage.cloud.objects.head(here)
    assert info is not None
    assert (info.location, info.size_bytes) == (here, 7)
    assert info.modified_at == (await storage.cloud.objects.get(here)).modified_at
    assert info.seen_at is not None, "whatever our clock says"
    assert -1.0 <= info.seen_at - info.modified_at < 60.0


async def test_delete_removes_what_is_named_and_minds_nothing_missing(storage, run):
    first, second, third, missing = (at(storage, run, name) for name in ("1", "2", "3", "missing"))
    for location in (first, second, third):
        await storage.cloud.objects.put(location, b"x")
    assert list(await storage.cloud.objects.delete([first, missing, third])) == []
    assert await keys(storage, f"contract/{run}/") == [second.key]


async def test_keys_may_hold_any_character(storage, run):
    locations = [at(storage, run, name) for name in ODD_KEYS]
    for location in locations:
        await storage.cloud.objects.put(location, location.key.encode())
    for location in locations:
        assert (await storage.cloud.objects.get(location)).body == location.key.encode()
        assert await storage.cloud.objects.head(location) is not None
    assert await keys(storage, f"contract/{run}/") == sorted(location.key for location in locations)
    assert list(await storage.cloud.objects.delete(locations)) == []
    assert await keys(storage, f"contract/{run}/") == []


async def test_a_listing_is_what_stands_below_the_prefix_in_key_order(storage, run):
    for name in ("b/2", "a/10", "a/9", "ab"):
        await storage.cloud.objects.put(at(storage, run, name), name.encode())
    pages = [page async for page in storage.cloud.objects.list(storage.bucket, f"contract/{run}/a")]
    assert [(info.location, info.size_bytes) for page in pages for info in page] == [
        (at(storage, run, "a/10"), 4),
        (at(storage, run, "a/9"), 3),
        (at(storage, run, "ab"), 2),
    ]
    head = await storage.cloud.objects.head(at(storage, run, "ab"))
    assert head is not None
    # A listing gives milliseconds or seconds, a HEAD seconds.
    assert pages[-1][-1].modified_at == pytest.approx(head.modified_at, abs=1.0)


async def test_an_empty_listing_has_no_page(storage, run):
    assert [page async for page in storage.cloud.objects.list(storage.bucket, f"contract/{run}/")] == []


async def test_a_listing_of_a_missing_bucket_is_refused(storage, run):
    with pytest.raises(CallError) as caught:
        await keys_of_missing(storage, run)
    assert (caught.value.phase, caught.value.code) == (Phase.REPLY, "NoSuchBucket")


async def keys_of_missing(harness, run):
    return [page async for page in harness.cloud.objects.list(f"missing-{run}", "")]


@pytest.mark.parametrize(
    ("flaw", "error", "told"),
    [
        (Flaw.KEY_DISABLED, (Phase.REPLY, "KMS.DisabledException", 400), True),
        (Flaw.ARCHIVED, (Phase.REPLY, "InvalidObjectState", 403), True),
        (Flaw.DENIED, (Phase.REPLY, "AccessDenied", 403), False),
        (Flaw.CUT_OFF, (Phase.EXCHANGE, "IncompleteBody", None), True),
    ],
)
async def test_an_object_that_can_never_be_read(inference, run, flaw, error, told):
    """Only of the simulator, which shows what S3 says: no test archives objects."""
    if inference.world is None:
        pytest.skip("needs objects with flaws")
    here = Location(inference.bucket, f"contract/{run}/key")
    body = b"x" * 200_000
    inference.world.objects.put(*here, body, content_type=None, now=time.time(), flaw=flaw)
    with pytest.raises(CallError) as caught:
        await inference.cloud.objects.get(here)
    phase, code, status = error
    assert (caught.value.phase, caught.value.code) == (phase, code)
    assert status is None or caught.value.status == status
    info = await inference.cloud.objects.head(here)
    assert (info is not None) is told
    assert info is None or (info.location, info.size_bytes) == (here, len(body))
    assert await keys(inference, here.key) == [here.key], "listings show it"


async def test_pages_hold_a_thousand_keys_and_may_be_left_early(inference, run):
    wanted = [f"contract/{run}/{number:05d}" for number in range(2_001)]
    if inference.world is None:
        for key in wanted:
            await inference.cloud.objects.put(Location(inference.bucket, key), b"")
    else:
        for key in wanted:
            inference.world.objects.put(inference.bucket, key, b"", content_type=None, now=time.time())
    sizes, found = [], []
    async for page in inference.cloud.objects.list(inference.bucket, f"contract/{run}/"):
        sizes.append(len(page))
        found += [info.location.key for info in page]
    assert (sizes, found) == ([1_000, 1_000, 1], wanted)
    async for page in inference.cloud.objects.list(inference.bucket, f"contract/{run}/"):
        assert page[0].location.key == wanted[0]
        break
    for start in range(0, 2_001, 1_000):
        batch = [Location(inference.bucket, key) for key in wanted[start : start + 1_000]]
        assert list(await inference.cloud.objects.delete(batch)) == []


async def refused(call):
    with pytest.raises(CallError) as caught:
        await call
    assert caught.value.phase is Phase.REPLY
    return caught.value.code, caught.value.status


async def test_every_version_has_an_etag_that_all_calls_tell_alike(storage, run):
    here = at(storage, run)
    first = await storage.cloud.objects.put(here, b"first")
    etag = await storage.cloud.objects.put(here, b"second")
    assert etag.startswith('"')
    assert etag not in {"", first}
    info = await storage.cloud.objects.head(here)
    assert info is not None
    assert info.etag == etag
    pages = [page async for page in storage.cloud.objects.list(storage.bucket, here.key)]
    assert [listed.etag for page in pages for listed in page] == [etag]


async def test_a_range_is_read_of_the_version_that_is_named(storage, run):
    here = at(storage, run)
    body = bytes(range(256))
    etag = await storage.cloud.objects.put(here, body)

    def read(start, size_bytes, etag=etag):
        return storage.cloud.objects.read(here, start=start, size_bytes=size_bytes, etag=etag)

    assert await read(0, 10) == body[:10]
    assert await read(100, 56) == body[100:156]
    assert await read(250, 100) == body[250:]
    assert await read(0, 10_000, etag="") == body
    assert await refused(read(256, 1)) == ("InvalidRange", 416)
    await storage.cloud.objects.put(here, body[::-1])
    assert await refused(read(0, 10)) == ("PreconditionFailed", 412)
    await storage.cloud.objects.delete([here])
    assert await refused(read(0, 10)) == ("NoSuchKey", 404)


async def test_an_object_is_put_only_where_none_stands(storage, run):
    here = at(storage, run)
    etag = await storage.cloud.objects.put(here, b"mine", if_none_match="*")
    again = storage.cloud.objects.put(here, b"theirs", if_none_match="*", content_type="text/plain")
    assert await refused(again) == ("PreconditionFailed", 412)
    assert (await storage.cloud.objects.get(here)).body == b"mine"
    info = await storage.cloud.objects.head(here)
    assert info is not None
    assert info.etag == etag


async def test_an_object_is_replaced_only_as_long_as_it_is_the_one_that_was_seen(storage, run):
    here = at(storage, run)
    first = await storage.cloud.objects.put(here, b"1")
    second = await storage.cloud.objects.put(here, b"2", if_match=first)
    assert await refused(storage.cloud.objects.put(here, b"3", if_match=first)) == ("PreconditionFailed", 412)
    assert (await storage.cloud.objects.get(here)).body == b"2"
    await storage.cloud.objects.delete([here])
    assert await refused(storage.cloud.objects.put(here, b"3", if_match=second)) == ("NoSuchKey", 404)


async def test_metadata_is_told_by_head(storage, run):
    here = at(storage, run)
    await storage.cloud.objects.put(here, b"x", metadata={"run": "abc", "rows": "3"}, content_type="text/csv")
    info = await storage.cloud.objects.head(here)
    assert info is not None
    assert dict(info.metadata) == {"run": "abc", "rows": "3"}
    assert (await storage.cloud.objects.get(here)).content_type == "text/csv"


MIB = 1024 * 1024


async def test_an_upload_in_parts_is_invisible_until_it_is_complete(storage, run):
    here = at(storage, run, "parts ü+")
    body = hashlib.shake_128(run.encode()).digest(11 * MIB)
    upload = await storage.cloud.objects.begin_upload(
        here, content_type="text/csv", metadata={"run": run}, if_none_match="*"
    )
    async with anyio.create_task_group() as parts:
        parts.start_soon(upload.put_part, 3, memoryview(body)[10 * MIB :])
        parts.start_soon(upload.put_part, 1, body[: 5 * MIB])
        parts.start_soon(upload.put_part, 2, memoryview(body)[5 * MIB : 10 * MIB])
    assert await storage.cloud.objects.head(here) is None
    etag = await upload.complete()
    info = await storage.cloud.objects.head(here)
    assert info is not None
    assert (info.size_bytes, info.etag, dict(info.metadata)) == (len(body), etag, {"run": run})
    found = await storage.cloud.objects.get(here)
    assert (hashlib.sha256(found.body).digest(), found.content_type) == (
        hashlib.sha256(body).digest(),
        "text/csv",
    )
    assert (
        await storage.cloud.objects.read(here, start=5 * MIB - 1, size_bytes=2, etag=etag)
        == (body[5 * MIB - 1 : 5 * MIB + 1])
    )
    await upload.abort()  # of one that is complete: harmless
    assert await storage.cloud.objects.head(here) is not None


async def test_an_upload_is_completed_only_where_no_object_stands(storage, run):
    here = at(storage, run)
    upload = await storage.cloud.objects.begin_upload(here, if_none_match="*")
    await upload.put_part(1, b"mine")
    await storage.cloud.objects.put(here, b"theirs")
    assert await refused(upload.complete()) == ("PreconditionFailed", 412)
    await upload.abort()
    assert (await storage.cloud.objects.get(here)).body == b"theirs"


async def test_an_aborted_upload_leaves_nothing(storage, run):
    here = at(storage, run)
    upload = await storage.cloud.objects.begin_upload(here)
    await upload.put_part(1, b"x")
    await upload.abort()
    await upload.abort()
    assert await storage.cloud.objects.head(here) is None
    if storage.world is not None:
        assert storage.world.objects.statistics()["open_uploads"] == 0


@pytest.mark.parametrize("storage", ["memory", "simulator", "simulator-aiobotocore"], indirect=True)
async def test_an_upload_that_may_not_be_aborted_is_said_to_be_left_behind(storage, run, monkeypatch):
    upload = await storage.cloud.objects.begin_upload(at(storage, run))
    assert upload.location == at(storage, run)
    faults = storage.world.faults
    denying = faults.settings.model_copy(update={"denied": frozenset({"AbortMultipartUpload"})})
    with monkeypatch.context() as patch:
        patch.setattr(faults, "settings", denying)
        assert await refused(upload.abort()) == ("AccessDenied", 403)
    await upload.abort()


async def test_an_upload_to_a_missing_bucket_is_refused(storage, run):
    assert await refused(storage.cloud.objects.begin_upload(Location(f"missing-{run}", "k"))) == (
        "NoSuchBucket",
        404,
    )


@pytest.mark.parametrize("size", [1, aws_settings().multipart_bytes + 1], ids=["whole", "in parts"])
async def test_an_upload_is_kept_as_the_settings_say(keeping, run, size):
    """Held against moto's S3 as well as ours: encryption by a key, the bucket's key, tags."""
    here = at(keeping, run)
    tags = {"team": "a b+c", "cost:center": "x=y"}
    await keeping.cloud.objects.put(here, bytes(size), tags=tags)
    place, s3 = {"Bucket": here.bucket, "Key": here.key}, keeping.cloud._clients["s3"]
    told = await s3.head_object(**place)
    assert told["ServerSideEncryption"] == "aws:kms"
    if keeping.name != "moto" or size == 1:  # of an upload in parts, moto forgets the bucket's key
        assert told["BucketKeyEnabled"] is True
    assert told["SSEKMSKeyId"].endswith(KEEPING["kms_key_id"])
    assert (await s3.get_object_tagging(**place))["TagSet"] == [
        {"Key": "team", "Value": "a b+c"}, {"Key": "cost:center", "Value": "x=y"}
    ]  # fmt: skip
    await keeping.cloud.objects.delete([here])


@pytest.mark.parametrize("size_bytes", [0, 5, 200_000, 3_000_000])
async def test_a_get_tells_its_size_before_its_body_is_read(storage, run, size_bytes):
    here, told = at(storage, run), []
    await storage.cloud.objects.put(here, b"x" * size_bytes)

    async def admit(size: int) -> None:
        told.append(size)

    found = await storage.cloud.objects.get(here, admit=admit)
    assert (told, len(found.body)) == ([size_bytes], size_bytes)
