from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from fanout.simulator.errors import ServiceError
from fanout.simulator.objects import MIN_PART_BYTES, Objects, StoredObject


@pytest.fixture
def objects() -> Objects:
    made = Objects()
    made.create_bucket("b")
    return made


def put(objects: Objects, *keys: str) -> None:
    for key in keys:
        objects.put("b", key, key.encode(), content_type=None, now=1.0)


def keys(objects: Objects, prefix: str = "", **options: object) -> list[str]:
    return [key for key, _ in objects.list("b", prefix, **options).entries]


@contextmanager
def refused(status: int, code: str) -> Iterator[None]:
    with pytest.raises(ServiceError) as caught:
        yield
    assert (caught.value.status, caught.value.code) == (status, code)


def test_an_object_is_what_was_put_last(objects: Objects):
    objects.put("b", "k", b"first", content_type="text/plain", now=1.0)
    stored = objects.put("b", "k", b"second", content_type="text/csv", now=2.0)
    assert objects.get("b", "k") == stored == StoredObject(b"second", "text/csv", 2.0)
    assert stored.etag == f'"{hashlib.md5(b"second").hexdigest()}"'
    assert keys(objects) == ["k"]


def test_if_none_match_keeps_what_is_there(objects: Objects):
    objects.put("b", "k", b"first", content_type=None, now=1.0, if_none_match=True)
    with refused(412, "PreconditionFailed"):
        objects.put("b", "k", b"second", content_type=None, now=2.0, if_none_match=True)
    assert objects.get("b", "k").body == b"first"


def test_what_is_missing_is_404_or_403_without_list_bucket(objects: Objects):
    with refused(404, "NoSuchKey"):
        objects.get("b", "k")
    with refused(404, "NoSuchBucket"):
        objects.get("other", "k")
    with refused(404, "NoSuchBucket"):
        objects.put("other", "k", b"", content_type=None, now=0.0)
    blind = Objects(missing_is_forbidden=True)
    blind.create_bucket("b")
    with refused(403, "AccessDenied"):
        blind.get("b", "k")
    assert blind.find("b", "k") is None
    assert blind.find("other", "k") is None


def test_deleting_is_harmless_when_there_is_nothing(objects: Objects):
    put(objects, "k")
    objects.delete("b", "k")
    objects.delete("b", "k")
    assert keys(objects) == []
    assert objects.statistics() == {"objects": 0, "object_bytes": 0, "open_uploads": 0}


def test_a_listing_is_in_key_order_below_its_prefix(objects: Objects):
    put(objects, "a/2", "b/1", "a/10", "a", "a/1", "a0", "é")
    assert keys(objects) == ["a", "a/1", "a/10", "a/2", "a0", "b/1", "é"]
    assert keys(objects, "a/") == ["a/1", "a/10", "a/2"]
    assert keys(objects, "a/", start_after="a/1") == ["a/10", "a/2"]
    assert keys(objects, "a/", start_after="Z") == ["a/1", "a/10", "a/2"]
    assert keys(objects, "a/", start_after="a0") == []
    assert keys(objects, "nothing") == []


def test_pages_have_a_thousand_keys_and_say_whether_more_follow(objects: Objects):
    put(objects, *(f"p/{number:05d}" for number in range(2_000)), "q")
    first = objects.list("b", "p/")
    assert (len(first.entries), first.truncated) == (1_000, True)
    second = objects.list("b", "p/", start_after=first.entries[-1][0])
    assert ([second.entries[0][0], second.entries[-1][0]], second.truncated) == (
        ["p/01000", "p/01999"],
        False,
    )
    assert len(objects.list("b", "", max_keys=5_000).entries) == 1_000
    small = objects.list("b", "p/", max_keys=3)
    assert ([key for key, _ in small.entries], small.truncated) == (["p/00000", "p/00001", "p/00002"], True)
    assert objects.list("b", "p/", max_keys=2_000).truncated


def test_listings_follow_puts_and_deletes_in_between(objects: Objects):
    put(objects, "a", "c")
    assert keys(objects) == ["a", "c"]
    put(objects, "b")
    objects.delete("b", "a")
    assert keys(objects) == ["b", "c"]
    put(objects, "a")
    objects.delete("b", "c")
    put(objects, "c", "c")
    assert keys(objects) == ["a", "b", "c"]


def test_keys_have_1024_bytes_at_most(objects: Objects):
    put(objects, "k" * 1_024, "é" * 512)
    for key in ("k" * 1_025, "é" * 512 + "k"):
        with refused(400, "KeyTooLongError"):
            put(objects, key)


def test_parts_make_an_object_in_the_order_of_their_numbers(objects: Objects):
    upload = objects.create_multipart("b", "big", content_type="text/csv")
    last = objects.upload_part(upload, 7, b"tail")
    objects.upload_part(upload, 2, b"replaced")
    head = objects.upload_part(upload, 2, b"x" * MIN_PART_BYTES)
    assert objects.find("b", "big") is None
    stored = objects.complete_multipart(upload, [(2, head), (7, last)], now=9.0)
    assert stored.body == b"x" * MIN_PART_BYTES + b"tail"
    digests = hashlib.md5(b"x" * MIN_PART_BYTES).digest() + hashlib.md5(b"tail").digest()
    assert stored.etag == f'"{hashlib.md5(digests).hexdigest()}-2"'
    assert objects.get("b", "big") == StoredObject(stored.body, "text/csv", 9.0, stored.etag)
    with refused(404, "NoSuchUpload"):
        objects.abort_multipart(upload)


def test_an_upload_is_refused_as_s3_refuses_it(objects: Objects):
    upload = objects.create_multipart("b", "big", content_type=None)
    etags = {number: objects.upload_part(upload, number, b"small") for number in (1, 2)}
    for number in (0, 10_001):
        with refused(400, "InvalidArgument"):
            objects.upload_part(upload, number, b"")
    with refused(400, "MalformedXML"):
        objects.complete_multipart(upload, [], now=0.0)
    with refused(400, "InvalidPartOrder"):
        objects.complete_multipart(upload, [(2, etags[2]), (1, etags[1])], now=0.0)
    with refused(400, "InvalidPart"):
        objects.complete_multipart(upload, [(3, etags[1])], now=0.0)
    with refused(400, "InvalidPart"):
        objects.complete_multipart(upload, [(1, '"0"')], now=0.0)
    with refused(400, "EntityTooSmall"):
        objects.complete_multipart(upload, [(1, etags[1]), (2, etags[2])], now=0.0)
    put(objects, "big")
    with refused(412, "PreconditionFailed"):
        objects.complete_multipart(upload, [(2, etags[2])], now=0.0, if_none_match=True)
    objects.abort_multipart(upload)
    assert objects.statistics()["open_uploads"] == 0
    assert objects.get("b", "big").body == b"big"
    with refused(404, "NoSuchBucket"):
        objects.create_multipart("other", "k", content_type=None)


def test_a_replacement_names_what_it_replaces(objects: Objects):
    first = objects.put("b", "k", b"1", content_type=None, now=1.0)
    second = objects.put("b", "k", b"2", content_type=None, now=2.0, if_match=first.etag)
    assert objects.get("b", "k") == second
    with refused(412, "PreconditionFailed"):
        objects.put("b", "k", b"3", content_type=None, now=3.0, if_match=first.etag)
    with refused(404, "NoSuchKey"):
        objects.put("b", "other", b"3", content_type=None, now=3.0, if_match=first.etag)
    assert objects.get("b", "k").body == b"2"
