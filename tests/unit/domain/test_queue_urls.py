"""What the url of a queue says, against the hosts that botocore knows."""

from __future__ import annotations

import pytest

from fanout.domain.queue_urls import is_queue_url, queue_region

QUEUE = "123456789012/results"


@pytest.mark.parametrize(
    ("url", "region"),
    [
        (f"https://sqs.eu-west-1.amazonaws.com/{QUEUE}", "eu-west-1"),
        (f"https://sqs-fips.us-east-2.amazonaws.com/{QUEUE}", "us-east-2"),
        (f"https://sqs.us-east-1.api.aws/{QUEUE}", "us-east-1"),
        (f"https://sqs.cn-north-1.amazonaws.com.cn/{QUEUE}", "cn-north-1"),
        (f"https://sqs.eusc-de-east-1.amazonaws.eu/{QUEUE}", "eusc-de-east-1"),
        (f"https://sqs.us-iso-east-1.c2s.ic.gov/{QUEUE}", "us-iso-east-1"),
        (f"https://vpce-0a1b-2c.sqs.us-west-2.vpce.amazonaws.com/{QUEUE}", "us-west-2"),
        (f"https://eu-west-1.queue.amazonaws.com/{QUEUE}", "eu-west-1"),
        (f"https://queue.amazonaws.com/{QUEUE}", "us-east-1"),
        (f"http://localhost:4566/{QUEUE}", None),
        (f"http://sqs.us-east-1.localhost.localstack.cloud:4566/{QUEUE}", None),
        (f"http://elasticmq:9324/{QUEUE}", None),
    ],
)
def test_a_queue_is_named_with_its_region(url, region):
    assert is_queue_url(url)
    assert queue_region(url) == region


@pytest.mark.parametrize(
    "text",
    [
        "", "results", "arn:aws:sqs:eu-west-1:123456789012:results", "https://sqs.eu-west-1.amazonaws.com/",
        "https://sqs.eu-west-1.amazonaws.com/results", f"sqs.eu-west-1.amazonaws.com/{QUEUE}", f"https:///{QUEUE}",
        f"https://[::1/{QUEUE}",
    ],
)  # fmt: skip
def test_what_is_no_queue(text):
    assert not is_queue_url(text)
