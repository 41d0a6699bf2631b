"""Names of S3 objects, in every form that AWS writes; what names none is None, never an exception."""

from __future__ import annotations

import pytest
from botocore.loaders import create_loader

from fanout.domain.location import PARTITIONS, Location, dns_suffix, is_arn, parse_prefix

POINT = "arn:aws:s3:eu-west-1:123456789012:accesspoint/my-point"


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
        ("https://b.s3.eusc-de-east-1.amazonaws.eu/k", "b", "k"),
        ("https://b.s3.us-iso-east-1.c2s.ic.gov/k", "b", "k"),
        ("https://s3.us-isob-east-1.sc2s.sgov.gov/b/k", "b", "k"),
        ("https://b.s3.eu-isoe-west-1.cloud.adc-e.uk/k", "b", "k"),
        ("https://b.s3.us-isof-east-1.csp.hci.ic.gov/k", "b", "k"),
        ("https://b.s3.dualstack.eu-west-1.amazonaws.com/k", "b", "k"),
        ("https://b.s3-fips.dualstack.us-gov-west-1.amazonaws.com/k", "b", "k"),
        ("https://b.s3-accelerate.amazonaws.com/k", "b", "k"),
        ("https://bucket.vpce-1a2b-3c.s3.us-east-1.vpce.amazonaws.com/b/a/k", "b", "a/k"),
        ("https://b.bucket.vpce-1a2b-3c.s3.us-east-1.vpce.amazonaws.com/a/k", "b", "a/k"),
        ("https://b.with.dots.bucket.vpce-1.s3.cn-north-1.vpce.amazonaws.com.cn/k", "b.with.dots", "k"),
        ("https://vpce-1a2b.s3.us-east-1.vpce.amazonaws.com/b/k", "b", "k"),
        (f"s3://{POINT}/a/k", POINT, "a/k"),
        ("https://my-point-123456789012.s3-accesspoint.eu-west-1.amazonaws.com/a/k", POINT, "a/k"),
        ("https://my-point-123456789012.accesspoint.vpce-1.s3.eu-west-1.vpce.amazonaws.com/k", POINT, "k"),
        (
            "https://p-123456789012.s3-accesspoint-fips.us-gov-west-1.amazonaws.com/k",
            "arn:aws-us-gov:s3:us-gov-west-1:123456789012:accesspoint/p",
            "k",
        ),
        (
            "https://p-123456789012.s3-accesspoint.cn-north-1.amazonaws.com.cn/k",
            "arn:aws-cn:s3:cn-north-1:123456789012:accesspoint/p",
            "k",
        ),
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
        "S3://b/k", "https://b.s3.amazonaws.eu.example/k", "https://b.vpce-1.s3.us-east-1.vpce.amazonaws.com/k",
        f"s3://{POINT}", f"s3://{POINT}/",
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
        (f"s3://{POINT}", Location(POINT, "")),
        (f"s3://{POINT}/a/b/", Location(POINT, "a/b")),
        ("https://b.s3.amazonaws.com/a", None),
    ],
)
def test_a_prefix_may_be_empty_and_has_no_slash_at_its_ends(uri, found):
    assert parse_prefix(uri) == found


def test_an_access_point_is_told_from_a_bucket():
    assert is_arn(POINT)
    assert not is_arn("arnold")


def test_every_partition_that_botocore_knows_is_known():
    known = {(name, suffix, dual) for suffix, (name, dual) in PARTITIONS.items()}
    theirs = {
        (each["id"], each["outputs"]["dnsSuffix"], each["outputs"]["dualStackDnsSuffix"])
        for each in create_loader().load_data("partitions")["partitions"]
        if each["id"] != "aws-us-gov"  # has the suffixes of aws
    }
    assert theirs == known


@pytest.mark.parametrize(
    ("host", "suffix"),
    [
        ("s3.eu-west-1.amazonaws.com", "amazonaws.com"),
        ("sqs.eu-west-1.api.aws", "amazonaws.com"),
        ("s3.cn-north-1.amazonaws.com.cn", "amazonaws.com.cn"),
        ("s3.eusc-de-east-1.amazonaws.eu", "amazonaws.eu"),
        ("api.sagemaker.us-iso-east-1.c2s.ic.gov", "c2s.ic.gov"),
        ("s3.us-iso-east-1.api.aws.ic.gov", "c2s.ic.gov"),
        ("amazonaws.com.example", None),
        ("notamazonaws.com", None),
        ("127.0.0.1", None),
    ],
)
def test_a_host_tells_its_partition(host, suffix):
    assert dns_suffix(host) == suffix
