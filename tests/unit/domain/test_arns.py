"""ARNs, as policies are compared with them."""

from __future__ import annotations

import re

import pytest
from botocore.loaders import create_loader

from fanout.domain.arns import Account, literal, partition_of

HERE = Account("aws", "eu-west-1", "123456789012")
CHINA = Account("aws-cn", "cn-north-1", "123456789012")
POINT = "arn:aws:s3:eu-west-1:123456789012:accesspoint/mine"


@pytest.mark.parametrize(
    ("name", "region"),
    [
        (partition["id"], region)
        for partition in create_loader().load_data("partitions")["partitions"]
        for region in partition["regions"]
        if re.fullmatch(partition["regionRegex"], region)
    ],
)
def test_a_region_is_in_the_partition_that_botocore_says(name, region):
    assert partition_of(region) == name


def test_an_arn_tells_its_account():
    arn = "arn:aws-cn:sagemaker:cn-north-1:123456789012:endpoint/mine"
    assert Account.of_arn(arn) == CHINA
    assert Account.of_arn("arn:aws:s3:::bucket") is None
    assert Account.of_arn("") is None


def test_an_endpoint_is_in_lower_case():
    assert CHINA.endpoint("My-Model") == "arn:aws-cn:sagemaker:cn-north-1:123456789012:endpoint/my-model"


@pytest.mark.parametrize(
    ("url", "arn"),
    [
        (
            "https://sqs.us-east-2.amazonaws.com/210987654321/Shared",
            "arn:aws:sqs:us-east-2:210987654321:Shared",
        ),
        ("http://127.0.0.1:4566/210987654321/q", "arn:aws:sqs:eu-west-1:210987654321:q"),
    ],
)
def test_a_queue_is_where_its_url_says(url, arn):
    assert HERE.queue(url) == arn


@pytest.mark.parametrize(
    ("key", "found"),
    [
        ("1111-2222", ("arn:aws:kms:eu-west-1:123456789012:key/1111-2222", None)),
        ("arn:aws:kms:us-east-1:210987654321:key/1", ("arn:aws:kms:us-east-1:210987654321:key/1", None)),
        ("alias/mine", ("arn:aws:kms:eu-west-1:123456789012:key/*", "alias/mine")),
        (
            "arn:aws:kms:us-east-1:210987654321:alias/mine",
            ("arn:aws:kms:us-east-1:210987654321:key/*", "alias/mine"),
        ),
    ],
)
def test_an_alias_of_a_key_is_no_resource(key, found):
    assert HERE.key(key) == found


def test_an_access_point_stands_for_its_bucket():
    assert HERE.objects("b", "in/*") == "arn:aws:s3:::b/in/*"
    assert HERE.bucket(POINT) == POINT
    assert HERE.objects(POINT, "in/*") == f"{POINT}/object/in/*"
    alias = "mine-abcdefgh1234-s3alias"
    assert HERE.bucket(alias) == f"{POINT}*"
    assert HERE.objects(alias, "in/*") == f"{POINT}*/object/in/*"


def test_no_character_of_a_name_is_a_wildcard():
    assert literal("a/b-c.d") == "a/b-c.d"
    assert literal("a*b?c${d}e$f") == "a${*}b${?}c${$}{d}e$f"


def test_what_no_policy_can_hold_is_any_text():
    assert literal("été/日本/1") == "été/*/1"
