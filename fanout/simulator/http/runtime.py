"""Answers `POST /endpoints/{name}/async-invocations`, the one operation of SageMaker's runtime.

It calls `World.invoke` and replies with a 202 or a fault. The payload is the raw body, everything else a header
(botocore service model of sagemaker-runtime).
"""

from __future__ import annotations

from collections.abc import Awaitable

from fanout.simulator.authorization import Right
from fanout.simulator.errors import ServiceError
from fanout.simulator.faults import FOREIGN_LOCATION, InvokeFault
from fanout.simulator.http.clockwork import Clockwork
from fanout.simulator.http.messages import Header, Reply, Request, Wire, decode_path
from fanout.simulator.http.refusals import json_refusal
from fanout.simulator.http.replies import JSON, json_error, request_id
from fanout.simulator.http.sigv4 import SignatureRefused
from fanout.simulator.limits import AsyncRequest, invalid
from fanout.simulator.world import Accepted, World

PREFIX, SUFFIX = "/endpoints/", "/async-invocations"
_HEADER = "x-amzn-sagemaker-"
_HTML = b"<html><head><title>502 Bad Gateway</title></head><body><h1>502 Bad Gateway</h1></body></html>"
_WIRES = {
    InvokeFault.RESET_AFTER: Wire.RESET,
    InvokeFault.HANG: Wire.HANG,
    InvokeFault.DRIBBLE: Wire.DRIBBLE,
}


class Runtime:
    """InvokeEndpointAsync, with the faults that the settings ask for.

    Args:
        world: Where the endpoint is.
        clockwork: Waits for a notification that the settings publish before the reply.
    """

    signing_name = "sagemaker"

    def __init__(self, world: World, *, clockwork: Clockwork) -> None:
        self._world = world
        self._clockwork = clockwork
        self._faulty = any(
            getattr(world.settings.faults, name)
            for name in type(world.settings.faults).model_fields
            if name.endswith("_share")
        )

    def operation(self, _request: Request) -> str:
        """Return the API's name of the operation."""
        return "InvokeEndpointAsync"

    def rights(self, operation: str, request: Request) -> tuple[Right, ...]:
        """Return what the caller must be allowed for it."""
        settings, name = self._world.settings, decode_path(request.path[len(PREFIX) : -len(SUFFIX)])
        arn = f"arn:aws:sagemaker:{settings.region}:{settings.account_id}:endpoint/{name.lower()}"
        return (Right(f"sagemaker:{operation}", arn),)

    def perform(self, _operation: str, request: Request, *, now: float) -> Reply | Awaitable[Reply]:
        """Hand the request to the endpoint and return its reply."""
        fault = self._world.faults.invoke() if self._faulty else None
        if fault is not None and not fault.accepted:
            return self._refused(fault)
        accepted = self._world.invoke(_parse(request), now=now)
        reply = _accepted(accepted) if fault is None else self._spoilt(accepted, fault)
        if self._world.may_reply(accepted.inference_id):
            return reply
        return self._held_back(reply, accepted.inference_id)

    async def _held_back(self, reply: Reply, inference_id: str) -> Reply:
        while not self._world.may_reply(inference_id):
            await self._clockwork.tick()
        return reply

    def error(self, error: ServiceError, _request: Request) -> Reply:
        """Return the error as the runtime writes it."""
        return json_error(error, content_type=JSON)

    def refusal(self, refused: SignatureRefused) -> ServiceError:
        """Return the error for a signature that does not hold."""
        return json_refusal(refused)

    def _refused(self, fault: InvokeFault) -> Reply:
        """Return the reply to a request that the endpoint never sees."""
        if fault is InvokeFault.THROTTLE:
            retry_after_s = self._world.settings.throttle.retry_after_s
            raise ServiceError(400, "ThrottlingException", "Rate exceeded", retry_after_s=retry_after_s)
        if fault is InvokeFault.SERVER_ERROR:
            raise _internal()
        if fault is InvokeFault.HTML_ERROR:
            return Reply(502, [("Content-Type", "text/html")], _HTML)
        # A listening socket cannot refuse one client and take another: a refusal is a reset here.
        return Reply(503, wire=Wire.RESET)

    def _spoilt(self, accepted: Accepted, fault: InvokeFault) -> Reply:
        """Return the reply to a request that the endpoint has taken."""
        if fault is InvokeFault.SERVER_ERROR_AFTER:
            raise _internal()
        if fault is InvokeFault.NO_LOCATION:
            return _accepted(accepted._replace(output_location="", failure_location=None))
        if fault is InvokeFault.WRONG_LOCATION:
            return _accepted(accepted._replace(output_location=FOREIGN_LOCATION))
        reply = _accepted(accepted)
        if fault is InvokeFault.GARBAGE:
            reply.body = b'\x00\xff{"InferenceId": '
        reply.wire = _WIRES.get(fault)
        return reply


def _accepted(accepted: Accepted) -> Reply:
    headers: list[Header] = [("x-amzn-RequestId", request_id()), ("Content-Type", JSON)]
    if accepted.output_location:
        headers.append(("X-Amzn-SageMaker-OutputLocation", accepted.output_location))
    if accepted.failure_location is not None:
        headers.append(("X-Amzn-SageMaker-FailureLocation", accepted.failure_location))
    # The id is checked to be printable ASCII; only these two characters need escaping in JSON.
    inference_id = accepted.inference_id.replace("\\", "\\\\").replace('"', '\\"')
    return Reply(202, headers, f'{{"InferenceId":"{inference_id}"}}'.encode())


def _parse(request: Request) -> AsyncRequest:
    value = request.headers.get
    location = value(f"{_HEADER}inputlocation")
    return AsyncRequest(
        decode_path(request.path[len(PREFIX) : -len(SUFFIX)]),
        body=None if location is not None and not request.body else request.body,
        input_location=location,
        content_type=value(f"{_HEADER}content-type"),
        accept=value(f"{_HEADER}accept"),
        custom_attributes=value(f"{_HEADER}custom-attributes"),
        inference_id=value(f"{_HEADER}inference-id"),
        output_extension=value(f"{_HEADER}s3outputpathextension"),
        filename=value(f"{_HEADER}filename"),
        ttl_s=_integer(value(f"{_HEADER}requestttlseconds"), "RequestTTLSeconds"),
        invocation_timeout_s=_integer(
            value(f"{_HEADER}invocationtimeoutseconds"), "InvocationTimeoutSeconds"
        ),
    )


def _integer(value: str | None, name: str) -> int | None:
    if value is None:
        return None
    if not value.isascii() or not value.removeprefix("-").isdigit() or len(value) > 12:
        raise invalid(f"{name} must be an integer.")
    return int(value)


def _internal() -> ServiceError:
    return ServiceError(500, "InternalFailure", "An internal failure occurred.")
