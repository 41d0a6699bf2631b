"""The session's credential chain: its region, certificates, clock and network, and who answers it."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime
from email.utils import formatdate
from time import time

import pytest
import trustme
from support.settings import aws_settings
from support.sts import PROFILE, ROLE, assumed

from fanout.aws.clients import ALWAYS
from fanout.aws.session import Keys, open_cloud
from fanout.domain.failures import FailureKind, failure_kind
from fanout.errors import CallError, Phase, RunError

pytestmark = pytest.mark.asyncio


async def failure(settings):
    with pytest.raises(RunError) as caught:
        async with open_cloud(settings):
            pass
    return str(caught.value)


@pytest.mark.parametrize("by", ["flag", "AWS_REGION"])
@pytest.mark.parametrize("client", ["wire", "aiobotocore"])
async def test_a_role_is_assumed_in_the_runs_region(wire, monkeypatch, tmp_path, client, by):
    """A profile with `role_arn` need not name a region."""
    (tmp_path / "config").write_text(PROFILE)
    if by == "AWS_REGION":
        monkeypatch.setenv("AWS_REGION", "eu-west-3")
    async with wire.serve(wire.answering(wire.reply(200, assumed()))) as sts:
        monkeypatch.setenv("AWS_ENDPOINT_URL_STS", sts.url)
        region = "eu-west-3" if by == "flag" else None
        async with open_cloud(aws_settings(client=client, region=region, profile="p")) as cloud:
            assert cloud.region == "eu-west-3"
            assert await cloud.keys() == Keys("ASSUMED", "s", "t")
    (request,) = sts.requests
    assert "/eu-west-3/sts/aws4_request" in request.headers["authorization"]


async def test_the_host_of_sts_is_the_regions(monkeypatch, tmp_path):
    (tmp_path / "config").write_text(PROFILE)
    asked = []

    async def send(_self, request):
        asked.append(request.url)
        raise OSError("no network in tests")

    monkeypatch.setattr("aiobotocore.httpsession.AIOHTTPSession.send", send)
    await failure(aws_settings(region="eu-west-3", profile="p"))
    assert set(asked) == {"https://sts.eu-west-3.amazonaws.com/"}


async def test_a_web_identity_is_exchanged_in_the_runs_region(wire, monkeypatch, tmp_path):
    token = tmp_path / "token"
    token.write_text("a.web.token")
    monkeypatch.setenv("AWS_ROLE_ARN", ROLE)
    monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", str(token))
    hosts = []
    answer = wire.reply(200, assumed("WithWebIdentity"))
    async with wire.serve(wire.answering(answer)) as sts:
        from aiobotocore.httpsession import AIOHTTPSession

        send = AIOHTTPSession.send

        async def to_our_server(self, request):
            hosts.append(request.url)
            request.url = sts.url
            return await send(self, request)

        monkeypatch.setattr(AIOHTTPSession, "send", to_our_server)
        async with open_cloud(aws_settings(region="ap-south-2")) as cloud:
            assert (await cloud.keys()).access_key_id == "ASSUMED"
    assert hosts == ["https://sts.ap-south-2.amazonaws.com/"]


async def test_a_wrong_clock_is_named_before_there_are_credentials(wire, monkeypatch, tmp_path):
    (tmp_path / "config").write_text(PROFILE)
    said = "Signature expired: 20261130T100000Z is now earlier than 20261130T101000Z"
    body = f"<ErrorResponse><Error><Code>SignatureDoesNotMatch</Code><Message>{said}</Message></Error></ErrorResponse>"
    answer = wire.reply(403, body.encode(), Date=formatdate(time() + 1200, usegmt=True))
    async with wire.serve(wire.answering(answer)) as sts:
        monkeypatch.setenv("AWS_ENDPOINT_URL_STS", sts.url)
        text = await failure(aws_settings(region="eu-west-3", profile="p"))
    assert "The clock of this machine is 20 minutes behind AWS's" in text
    assert "sso login" not in text


@pytest.mark.parametrize("client", ["wire", "aiobotocore"])
@pytest.mark.parametrize("call", ["invoke", "describe"])
async def test_a_wrong_clock_is_measured_by_every_call(wire, client, call):
    refused = wire.reply(
        403,
        b'{"__type": "InvalidSignatureException", "message": "Signature expired: 1 is now earlier than 2"}',
        Date=formatdate(time() - 7300, usegmt=True),
    )
    async with wire.cloud_against(wire.answering(refused), client=client) as (cloud, _):
        with pytest.raises(CallError) as caught:
            await (cloud.invoker.invoke(wire.invocation) if call == "invoke" else cloud.control.describe("m"))
    assert caught.value.code == "InvalidSignatureException"
    assert caught.value.skew_s == pytest.approx(-7300, abs=60)


def tls_server(authority, *names, **dates):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*names, key_type=trustme.KeyType.ECDSA, **dates).configure_cert(context)
    return context


@pytest.mark.parametrize("client", ["wire", "aiobotocore"])
@pytest.mark.parametrize(
    ("kind", "says"),
    [
        ("unknown", "unable to get local issuer certificate"),
        ("expired", "certificate has expired"),
        ("name", "mismatch"),
        ("self-signed", "self-signed certificate"),
    ],
)
async def test_a_certificate_that_is_refused_is_refused_for_good(
    wire, monkeypatch, tmp_path, client, kind, says
):
    authority = trustme.CA(key_type=trustme.KeyType.ECDSA)
    dates = {"not_before": datetime(2020, 1, 1, tzinfo=UTC), "not_after": datetime(2021, 1, 1, tzinfo=UTC)}
    server = tls_server(
        authority, "other.example" if kind == "name" else "127.0.0.1", **(dates if kind == "expired" else {})
    )
    if kind in {"expired", "name"}:
        authority.cert_pem.write_to_path(tmp_path / "ca.pem")
        monkeypatch.setenv("AWS_CA_BUNDLE", str(tmp_path / "ca.pem"))
    if kind == "self-signed":  # an authority's own certificate, presented by a server
        server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.private_key_pem.write_to_path(tmp_path / "key.pem")
        authority.cert_pem.write_to_path(tmp_path / "cert.pem")
        server.load_cert_chain(tmp_path / "cert.pem", tmp_path / "key.pem")
    async with (
        wire.serve(wire.answering(wire.reply(200)), tls=server) as served,
        open_cloud(wire.settings_for(served.url, client=client)) as cloud,
    ):
        with pytest.raises(CallError) as caught:
            await cloud.invoker.invoke(wire.invocation)
    error = caught.value
    assert (error.phase, error.code) == (Phase.CONNECT, "SSLCertVerificationError")
    assert failure_kind(error) is FailureKind.RUN
    assert says in error.message
    assert served.requests == []


@pytest.mark.parametrize("client", ["wire", "aiobotocore"])
async def test_a_network_that_never_worked_is_given_up(wire, monkeypatch, client, caplog):
    monkeypatch.setattr("fanout.aws.reach.GIVE_UP_AFTER_S", 0.0)
    async with wire.serve(wire.answering(wire.reply(200))) as served:
        nobody = served.url
    async with open_cloud(wire.settings_for(nobody, client=client)) as cloud:
        with pytest.raises(CallError) as caught:
            await cloud.control.describe("m")
    assert (caught.value.phase, caught.value.code) == (Phase.CONNECT, "Unreachable")
    assert nobody.removeprefix("http://") in caught.value.message


@pytest.mark.parametrize("client", ["wire", "aiobotocore"])
async def test_a_network_that_has_worked_is_waited_for(wire, monkeypatch, client, caplog):
    monkeypatch.setattr("fanout.aws.reach.GIVE_UP_AFTER_S", 0.0)
    refused = wire.reply(400, b"{}", Connection="close")
    async with (
        wire.serve(wire.answering(refused)) as served,
        open_cloud(wire.settings_for(served.url, client=client)) as cloud,
    ):
        with pytest.raises(CallError):
            await cloud.control.describe("m")
        served.close()
        with pytest.raises(CallError) as caught:
            await cloud.invoker.invoke(wire.invocation)
    assert failure_kind(caught.value) is not FailureKind.RUN
    assert "cannot be reached" not in caplog.text


async def test_sts_that_cannot_be_reached_leads_to_the_network(wire, monkeypatch, tmp_path):
    (tmp_path / "config").write_text(PROFILE)
    async with wire.serve(wire.answering(wire.reply(200))) as served:
        nobody = served.url
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", nobody)
    text = await failure(aws_settings(region="eu-west-3", profile="p"))
    assert nobody.removeprefix("http://") in text
    assert "whether this network reaches AWS" in text


@pytest.mark.parametrize(
    ("region", "suffix"),
    [
        ("cn-north-1", "amazonaws.com.cn"),
        ("eusc-de-east-1", "amazonaws.eu"),
        ("us-gov-west-1", "amazonaws.com"),
        ("us-iso-east-1", "c2s.ic.gov"),
        ("us-isob-east-1", "sc2s.sgov.gov"),
    ],
)
@pytest.mark.parametrize("client", ["wire", "aiobotocore"])
async def test_the_hosts_of_every_partition_are_its_own(monkeypatch, region, suffix, client):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "A")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "s")
    names = {"sagemaker-runtime": "runtime.sagemaker", "sagemaker": "api.sagemaker"}
    async with open_cloud(aws_settings(client=client, region=region)) as cloud:
        for service in ALWAYS:
            assert cloud.endpoint_url(service) == f"https://{names.get(service, service)}.{region}.{suffix}"
        cloudwatch = await cloud._clients["cloudwatch"]._open_client()
        assert cloudwatch.meta.endpoint_url == f"https://monitoring.{region}.{suffix}"
        assert await cloud.control.supports_inline() is False


@pytest.mark.parametrize("client", ["wire", "aiobotocore"])
@pytest.mark.parametrize("content", [None, "no certificate"])
async def test_authorities_that_cannot_be_read_are_said_when_opening(monkeypatch, tmp_path, client, content):
    bundle = tmp_path / "ca.pem"
    if content is not None:
        bundle.write_text(content)
    monkeypatch.setenv("AWS_CA_BUNDLE", str(bundle))
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "A")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "s")
    text = await failure(aws_settings(client=client, region="eu-west-1"))
    assert f"AWS_CA_BUNDLE, or ca_bundle in the profile, names {bundle}, which cannot be used: " in text
