"""Requests that are not signed as they must be get each service's own error, as botocore parses it."""

from __future__ import annotations

import json
import time
from datetime import timedelta
from types import SimpleNamespace

import pytest
from botocore import UNSIGNED, auth
from botocore.config import Config
from botocore.exceptions import ClientError
from support.raw_server import INVOCATION
from support.settings import aws_settings
from support.simulator_http import serving

from fanout.aws.session import open_cloud
from fanout.domain.location import Location
from fanout.domain.remedies import remedy
from fanout.errors import CallError

CALLS = {
    "sagemaker-runtime": ("invoke_endpoint_async", {"EndpointName": "simulated", "Body": b"x"}),
    "sagemaker": ("describe_endpoint", {"EndpointName": "simulated"}),
    "sqs": ("list_queues", {}),
    "sns": ("list_topics", {}),
    "sts": ("get_caller_identity", {}),
    "cloudwatch": (
        "get_metric_statistics",
        {
            "Namespace": "AWS/SageMaker",
            "MetricName": "ApproximateBacklogSize",
            "StartTime": 0,
            "EndTime": 60,
            "Period": 60,
            "Statistics": ["Maximum"],
        },
    ),
    "s3": ("get_object", {"Bucket": "simulated", "Key": "none"}),
}
JSON = ("sagemaker-runtime", "sagemaker")
QUERY = ("sqs", "sns", "sts", "cloudwatch")


@pytest.fixture(scope="module")
def served():
    with serving() as served:
        yield served


def code_of(served, service, **changes):
    operation, arguments = CALLS[service]
    with pytest.raises(ClientError) as caught:
        getattr(served.client(service, **changes), operation)(**arguments)
    return caught.value.response["Error"]["Code"]


def each(json, query, s3):
    return [*((name, json) for name in JSON), *((name, query) for name in QUERY), ("s3", s3)]


@pytest.mark.parametrize(
    ("service", "code"), each("InvalidSignatureException", "SignatureDoesNotMatch", "SignatureDoesNotMatch")
)
def test_a_wrong_secret(served, service, code):
    assert code_of(served, service, aws_secret_access_key="wrong") == code


@pytest.mark.parametrize(
    ("service", "code"), each("UnrecognizedClientException", "InvalidClientTokenId", "InvalidAccessKeyId")
)
def test_an_unknown_key(served, service, code):
    assert code_of(served, service, aws_access_key_id="AKIAUNKNOWN") == code


@pytest.mark.parametrize(
    ("service", "code"), each("UnrecognizedClientException", "InvalidClientTokenId", "InvalidToken")
)
@pytest.mark.parametrize("token", [None, "wrong"])
def test_a_wrong_session_token(served, service, code, token):
    assert code_of(served, service, aws_session_token=token) == code


@pytest.mark.parametrize(
    ("service", "code"),
    each("MissingAuthenticationTokenException", "MissingAuthenticationToken", "AccessDenied"),
)
def test_no_signature(served, service, code):
    assert code_of(served, service, config=Config(signature_version=UNSIGNED)) == code


@pytest.mark.parametrize(
    ("service", "code"),
    each("InvalidSignatureException", "SignatureDoesNotMatch", "AuthorizationHeaderMalformed"),
)
def test_another_region(served, service, code):
    client = served.client(service, region_name="eu-west-1")
    # botocore follows S3's hint to the right region by itself: what counts is the first reply.
    codes = []

    def look(response, **_):
        codes.append(response[1]["Error"]["Code"])

    client.meta.events.register_first(f"needs-retry.{service}", look)
    operation, arguments = CALLS[service]
    with pytest.raises(ClientError):
        getattr(client, operation)(**arguments)
    assert codes[0] == code


@pytest.mark.parametrize(
    ("service", "code"), each("InvalidSignatureException", "SignatureDoesNotMatch", "RequestTimeTooSkewed")
)
def test_a_clock_that_is_wrong(served, service, code, monkeypatch):
    true_now = auth.get_current_datetime
    monkeypatch.setattr(auth, "get_current_datetime", lambda: true_now() - timedelta(minutes=16))
    assert code_of(served, service) == code


@pytest.mark.parametrize("service", [*JSON, *QUERY])
@pytest.mark.parametrize(
    ("minutes", "says"),
    [(-6, "Signature expired: .* is now earlier than "), (6, "Signature not yet current: ")],
)
def test_but_for_s3_five_minutes_are_too_many(served, service, minutes, says, monkeypatch):
    true_now = auth.get_current_datetime
    monkeypatch.setattr(auth, "get_current_datetime", lambda: true_now() + timedelta(minutes=minutes))
    operation, arguments = CALLS[service]
    with pytest.raises(ClientError, match=says):
        getattr(served.client(service), operation)(**arguments)
    assert code_of(served, "s3") == "NoSuchKey"


@pytest.mark.asyncio
@pytest.mark.parametrize("minutes", [-16, 16])
async def test_a_clock_that_is_wrong_is_named_with_by_how_much(served, minutes, monkeypatch):
    """By each call of the SDK; our own client sets its clock right and goes on (`aws.http.clock_skew`)."""
    true_now = auth.get_current_datetime
    monkeypatch.setattr(auth, "get_current_datetime", lambda: true_now() + timedelta(minutes=minutes))
    ours = SimpleNamespace(time=lambda: time.time() + 60 * minutes)  # not the simulator's, in this process
    monkeypatch.setattr("fanout.aws.call_errors.time", ours)
    identity = served.server.identity
    settings = aws_settings(
        client="aiobotocore",
        region=identity.region,
        endpoint_url=served.url,
        access_key_id=identity.access_key_id,
        secret_access_key=identity.secret_access_key,
        session_token=identity.session_token,
    )
    said = f"The clock of this machine is 16 minutes {'behind' if minutes < 0 else 'ahead of'} AWS's"
    async with open_cloud(settings) as cloud:
        calls = {
            "describe": lambda: cloud.control.describe("simulated"),
            "queue": lambda: cloud.control.open_run_queue("abcdefghij", ["arn:aws:sns:us-east-1:1:t"]),
            "invoke": lambda: cloud.invoker.invoke(INVOCATION),
            "get": lambda: cloud.objects.get(Location("simulated", "none")),
            "receive": lambda: cloud.queue(f"{served.url}/1/q").receive(wait_s=0),
        }
        for name, call in calls.items():
            with pytest.raises(CallError) as caught:
                await call()
            assert said in remedy(name, caught.value), name


def test_signatures_are_ignored_when_the_settings_say_so():
    with serving(verify_signatures=False) as served:
        sqs = served.client(
            "sqs", aws_access_key_id="any", aws_secret_access_key="thing", aws_session_token=None
        )
        assert "QueueUrls" not in sqs.list_queues()


def test_the_auditor_may_ask_for_the_requests_of_one_run():
    with serving() as served:
        runtime = served.client("sagemaker-runtime")
        for identity in ("one.0.0.1", "one.1.0.1", "oneself.0.0.1"):
            runtime.invoke_endpoint_async(EndpointName="simulated", Body=b"x", InferenceId=identity)
        lines = {}
        for query in ("", "?inference-id-prefix=one.", "?inference-id-prefix=two."):
            reply = served.exchange(
                f"GET /_simulator/log{query} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n".encode()
            )
            lines[query] = [
                json.loads(line)["inference_id"] for line in reply.partition(b"\r\n\r\n")[2].splitlines()
            ]
    assert list(lines.values()) == [
        ["one.0.0.1", "one.1.0.1", "oneself.0.0.1"],
        ["one.0.0.1", "one.1.0.1"],
        [],
    ]


def test_the_auditor_needs_no_signature(served):
    reply = served.exchange(b"GET /_simulator/log HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
    assert reply.startswith(b"HTTP/1.1 200 OK\r\n")
    unknown = served.exchange(b"GET /_simulator/secrets HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
    assert unknown.startswith(b"HTTP/1.1 404 ")
