"""The data plane as a whole: when it is used, and what it leaves to aiobotocore."""

from __future__ import annotations

import logging
import ssl

import anyio
import pytest
import trustme

from fanout.aws.http.invoker import HttpInvoker
from fanout.aws.sdk.invoker import SageMakerInvoker
from fanout.aws.session import open_cloud
from fanout.domain.location import Location

pytestmark = pytest.mark.asyncio
HERE = Location("bucket", "key")
DATE = "Fri, 20 Nov 2026 10:00:00 GMT"


async def test_wire_is_the_default_and_aiobotocore_a_setting(wire):
    async with open_cloud(wire.settings_for("http://127.0.0.1:1")) as cloud:
        assert isinstance(cloud.invoker, HttpInvoker)
    async with open_cloud(wire.settings_for("http://127.0.0.1:1", client="aiobotocore")) as cloud:
        assert isinstance(cloud.invoker, SageMakerInvoker)


async def test_behind_a_proxy_calls_are_aiobotocores_and_one_line_a_service_says_so(
    wire, monkeypatch, caplog
):
    caplog.set_level(logging.INFO, "fanout.aws.http")
    async with wire.serve(wire.answering(wire.accepted)) as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        async with open_cloud(wire.settings_for("http://sagemaker.invalid")) as cloud:
            for _ in range(2):
                assert (await cloud.invoker.invoke(wire.invocation)).output_location == "s3://out/1"
    assert {request.target for request in proxy.requests} == {
        "http://sagemaker.invalid/endpoints/model/async-invocations"
    }
    channels = sorted(record.getMessage() for record in caplog.records)
    assert channels == [
        f"{service} is behind a proxy: its calls are made by aiobotocore"
        for service in ("s3", "sagemaker-runtime", "sqs")
    ]


async def test_a_proxy_that_is_not_for_this_host_does_not_matter(wire, monkeypatch):
    async with wire.serve(wire.answering(wire.accepted)) as served:
        monkeypatch.setenv("HTTP_PROXY", "http://proxy.invalid:3128")
        monkeypatch.setenv("HTTPS_PROXY", "http://proxy.invalid:3128")
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        async with open_cloud(wire.settings_for(served.url)) as cloud:
            await cloud.invoker.invoke(wire.invocation)
            assert cloud._data_plane._channels["sagemaker-runtime"].known("model") is not None


async def test_a_bucket_of_another_region_is_left_to_aiobotocore_from_then_on(wire, caplog):
    caplog.set_level(logging.INFO, "fanout.aws.http")
    elsewhere = wire.reply(301, b"<Error><Code>PermanentRedirect</Code><Message>m</Message></Error>")
    found = wire.reply(200, b"hello", Last_Modified=DATE)
    async with wire.cloud_against(wire.answering(elsewhere), wire.answering(found)) as (cloud, served):
        for _ in range(2):
            assert (await cloud.objects.get(HERE)).body == b"hello"
        assert cloud._data_plane._channels["s3"].known("bucket") is None
        assert served.connections == 2  # ours was for one call
    assert [record.getMessage() for record in caplog.records] == [
        "s3: the calls to bucket are made by aiobotocore: PermanentRedirect"
    ]


async def test_closing_leaves_nothing_open(wire):
    async with wire.serve(wire.answering(wire.accepted)) as served:
        async with open_cloud(wire.settings_for(served.url)) as cloud:
            await cloud.invoker.invoke(wire.invocation)
            pool = cloud._data_plane._channels["sagemaker-runtime"].known("model").pool
            assert pool.statistics().open == 1
        assert pool.statistics().open == 0


async def test_an_authority_of_the_environment_is_used(wire, monkeypatch, tmp_path):
    authority = trustme.CA(key_type=trustme.KeyType.ECDSA)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    monkeypatch.setenv("AWS_CA_BUNDLE", str(tmp_path / "ca.pem"))
    async with (
        wire.serve(wire.answering(wire.accepted), tls=context) as served,
        open_cloud(wire.settings_for(served.url)) as cloud,
    ):
        assert (await cloud.invoker.invoke(wire.invocation)).output_location == "s3://out/1"
        assert cloud._data_plane._channels["sagemaker-runtime"].known("model") is not None


async def test_no_secret_is_logged_and_no_payload(wire, caplog):
    caplog.set_level(logging.DEBUG)
    async with wire.cloud_against(
        wire.answering(wire.accepted), secret_access_key="hushhush", session_token="hushtoken"
    ) as (cloud, served):
        await cloud.invoker.invoke(wire.invocation)
    assert served.requests[0].headers["x-amz-security-token"] == "hushtoken"
    assert "hush" not in caplog.text
    assert '{"x": 1}' not in caplog.text


async def test_a_cancelled_caller_leaves_no_connection_of_any_service_open(wire):
    found = wire.reply(200, b"hello", Last_Modified=DATE)
    connections = []
    async with wire.serve(wire.answering(wire.accepted), wire.answering(found)) as served:
        with anyio.CancelScope() as scope:
            async with open_cloud(wire.settings_for(served.url)) as cloud:
                await cloud.invoker.invoke(wire.invocation)
                await cloud.objects.get(HERE)
                for channels in cloud._data_plane._channels.values():
                    connections += [each for pool in channels._pools.values() for each in pool._all]
                scope.cancel()
                await anyio.lowlevel.checkpoint()
    assert [connection.lost.done() for connection in connections] == [True, True]
