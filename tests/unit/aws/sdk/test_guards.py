"""No request follows a redirect: what is signed, and the payload with it, goes to the host that was asked for."""

from __future__ import annotations

import pytest
from support.settings import aws_settings

from fanout.aws.sdk.guards import is_at_home
from fanout.aws.session import open_cloud
from fanout.domain.failures import FailureKind, failure_kind
from fanout.domain.location import Location
from fanout.errors import CallError, Phase, RunError

pytestmark = pytest.mark.asyncio
CLIENTS = pytest.mark.parametrize("client", ["wire", "aiobotocore"])
THING = Location("bucket", "a/key")


async def drain(pages):
    return [page async for page in pages]


CALLS = {
    "invoke": lambda cloud, wire: cloud.invoker.invoke(wire.invocation),
    "put": lambda cloud, _: cloud.objects.put(THING, b"payload"),
    "get": lambda cloud, _: cloud.objects.get(THING),
    "head": lambda cloud, _: cloud.objects.head(THING),
    "list": lambda cloud, _: drain(cloud.objects.list("bucket", "a/")),
    "delete": lambda cloud, _: cloud.objects.delete([THING]),
    "receive": lambda cloud, _: cloud.queue(f"{cloud.endpoint_url('sqs')}/1/q").receive(wait_s=0),
    "acknowledge": lambda cloud, _: cloud.queue(f"{cloud.endpoint_url('sqs')}/1/q").delete(["r"]),
    "describe": lambda cloud, _: cloud.control.describe("model"),
    "queue": lambda cloud, _: cloud.control.open_run_queue("abcdefghij", ["arn:aws:sns:us-east-1:1:t"]),
}


STATUSES = (301, 302, 303, 307, 308)
PAIRS = [
    # Each call meets two of the statuses here, each status four of the calls; the campaign has every pair.
    pytest.param(name, status, marks=[] if (at + turn) % len(STATUSES) < 2 else pytest.mark.campaign)
    for at, name in enumerate(CALLS)
    for turn, status in enumerate(STATUSES)
]


@CLIENTS
@pytest.mark.parametrize(("name", "status"), PAIRS)
async def test_a_redirect_ends_the_call_and_names_who_was_told(wire, client, name, status, monkeypatch):
    async with wire.serve(wire.answering(wire.reply(200, b"{}"))) as elsewhere:
        answer = wire.reply(status, Location=f"http://user:pw@127.0.0.1:{elsewhere.port}/there?q")
        async with wire.cloud_against(wire.answering(answer), client=client) as (cloud, served):
            with pytest.raises(CallError) as caught:
                await CALLS[name](cloud, wire)
    error = caught.value
    assert elsewhere.requests == []
    assert served.requests
    assert (error.phase, error.status) == (Phase.REPLY, status)
    assert failure_kind(error) is FailureKind.RUN
    assert f"HTTP {status}: a redirect to host 127.0.0.1:{elsewhere.port}, which is not followed" in str(
        error
    )
    assert "pw" not in str(error)


@CLIENTS
async def test_what_a_redirect_names_reaches_a_terminal_escaped(wire, client):
    answer = wire.reply(302, Location="http://a\x1b[2Jb\x9b.example/")
    async with wire.cloud_against(wire.answering(answer), client=client) as (cloud, _):
        with pytest.raises(CallError) as caught:
            await cloud.invoker.invoke(wire.invocation)
    if caught.value.phase is Phase.REPLY:  # a client may refuse such a header altogether
        assert "redirect to" in str(caught.value)
    assert not {"\x1b", "\x9b"} & set(str(caught.value))


@CLIENTS
@pytest.mark.parametrize(
    ("status", "code"),
    [
        (301, "PermanentRedirect"),
        (307, "TemporaryRedirect"),
        (400, "IllegalLocationConstraintException"),  # the region is one to opt in to
    ],
)
async def test_a_bucket_in_another_region_is_asked_there_at_the_host_that_was_named(
    wire, client, status, code
):
    body = f"<Error><Code>{code}</Code><Endpoint>evil.example</Endpoint></Error>".encode()
    moved = wire.reply(status, body, x_amz_bucket_region="eu-west-1")
    stored = wire.reply(200, ETag='"1"')
    answers = [moved, moved, stored] if client == "wire" else [moved, stored]  # ours, then botocore's two
    served_by_all = iter(answers)

    async def script(peer):
        while True:
            await peer.read()
            await peer.send(next(served_by_all))

    async with wire.cloud_against(script, client=client) as (cloud, served):
        await cloud.objects.put(THING, b"payload")
    scopes = [request.headers["authorization"].split("/")[2] for request in served.requests]
    asked_first = ["us-east-1"] * (2 if client == "wire" else 1)
    assert scopes == [*asked_first, "eu-west-1"]


async def test_a_bucket_that_a_head_finds_in_another_region_is_looked_for_once(wire):
    moved = b"HTTP/1.1 301 X\r\nx-amz-bucket-region: eu-west-1\r\n\r\n"
    there = b"HTTP/1.1 200 X\r\nContent-Length: 7\r\nLast-Modified: Fri, 20 Nov 2026 10:00:00 GMT\r\n\r\n"

    async def script(peer):
        while True:
            request = await peer.read()
            await peer.send(there if "/eu-west-1/" in request.headers["authorization"] else moved)

    async with wire.cloud_against(script, client="wire") as (cloud, served):
        for _ in range(3):
            assert (await cloud.objects.head(THING)).size_bytes == 7
    asked = [request.headers["user-agent"].startswith("fanout/") for request in served.requests]
    assert asked.count(True) == 1, "then all calls are botocore's, which keeps the region"


@pytest.mark.parametrize("told", ["cn-north-1", "us-iso-east-1", "eusc-de-east-1"])
async def test_no_reply_moves_a_request_to_another_partition(wire, told, monkeypatch):
    """The region is the service's to tell; another partition is another company's host, or a forger's."""
    async with open_cloud(
        aws_settings(client="aiobotocore", region="us-east-1", access_key_id="A", secret_access_key="s")
    ) as cloud:
        sent = []

        async def send(request):
            from aiobotocore.awsrequest import AioAWSResponse  # as botocore's transport makes them

            sent.append(request.url)
            return _Moved(AioAWSResponse, request.url, told)

        client = cloud._clients["s3"]
        monkeypatch.setattr(client._endpoint.http_session, "send", send)
        with pytest.raises(CallError) as caught:
            await cloud.objects.put(THING, b"payload")
    assert sent == ["https://bucket.s3.amazonaws.com/a/key"]
    assert failure_kind(caught.value) is FailureKind.RUN
    assert "which is not followed" in str(caught.value)


class _Moved:
    """A reply of S3 that says that the bucket is in the region `told`."""

    def __new__(cls, kind, url, told):
        class Raw:
            async def read(self):
                return b"<Error><Code>PermanentRedirect</Code></Error>"

        return kind(url, 301, {"x-amz-bucket-region": told}, Raw())


@pytest.mark.parametrize(
    ("url", "home", "stays"),
    [
        ("https://b.s3.eu-west-1.amazonaws.com/k", "https://s3.us-east-1.amazonaws.com", True),
        ("https://b.s3.dualstack.eu-west-1.amazonaws.com/k", "https://s3.us-east-1.amazonaws.com", True),
        ("https://sqs.eu-west-1.api.aws", "https://sqs.eu-west-1.amazonaws.com", True),
        ("https://b.s3.cn-north-1.amazonaws.com.cn/k", "https://s3.us-east-1.amazonaws.com", False),
        ("https://b.s3.us-east-1.amazonaws.com.evil.example/k", "https://s3.us-east-1.amazonaws.com", False),
        ("http://127.0.0.1:9000/b/k", "http://127.0.0.1:9000", True),
        ("http://b.store.example:9000/k", "http://store.example:9000", True),
        ("https://b.s3.us-east-1.amazonaws.com/k", "http://store.example:9000", False),
        ("http://evilstore.example/k", "http://store.example", False),
    ],
)
async def test_what_is_at_home(url, home, stays):
    assert is_at_home(url, home=home) is stays


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
async def test_a_containers_credentials_are_asked_of_nobody_else(wire, monkeypatch):
    async with wire.serve(wire.answering(wire.reply(200, b"{}"))) as elsewhere:
        answer = wire.reply(307, Location=f"{elsewhere.url}/x")
        async with wire.serve(wire.answering(answer)) as metadata:
            monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", f"{metadata.url}/keys")
            monkeypatch.setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN", "hush")
            monkeypatch.setattr("aiobotocore.utils.AioContainerMetadataFetcher.SLEEP_TIME", 0)
            with pytest.raises(RunError):
                async with open_cloud(aws_settings(region="us-east-1")):
                    pass
    assert elsewhere.requests == []
    assert metadata.requests[0].headers["authorization"] == "hush"


async def test_roles_are_assumed_of_nobody_else(wire, monkeypatch, tmp_path):
    async with wire.serve(wire.answering(wire.reply(200, b"{}"))) as elsewhere:
        answer = wire.reply(307, Location=f"{elsewhere.url}/x")
        async with wire.serve(wire.answering(answer)) as sts:
            monkeypatch.setenv("AWS_ENDPOINT_URL_STS", sts.url)
            (tmp_path / "config").write_text(
                "[profile p]\nrole_arn = arn:aws:iam::123456789012:role/r\nsource_profile = base\n"
                "[profile base]\naws_access_key_id = A\naws_secret_access_key = hush\n"
            )
            with pytest.raises(RunError, match=f"a redirect to host 127.0.0.1:{elsewhere.port}"):
                async with open_cloud(aws_settings(region="us-east-1", profile="p")):
                    pass
    assert elsewhere.requests == []
    assert sts.requests
