"""Names of S3 objects, in every form that AWS writes; what names none is None, never an exception."""

from __future__ import annotations

import pytest

from fanout.domain.location import Location, parse_prefix


@pytest.mark.parametrize(
    ("uri", "bucket", "key"),
    [
        ("s3://b/k", "b", "k"),
        ("s3://b/a/b//c.out", "b", "a/b//c.out"),
        ("s3://b/100%25.out", "b", "100%25.out"),  # an s3:// URI is not percent-encoded
        ("https://b.s3.amazonaws.com/a/k", "b", "a/k"),
        ("https://b.s3.eu-west-1.amazonaws.com/a/k", "b", "a/k"),
        ("https://b.s3-eu-west-1.amazonaws.com/k", "b", "k"),
        ("https://b.with.dots.s3.amazonaws.com/k", "b.with.dots", "k"),
        ("https://b.s3.cn-north-1.amazonaws.com.cn/k", "b", "k"),
        ("https://s3.amazonaws.com/b/a/k", "b", "a/k"),
        ("https://s3.eu-west-1.amazonaws.com/b/a/k", "b", "a/k"),
        ("https://b.s3.amazonaws.com/a%20b%2Bc", "b", "a b+c"),
        ("https://b.s3.amazonaws.com/k?versionId=1", "b", "k"),
    ],
)
def test_an_object_is_named(uri, bucket, key):
    assert Location.parse(uri) == Location(bucket, key)


@pytest.mark.parametrize(
    "uri",
    [
        "", "k", "s3://", "s3://b", "s3://b/", "s3:///k", "http://b.s3.amazonaws.com/k", "https://",
        "https://b.s3.amazonaws.com/", "https://s3.amazonaws.com/b", "https://example.com/b/k",
        "https://b.s3.amazonaws.com.evil.example/k", "https://evil.example/?b.s3.amazonaws.com/k", "https://[::1/k",
        "S3://b/k",
    ],
)  # fmt: skip
def test_no_object_is_named(uri):
    assert Location.parse(uri) is None


def test_a_location_is_written_as_it_is_read():
    location = Location("b", "a/b%20c d")
    assert location.uri == "s3://b/a/b%20c d"
    assert Location.parse(location.uri) == location


@pytest.mark.parametrize(
    ("uri", "found"),
    [
        ("s3://b", Location("b", "")),
        ("s3://b/", Location("b", "")),
        ("s3://b/a/b/", Location("b", "a/b")),
        ("s3:///a", None),
        ("https://b.s3.amazonaws.com/a", None),
    ],
)
def test_a_prefix_may_be_empty_and_has_no_slash_at_its_ends(uri, found):
    assert parse_prefix(uri) == found
