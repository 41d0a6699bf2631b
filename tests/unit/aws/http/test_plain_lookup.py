"""Where calls go in the plain way: exactly where botocore would send them, for every service, region and server."""

from __future__ import annotations

import dataclasses
from contextlib import asynccontextmanager

import pytest
from support.settings import aws_settings

from fanout.aws.clients import ALWAYS, SERVICES
from fanout.aws.http.endpoint_lookup import EndpointLookup
from fanout.aws.http.plain import PlainAws
from fanout.aws.http.plain_lookup import PlainLookup, service_url
from fanout.aws.regions import INLINE_REGIONS
from fanout.aws.session import open_cloud

pytestmark = pytest.mark.asyncio
URLS = (
    "http://127.0.0.1:4566", "http://localhost:80", "https://localhost", "http://Proxy.Example.com:8080/",
    "https://s3.example:8443", "http://aws",
)  # fmt: skip
OPERATIONS = {
    "sagemaker-runtime": ("invoke_endpoint_async", {"EndpointName": "my-model2", "InferenceId": "x"}),
    "sagemaker": ("describe_endpoint", {"EndpointName": "my-model2"}),
    "s3": ("head_object", {"Bucket": "a-bucket-1", "Key": "k"}),
    "sqs": ("receive_message", {"QueueUrl": "https://sqs.eu-west-3.amazonaws.com/1/q"}),
    "cloudwatch": (
        "get_metric_statistics",
        {"Namespace": "n", "MetricName": "m", "StartTime": 0, "EndTime": 60, "Period": 60},
    ),
    "sts": ("get_caller_identity", {}),
    "sns": ("subscribe", {"TopicArn": "arn:aws:sns:us-east-2:1:t", "Protocol": "sqs"}),
}


async def unwanted():
    raise AssertionError("this is plain, and botocore was asked")


@asynccontextmanager
async def opened(*, region, url=None):
    """Return what says, of a service, where we and botocore send a call, without the user agent."""
    settings = aws_settings(
        client="aiobotocore", region=region, endpoint_url=url, access_key_id="A", secret_access_key="S"
    )
    aws = PlainAws(region, url, None, None)
    async with open_cloud(settings) as cloud:

        async def routes(service, **changes):
            operation, parameters = OPERATIONS[service]
            ours = await PlainLookup(service, aws, otherwise=unwanted).route(
                operation, **parameters | changes
            )
            client = cloud._clients[service]
            if service not in ALWAYS:  # opened by its first call
                client = await client._open_client()
            theirs = await EndpointLookup(client).route(operation, **parameters | changes)
            assert service_url(service, aws) == client.meta.endpoint_url
            return [dataclasses.replace(route, user_agent="") for route in (ours, theirs)]

        yield routes


# All services at once: opening the clients takes 50 ms.
@pytest.mark.parametrize("region", sorted(INLINE_REGIONS))
async def test_awss_own_servers(region):
    async with opened(region=region) as routes:
        for service in SERVICES:
            ours, theirs = await routes(service)
            assert ours == theirs


@pytest.mark.parametrize("url", URLS)
async def test_one_server_for_all(url):
    async with opened(region="us-east-1", url=url) as routes:
        for service in SERVICES:
            ours, theirs = await routes(service)
            assert ours == theirs


@pytest.mark.parametrize("name", ["a", "A-b-9", "odd name/ä", "x" * 63])
async def test_endpoints_of_any_name(name):
    async with opened(region="eu-west-1") as routes:
        ours, theirs = await routes("sagemaker-runtime", EndpointName=name)
    assert ours == theirs


@pytest.mark.parametrize("url", [None, "http://127.0.0.1:9000"])
@pytest.mark.parametrize("bucket", ["abc", "a-b-c", "0" * 63, "sthree-x", "xn-a"])
async def test_plain_buckets(bucket, url):
    async with opened(region="us-east-1", url=url) as routes:
        ours, theirs = await routes("s3", Bucket=bucket)
    assert ours == theirs


@pytest.mark.parametrize(
    "bucket",
    ["a.b", "Aaa", "ab", "a_b", "0" * 64, "-ab", "ab-", "b--use1-az4--x-s3", "xn--a", "ab-s3alias",
     "arn:aws:s3:us-east-1:123456789012:accesspoint/a", "no/bucket", ""],
)  # fmt: skip
async def test_other_buckets_are_asked_of_botocore(bucket):
    class Asked:
        async def route(self, operation, **parameters):
            return operation, parameters

    async def botocore():
        return Asked()

    lookup = PlainLookup("s3", PlainAws("us-east-1", None, None, None), otherwise=botocore)
    found = await lookup.route("head_object", Bucket=bucket, Key="k")
    assert found == ("head_object", {"Bucket": bucket, "Key": "k"})
