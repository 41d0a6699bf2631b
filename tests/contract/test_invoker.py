"""`ports.Invoker` and the description of the endpoint, on every cloud that has one."""

from __future__ import annotations

import dataclasses
import hashlib
import json

import pytest

from fanout.domain.failures import FailureKind, failure_kind
from fanout.domain.ids import inference_id, output_extension, output_filename
from fanout.domain.location import Location
from fanout.domain.records import Invocation, Options
from fanout.errors import CallError, Phase

pytestmark = pytest.mark.asyncio(loop_scope="module")

REFUSED = {"ValidationError", "ValidationException"}
"""The API reference says ValidationException, the service model of the runtime ValidationError."""


def inline(harness, run, body=b"{}", *, row=0, options=None):
    return Invocation(
        endpoint=harness.endpoint,
        inference_id=inference_id(run, row, generation=0, attempt=1),
        output_extension=output_extension(run, row),
        filename=output_filename(row, 0),
        options=options or Options(content_type="application/json"),
        body=body,
    )


async def refusal(harness, invocation):
    with pytest.raises(CallError) as caught:
        await harness.cloud.invoker.invoke(invocation)
    return caught.value


async def test_a_region_without_inline_refuses_the_payload_and_takes_it_via_s3(elsewhere, run):
    here = Location(elsewhere.bucket, f"contract/{run}/in")
    await elsewhere.cloud.objects.put(here, b"{}")
    refused = await refusal(elsewhere, inline(elsewhere, run))
    assert (refused.phase, refused.status) == (Phase.REPLY, 400)
    assert refused.code in REFUSED
    assert failure_kind(refused) is FailureKind.ROW, "it was certainly not received"
    staged = dataclasses.replace(inline(elsewhere, run, row=1), body=None, input_location=here.uri)
    assert (await elsewhere.cloud.invoker.invoke(staged)).inference_id == staged.inference_id


@pytest.mark.parametrize("size", [0, 1, 127_999, 128_000])
async def test_payloads_up_to_the_limit_are_accepted(inference, run, size):
    invocation = inline(inference, run, b"x" * size)
    reply = await inference.cloud.invoker.invoke(invocation)
    described = await inference.cloud.control.describe(inference.endpoint)
    assert reply.inference_id == invocation.inference_id
    assert reply.output_location.startswith(f"{described.output_path.rstrip('/')}/")
    if described.failure_path is None:
        assert reply.failure_location is None
    else:
        assert reply.failure_location.startswith(f"{described.failure_path.rstrip('/')}/")
    assert reply.request_id


async def test_one_byte_more_is_refused(inference, run):
    error = await refusal(inference, inline(inference, run, b"x" * 128_001))
    assert (error.phase, error.status) == (Phase.REPLY, 400)
    assert error.code in REFUSED


async def test_a_staged_payload_is_accepted(inference, run):
    location = Location(inference.bucket, f"contract/{run}/input")
    await inference.cloud.objects.put(location, b"{}")
    staged = dataclasses.replace(inline(inference, run), body=None, input_location=location.uri)
    assert (await inference.cloud.invoker.invoke(staged)).inference_id == staged.inference_id


async def test_every_option_is_accepted(inference, run):
    options = Options(
        content_type="application/json",
        accept="application/json",
        custom_attributes="trace=1",
        ttl_s=60,
        invocation_timeout_s=3600,
    )
    reply = await inference.cloud.invoker.invoke(inline(inference, run, options=options))
    assert reply.output_location


@pytest.mark.parametrize(
    "change",
    [
        {"input_location": "s3://bucket/key"},
        {"filename": "two.dots.here"},
        {"filename": "f" * 33},
        {"output_extension": "s3://elsewhere"},
        {"options": Options(ttl_s=59)},
        {"options": Options(invocation_timeout_s=3601)},
        {"inference_id": "i" * 65},
    ],
)
async def test_what_breaks_a_limit_is_refused(inference, run, change):
    # Neither payload nor location is not among these: on the wire that is an empty payload.
    error = await refusal(inference, dataclasses.replace(inline(inference, run), **change))
    assert (error.phase, error.status) == (Phase.REPLY, 400)
    assert error.code in REFUSED | {"ParamValidation"}  # botocore refuses numbers below a minimum by itself


async def test_an_endpoint_that_is_not_there(inference, run):
    error = await refusal(inference, dataclasses.replace(inline(inference, run), endpoint="no-such-endpoint"))
    assert (error.phase, error.status) == (Phase.REPLY, 400)
    assert error.code in REFUSED
    with pytest.raises(CallError) as caught:
        await inference.cloud.control.describe("no-such-endpoint")
    assert (caught.value.phase, caught.value.code, caught.value.status) == (
        Phase.REPLY,
        "ValidationException",
        400,
    )


async def test_the_endpoint_describes_itself(inference):
    described = await inference.cloud.control.describe(inference.endpoint)
    assert (described.name, described.status) == (inference.endpoint, "InService")
    assert described.output_path.startswith("s3://")
    if inference.world is not None:
        settings = inference.world.settings
        assert described.output_path == settings.output_path
        assert described.failure_path == settings.failure_path
        assert described.topics == (settings.success_topic, settings.error_topic)
        assert described.includes_response is settings.notifications.includes_response
        assert described.instances == settings.instances
        assert described.instance_types == {settings.instance_type: settings.instances}
        assert described.concurrency_per_instance == settings.concurrency_per_instance
        assert described.kms_key_id is None


async def test_inline_is_supported(inference):
    assert await inference.cloud.control.supports_inline() is True


async def test_a_row_goes_all_the_way(inference, run):
    payload = b'{"question": 1}'
    described = await inference.cloud.control.describe(inference.endpoint)
    run_queue = await inference.cloud.control.open_run_queue(run, described.topics)
    queue = inference.cloud.queue(run_queue.url)
    try:
        reply = await inference.cloud.invoker.invoke(inline(inference, run, payload, row=7))
        notices = []
        while not notices:
            received = [json.loads(message.body) for message in await queue.receive(wait_s=20)]
            notices = [notice for notice in received if notice.get("inferenceId") == reply.inference_id]
    finally:
        await inference.cloud.control.close_run_queue(run_queue)
    assert notices[0]["invocationStatus"] == "Completed"
    location = Location.parse(notices[0]["responseParameters"]["outputLocation"])
    assert location == Location.parse(reply.output_location)
    answer = await inference.cloud.objects.get(location)
    if inference.world is not None:
        assert json.loads(answer.body)["row"] == 7
        assert json.loads(answer.body)["sha256"] == hashlib.sha256(payload).hexdigest()
