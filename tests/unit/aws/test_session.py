"""Opening AWS: what is missing is said with the next step; how every client is set."""

from __future__ import annotations

import logging
import os

import pytest
from support.settings import aws_settings

from fanout.aws.clients import (
    ALWAYS,
    NOISY,
    SERVICES,
    client_config,
    invoke_members,
    is_aws,
    lacks,
    quieten,
    takes_inline,
)
from fanout.aws.lazy_clients import installed_model
from fanout.aws.session import Keys, missing_region, open_cloud
from fanout.domain.failures import EXPIRED
from fanout.domain.location import Location
from fanout.errors import CallError, RunError

pytestmark = pytest.mark.asyncio


@pytest.fixture
def keys_in_environment(monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDENV")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")


async def opened(cloud, service):
    client = cloud._clients[service]
    return client if service in ALWAYS else await client._open_client()


async def failure(settings):
    with pytest.raises(RunError) as caught:
        async with open_cloud(settings):
            pass
    assert type(caught.value) is RunError
    return str(caught.value)


async def test_missing_region_profile_and_credentials_name_the_next_step(monkeypatch, tmp_path):
    assert "set --region, AWS_REGION" in await failure(aws_settings())
    assert "run `aws configure` or `aws sso login`" in await failure(aws_settings(region="us-east-1"))
    (tmp_path / "config").write_text("[profile work]\nregion = eu-west-1\n")
    assert "'wrok' does not exist (there are: work)" in await failure(aws_settings(profile="wrok"))
    named = aws_settings(profile="wrok", region="us-east-1")
    assert "'wrok' does not exist (there are: work)" in await failure(named), "also where the region is known"
    monkeypatch.setenv("AWS_PROFILE", "wrok")
    assert "'wrok' does not exist (there are: work)" in await failure(aws_settings())


@pytest.mark.parametrize(
    ("region", "profile", "variables", "words"),
    [
        (None, None, {}, "No AWS region: set --region, AWS_REGION"),
        ("eu-west-1", None, {}, None),
        (None, None, {"AWS_REGION": "eu-west-1"}, None),
        (None, None, {"AWS_DEFAULT_REGION": "eu-west-1"}, None),
        (None, "work", {}, None),
        (None, None, {"AWS_PROFILE": "work"}, None),
        (None, "bare", {}, "No AWS region"),
        (None, "wrok", {}, "'wrok' does not exist (there are: work, bare)"),
    ],
)
async def test_a_region_that_is_not_named_is_known_before_aws_is_opened(
    monkeypatch, tmp_path, region, profile, variables, words
):
    (tmp_path / "config").write_text("[profile work]\nregion = eu-west-1\n[profile bare]\noutput = json\n")
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    said = missing_region(region=region, profile=profile)
    assert said is None if words is None else words in said


async def test_half_a_pair_of_keys_is_said(monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDENV")
    text = await failure(aws_settings(region="us-east-1"))
    assert "credentials cannot be used: Partial credentials found in env" in text


async def test_an_unusable_endpoint_url_and_config_file_are_said(keys_in_environment, tmp_path):
    assert "Check the region and the endpoint url" in await failure(
        aws_settings(region="x", endpoint_url="nonsense")
    )
    assert "Check the region and the endpoint url" in await failure(aws_settings(region="no such region"))
    (tmp_path / "config").write_text("[profile work\n")
    assert "Repair the file" in await failure(aws_settings())


async def test_a_login_that_has_run_out_is_said_when_opening(monkeypatch, tmp_path):
    (tmp_path / "config").write_text("[default]\nregion = eu-west-1\ncredential_process = /bin/false\n")
    assert "Sign in again (`aws sso login`)" in await failure(aws_settings())


async def test_profile_region_and_environment_endpoints_stay_in_force(
    keys_in_environment, monkeypatch, tmp_path
):
    (tmp_path / "config").write_text(
        "[profile work]\nregion = eu-west-1\naws_access_key_id = A\naws_secret_access_key = B\n"
    )
    monkeypatch.setenv("AWS_ENDPOINT_URL_SQS", "http://queue.example:1")
    async with open_cloud(aws_settings(profile="work")) as cloud:
        assert cloud.region == "eu-west-1"
        assert cloud.endpoint_url("sqs") == "http://queue.example:1"
        assert cloud.endpoint_url("sagemaker-runtime") == "https://runtime.sagemaker.eu-west-1.amazonaws.com"
        assert await cloud.keys() == Keys("A", "B", None)
        assert "B" not in repr(await cloud.keys()).replace("access_key_id", "")


@pytest.mark.parametrize("client", ["wire", "aiobotocore"])
async def test_cloudwatch_has_an_endpoint_of_its_own_where_the_environment_names_one(
    keys_in_environment, monkeypatch, wire, client
):
    async with wire.serve(wire.answering(wire.reply(200, b'{"Datapoints": []}'))) as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
        monkeypatch.setenv("AWS_ENDPOINT_URL_CLOUDWATCH", server.url)
        async with open_cloud(aws_settings(client=client, region="us-east-1")) as cloud:
            assert await cloud.control.backlog("model", since=0.0, until=600.0) == []
    assert len(server.requests) == 1


@pytest.mark.parametrize("by_environment", [True, False])
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_a_server_of_its_own_gets_path_style_addresses(
    keys_in_environment, monkeypatch, wire, host, by_environment
):
    async with wire.serve(wire.answering(wire.reply(200, ETag='"1"'))) as server:
        url = server.url.replace("127.0.0.1", host)
        if by_environment:
            monkeypatch.setenv("AWS_ENDPOINT_URL", url)
        settings = aws_settings(region="us-east-1", endpoint_url=None if by_environment else url)
        async with open_cloud(settings) as cloud:
            await cloud.objects.put(Location("bucket", "a/key"), b"x")
    assert server.requests[0].target == "/bucket/a/key"


async def test_every_client_makes_one_attempt_and_has_room_for_all_calls(keys_in_environment):
    settings = aws_settings(client="aiobotocore", region="us-east-1", max_connections=77)
    async with open_cloud(settings) as cloud:
        assert set(cloud._clients) == set(SERVICES)
        for service in SERVICES:
            client = await opened(cloud, service)
            config = client.meta.config
            assert config.retries == {"mode": "standard", "total_max_attempts": 1}
            assert (config.max_pool_connections, config.connect_timeout) == (77, 5.0)
        assert cloud._clients["sqs"].meta.config.read_timeout > 20


@pytest.mark.parametrize(
    ("url", "signed"), [(None, False), ("https://s3.example", False), ("http://s3.example", True)]
)
async def test_bodies_are_left_out_of_the_signature_over_tls_only(url, signed):
    options = client_config("s3", aws_settings(endpoint_url=url)).s3
    assert options.get("payload_signing_enabled", True) is signed


async def test_expired_keys_cannot_be_handed_on(keys_in_environment):
    async with open_cloud(aws_settings(region="us-east-1")) as cloud:

        class Gone:
            async def get_frozen_credentials(self):
                raise RuntimeError("gone")

        cloud._credentials = Gone()
        with pytest.raises(CallError, match="RuntimeError: gone"):
            await cloud.keys()


@pytest.mark.parametrize("client", ["wire", "aiobotocore"])
@pytest.mark.parametrize("code", sorted(EXPIRED))
async def test_a_reply_that_calls_the_credentials_expired_refreshes_them(wire, tmp_path, client, code):
    script = tmp_path / "credentials.sh"
    log = tmp_path / "log"
    script.write_text(
        f"#!/bin/sh\necho x >> {log}\n"
        """echo '{"Version": 1, "AccessKeyId": "K", "SecretAccessKey": "S", "SessionToken": "T","""
        """ "Expiration": "2099-01-01T00:00:00Z"}'\n"""
    )
    script.chmod(0o700)
    (tmp_path / "config").write_text(f"[default]\nregion = us-east-1\ncredential_process = {script}\n")
    refused = wire.reply(403, b"{}", **{"x-amzn-ErrorType": code})
    settings = {"client": client, "access_key_id": None, "secret_access_key": None}
    async with wire.cloud_against(wire.answering(refused), **settings) as (cloud, _):
        opened = log.read_text().count("x")
        for _ in range(3):
            with pytest.raises(CallError, match=code):
                await cloud.invoker.invoke(wire.invocation)
        assert log.read_text().count("x") == opened + 1


async def test_inline_needs_the_model_and_a_region_that_takes_it(keys_in_environment):
    async with open_cloud(aws_settings(region="eu-west-1")) as cloud:
        assert await cloud.control.supports_inline() is True
    model = {"Body"}
    aws = "https://runtime.sagemaker.xx-west-1.amazonaws.com"
    assert takes_inline(model, region="xx-west-1", endpoint_url=aws, regions=None) is False
    assert takes_inline(model, region="xx-west-1", endpoint_url=aws + ".cn", regions=None) is False
    assert takes_inline(model, region="xx-west-1", endpoint_url="http://127.0.0.1:4566", regions=None) is True
    assert takes_inline(model, region="us-west-2", endpoint_url=aws, regions=None) is True
    assert takes_inline({"Filename"}, region="us-west-2", endpoint_url=aws, regions=None) is False


@pytest.mark.parametrize("client", ["wire", "aiobotocore"])
async def test_the_regions_that_take_payloads_can_be_named(keys_in_environment, client):
    for regions, inline in (((), False), (("xx-west-1",), False), (("eu-west-1", "xx-west-1"), True)):
        settings = aws_settings(region="eu-west-1", client=client, inline_regions=regions)
        async with open_cloud(settings) as cloud:
            assert await cloud.control.supports_inline() is inline
    url = "http://127.0.0.1:4566"
    assert not takes_inline({"Body"}, region="eu-west-1", endpoint_url=url, regions=("us-east-1",))
    assert not takes_inline({"Filename"}, region="eu-west-1", endpoint_url=url, regions=("eu-west-1",))


@pytest.mark.parametrize(
    ("url", "aws"),
    [
        ("https://s3.us-east-1.amazonaws.com", True),
        ("https://vpce-1.s3.us-east-1.vpce.amazonaws.com", True),
        ("https://s3.cn-north-1.amazonaws.com.cn", True),
        ("http://127.0.0.1:9000", False),
        ("https://amazonaws.com.example", False),
    ],
)
async def test_which_urls_are_awss_own(url, aws):
    assert is_aws(url) is aws


@pytest.mark.parametrize("client", ["wire", "aiobotocore"])
async def test_an_sdk_that_is_too_old_is_said(keys_in_environment, monkeypatch, client):
    monkeypatch.setattr("fanout.aws.clients.MUST_KNOW", ("Body", "Payload"))
    text = await failure(aws_settings(client=client, region="us-east-1"))
    assert "does not know Payload of InvokeEndpointAsync: install 1.43.29 or later" in text


async def test_the_installed_sdk_knows_all_that_is_needed(keys_in_environment):
    settings = aws_settings(client="aiobotocore", region="us-east-1")
    async with open_cloud(settings) as cloud:
        shape = cloud._clients["sagemaker-runtime"].meta.service_model.operation_model("InvokeEndpointAsync")
        members = set(shape.input_shape.members)
    assert invoke_members(installed_model("sagemaker-runtime")) == members
    assert lacks(members) == ()


async def test_loggers_that_would_write_secrets_are_capped():
    before = {name: logging.getLogger(name).level for name in NOISY}
    try:
        logging.getLogger("botocore").setLevel(logging.DEBUG)
        logging.getLogger("aiobotocore").setLevel(logging.NOTSET)
        logging.getLogger("urllib3").setLevel(logging.ERROR)
        quieten()
        assert logging.getLogger("botocore.auth").getEffectiveLevel() == logging.INFO
        assert logging.getLogger("aiobotocore").level == logging.INFO
        assert logging.getLogger("urllib3").level == logging.ERROR
    finally:
        for name, level in before.items():
            logging.getLogger(name).setLevel(level)


async def test_a_refresh_that_fails_is_logged_on_one_line(monkeypatch, tmp_path, caplog):
    (tmp_path / "config").write_text(
        "[profile p]\nrole_arn = arn:aws:iam::123456789012:role/r\nsource_profile = base\n"
        "[profile base]\naws_access_key_id = A\naws_secret_access_key = B\n"
    )
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", "http://127.0.0.1:1")
    for _ in range(2):
        await failure(aws_settings(region="us-east-1", profile="p"))
    warned = [record for record in caplog.records if record.levelno == logging.WARNING]
    first, _ = [record for record in warned if record.name == "aiobotocore.credentials"]
    assert first.exc_info is None
    assert first.getMessage().startswith("Refreshing temporary credentials failed")
    assert first.getMessage().count("EndpointConnectionError: ") == 1


async def test_settings_show_no_secret():
    text = repr(aws_settings(secret_access_key="hush", session_token="hush"))
    assert "hush" not in text
    assert os.environ.get("AWS_SECRET_ACCESS_KEY") is None
