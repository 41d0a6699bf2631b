"""Makes one attempt of InvokeEndpointAsync through aiobotocore and checks the reply.

botocore checks neither sizes nor patterns, so `domain.routing` has checked the invocation before. It calls a 202 with
broken JSON or without a location a success, so the reply is checked here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fanout.aws.errors import UNREADABLE
from fanout.aws.timeouts import bounded
from fanout.domain.records import Invocation, Reply
from fanout.errors import CallError, Phase, not_released


class SageMakerInvoker:
    """`ports.Invoker` on one sagemaker-runtime client.

    Args:
        client: An aiobotocore client that retries nothing by itself.
        timeout_s: Bound of one call as a whole, waiting for a connection included.
    """

    def __init__(self, client: Any, *, timeout_s: float) -> None:
        self._client = client
        self._timeout_s = timeout_s

    async def invoke(self, invocation: Invocation) -> Reply:
        """Return the checked 202; see `ports.Invoker`."""
        parameters = to_parameters(invocation)
        if invocation.may_leave is not None and not invocation.may_leave():
            raise not_released()
        async with bounded(self._timeout_s):
            answer = await self._client.invoke_endpoint_async(**parameters)
        return to_reply(answer, sent=invocation.inference_id)


def to_parameters(invocation: Invocation) -> dict[str, object]:
    """Return the request in the words of the service model; what is None is left out."""
    options = invocation.options
    parameters = {
        "EndpointName": invocation.endpoint,
        "InferenceId": invocation.inference_id,
        "S3OutputPathExtension": invocation.output_extension,
        "Filename": invocation.filename,
        "Body": invocation.body,
        "InputLocation": invocation.input_location,
        "ContentType": options.content_type,
        "Accept": options.accept,
        "CustomAttributes": options.custom_attributes,
        "RequestTTLSeconds": options.ttl_s,
        "InvocationTimeoutSeconds": options.invocation_timeout_s,
    }
    return {name: value for name, value in parameters.items() if value is not None}


def to_reply(answer: Mapping[str, Any], *, sent: str) -> Reply:
    """Return the reply if it names the place of the output and answers the inference id `sent`.

    Raises:
        CallError: It does not: something answered, and the row may be queued.
    """
    request_id = answer.get("ResponseMetadata", {}).get("RequestId")
    location, echoed = answer.get("OutputLocation"), answer.get("InferenceId")
    if not location:
        message = "the reply names no OutputLocation"
    elif echoed != sent:
        message = f"the reply is for inference id {echoed!r:.80}, not {sent!r}"
    else:
        return Reply(
            inference_id=sent,
            output_location=location,
            failure_location=answer.get("FailureLocation") or None,
            request_id=request_id,
        )
    status = answer.get("ResponseMetadata", {}).get("HTTPStatusCode")
    raise CallError(Phase.EXCHANGE, UNREADABLE, message=message, status=status, request_id=request_id)
