"""Where calls go: what botocore makes of environment, profile and bucket, found without sending anything."""

from __future__ import annotations

import pytest
from support.settings import aws_settings

from fanout.aws.session import open_cloud
from fanout.domain.location import Location

pytestmark = pytest.mark.asyncio
KEYS = {"access_key_id": "AKIDEXAMPLE", "secret_access_key": "secret"}


async def routes(**settings):
    """Return (invoke, S3, SQS) as scheme, host and path, for an account that is reached with `settings`."""
    async with open_cloud(aws_settings(**(KEYS | {"region": "eu-west-1"} | settings))) as cloud:
        channels = cloud._data_plane._channels
        found = (
            await channels["sagemaker-runtime"].find(
                "model", "invoke_endpoint_async", EndpointName="model", InferenceId="x"
            ),
            await channels["s3"].find("bucket", "head_object", Bucket="bucket", Key="k"),
            await channels["sqs"].find("url", "receive_message", QueueUrl="https://queue/1/q"),
        )
        return [
            f"{'https' if route.tls else 'http'}://{route.host}{route.path} {route.port} "
            f"{route.region}/{route.service}"
            for route in (channel.route for channel in found)
        ]


INVOKE = "endpoints/model/async-invocations"


@pytest.fixture(params=["plain", "botocore"])
def asked(request, monkeypatch):
    """Have routes told by us, or by botocore, which any variable that we do not know of leads to."""
    if request.param == "botocore":
        monkeypatch.setenv("AWS_USE_FIPS_ENDPOINT", "false")


async def test_a_region(asked):
    assert await routes() == [
        f"https://runtime.sagemaker.eu-west-1.amazonaws.com/{INVOKE} 443 eu-west-1/sagemaker",
        "https://bucket.s3.eu-west-1.amazonaws.com/k 443 eu-west-1/s3",
        "https://sqs.eu-west-1.amazonaws.com/ 443 eu-west-1/sqs",
    ]


async def test_fips_and_dual_stack(monkeypatch):
    monkeypatch.setenv("AWS_USE_FIPS_ENDPOINT", "true")
    monkeypatch.setenv("AWS_USE_DUALSTACK_ENDPOINT", "true")
    found = await routes(region="us-east-1")
    assert "fips" in found[0]
    assert found[1:] == [
        "https://bucket.s3-fips.dualstack.us-east-1.amazonaws.com/k 443 us-east-1/s3",
        "https://sqs-fips.us-east-1.api.aws/ 443 us-east-1/sqs",
    ]


async def test_endpoints_of_the_environment(monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:4566/all")
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "https://[::1]:9000")
    assert await routes() == [
        f"http://127.0.0.1:4566/all/{INVOKE} 4566 eu-west-1/sagemaker",
        "https://[::1]:9000/bucket/k 9000 eu-west-1/s3",
        "http://127.0.0.1:4566/all 4566 eu-west-1/sqs",
    ]


async def test_one_endpoint_for_all(asked):
    assert await routes(endpoint_url="http://localhost:80") == [
        f"http://localhost/{INVOKE} 80 eu-west-1/sagemaker",
        "http://localhost/bucket/k 80 eu-west-1/s3",
        "http://localhost/ 80 eu-west-1/sqs",
    ]


async def test_a_bucket_with_dots_stands_in_the_path_so_that_its_certificate_holds(asked):
    async with open_cloud(aws_settings(region="eu-west-1", **KEYS)) as cloud:
        channel = await cloud._data_plane._channels["s3"].find("a.b", "head_object", Bucket="a.b", Key="k")
    assert (channel.route.host, channel.route.path) == ("s3.eu-west-1.amazonaws.com", "/a.b/k")


async def test_the_user_agent_is_botocores_with_our_name_in_it(monkeypatch):
    monkeypatch.setenv("AWS_USE_FIPS_ENDPOINT", "false")  # not plain: botocore is asked
    async with open_cloud(aws_settings(region="eu-west-1", **KEYS)) as cloud:
        channel = await cloud._data_plane._channels["s3"].find(
            "bucket", "head_object", Bucket="bucket", Key="k"
        )
    assert "Botocore/" in channel.route.user_agent or "botocore/" in channel.route.user_agent
    assert " fanout/" in channel.route.user_agent


async def test_what_is_signed_in_another_way_is_left_to_aiobotocore(asked, caplog):
    """An S3 Express bucket has sessions of its own, a multi-region access point another algorithm."""
    caplog.set_level("INFO", "fanout.aws.http")
    async with open_cloud(aws_settings(region="us-east-1", **KEYS)) as cloud:
        channels = cloud._data_plane._channels["s3"]
        for bucket in ("bucket--use1-az4--x-s3", "arn:aws:s3::123456789012:accesspoint/mfzwi23gnjvgw.mrap"):
            assert await channels.find(bucket, "head_object", Bucket=bucket, Key="k") is None
            assert channels.known(bucket) is None


async def test_what_botocore_refuses_is_said_by_the_call_itself(asked, wire):
    async with open_cloud(aws_settings(region="us-east-1", **KEYS)) as cloud:
        error = await wire.failure(cloud.objects.get(Location("no/bucket", "k")))
    assert error.code == "ParamValidation"


async def test_a_route_is_found_once(wire):
    async with wire.cloud_against(wire.answering(wire.accepted)) as (cloud, served):
        channels = cloud._data_plane._channels["sagemaker-runtime"]
        for _ in range(3):
            await cloud.invoker.invoke(wire.invocation)
        channel = channels.known("model")
        assert channel is await channels.find("model", "invoke_endpoint_async")
        assert (len(served.requests), served.connections) == (3, 1)


async def test_the_client_that_is_asked_still_makes_its_own_calls(asked, wire):
    deleted = wire.reply(200, b"<DeleteResult></DeleteResult>")
    async with wire.cloud_against(wire.answering(wire.reply(200, ETag='"1"')), wire.answering(deleted)) as (
        cloud,
        served,
    ):
        await cloud.objects.put(Location("bucket", "a"), b"x")
        assert await cloud.objects._otherwise.delete([Location("bucket", "a")]) == []
        assert [request.method for request in served.requests] == ["PUT", "POST"]
