"""What a request looks like on the wire."""

from __future__ import annotations

import dataclasses

import pytest

from fanout.aws.sdk.invoker import to_parameters
from fanout.domain.records import Options
from fanout.errors import NOT_RELEASED, CallError

pytestmark = pytest.mark.asyncio

ACCEPTED = {"X-Amzn-SageMaker-OutputLocation": "s3://out/1"}
ECHO = b'{"InferenceId": "abcdefghij.7.0.1"}'


async def sent(wire, invocation):
    """Return the one request that `invocation` becomes."""
    async with wire.cloud_against(wire.answering(wire.reply(202, ECHO, **ACCEPTED))) as (cloud, server):
        await cloud.invoker.invoke(invocation)
        (request,) = server.requests
        return request


def sagemaker_headers(request):
    return {
        name[17:]: value for name, value in request.headers.items() if name.startswith("x-amzn-sagemaker-")
    }


async def test_an_inline_request_is_the_payload_and_headers(wire):
    request = await sent(wire, wire.invocation)
    assert (request.method, request.target) == ("POST", "/endpoints/model/async-invocations")
    assert request.body == b'{"x": 1}'
    assert sagemaker_headers(request) == {
        "inference-id": "abcdefghij.7.0.1",
        "s3outputpathextension": "fanout/abcdefghij/07",
        "filename": "7.0",
    }


async def test_an_empty_payload_is_a_body_of_no_bytes(wire):
    request = await sent(wire, dataclasses.replace(wire.invocation, body=b""))
    assert (request.body, request.headers["content-length"]) == (b"", "0")
    assert "inputlocation" not in sagemaker_headers(request)


async def test_all_options_travel(wire):
    options = Options(
        content_type="application/json",
        accept="text/csv",
        custom_attributes="a=b",
        ttl_s=60,
        invocation_timeout_s=900,
    )
    staged = dataclasses.replace(wire.invocation, body=None, input_location="s3://in/7", options=options)
    request = await sent(wire, staged)
    assert request.body == b""
    assert sagemaker_headers(request) == {
        "inference-id": "abcdefghij.7.0.1",
        "s3outputpathextension": "fanout/abcdefghij/07",
        "filename": "7.0",
        "inputlocation": "s3://in/7",
        "content-type": "application/json",
        "accept": "text/csv",
        "custom-attributes": "a=b",
        "requestttlseconds": "60",
        "invocationtimeoutseconds": "900",
    }


async def test_requests_are_signed_for_sagemaker_and_say_who_sends_them(wire):
    request = await sent(wire, wire.invocation)
    assert "/us-east-1/sagemaker/aws4_request" in request.headers["authorization"]
    assert " fanout/" in request.headers["user-agent"]


async def test_what_is_none_is_left_out(wire):
    assert set(to_parameters(wire.invocation)) == {
        "EndpointName", "InferenceId", "S3OutputPathExtension", "Filename", "Body"
    }  # fmt: skip


async def test_a_request_that_may_not_leave_is_not_sent(wire):
    async with wire.cloud_against(
        wire.answering(wire.reply(202, ECHO, **ACCEPTED)), client="aiobotocore"
    ) as (cloud, server):
        with pytest.raises(CallError) as caught:
            await cloud.invoker.invoke(dataclasses.replace(wire.invocation, may_leave=lambda: False))
        assert caught.value.code == NOT_RELEASED
        await cloud.invoker.invoke(dataclasses.replace(wire.invocation, may_leave=lambda: True))
        assert len(server.requests) == 1
