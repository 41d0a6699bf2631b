"""Writes the endpoint's SNS messages as documents, true ones and forged ones.

Each is a dict for `orjson.dumps`, made from an inference and its end. Pure; the shapes are those of AWS's
documentation and of messages that public code presents as captured.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from fanout.simulator.limits import AsyncRequest
from fanout.simulator.timestamps import iso_ms

MAX_RESPONSE_BYTES = 128 * 1024  # IncludeInferenceResponseIn: "up to 128 KB"
DEEP_JSON = '{"inferenceId":' + "[" * 20_000 + "]" * 20_000 + "}"
"""Valid JSON, deeper than any parser should follow."""

Document = dict[str, object]
Parameters = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Header:
    """What all messages of one endpoint have in common."""

    region: str
    endpoint: str

    def completed(
        self,
        parameters: Parameters,
        *,
        inference_id: str,
        received_at: float,
        at: float,
        output_location: str,
        response: bytes | None,
        content_type: str,
    ) -> Document:
        """Return the message for a success; `response` rides along if it is given and at most 128 KB."""
        document = self._result(
            parameters, inference_id=inference_id, received_at=received_at, at=at, status="Completed"
        )
        document["responseParameters"] = {"contentType": content_type, "outputLocation": output_location}
        if response is not None and len(response) <= MAX_RESPONSE_BYTES:
            document["responseBody"] = {
                "content": base64.b64encode(response).decode(),
                "message": "Response body is included",
                "encoding": "BASE64",
            }
        return document

    def failed(
        self,
        parameters: Parameters,
        *,
        inference_id: str,
        received_at: float,
        at: float,
        status: Literal["Failed", "Expired"],
        reason: str,
        failure_location: str | None,
    ) -> Document:
        """Return the message for a failure or an expiry: no responseParameters, a failureReason."""
        document = self._result(
            parameters, inference_id=inference_id, received_at=received_at, at=at, status=status
        )
        document["failureReason"] = reason
        if failure_location is not None:
            document["failureLocation"] = failure_location
        return document

    def test(self, *, at: float) -> Document:
        """Return the message that comes when the endpoint is created, updated or rescaled."""
        return {
            "awsRegion": self.region,
            "eventTime": iso_ms(at),
            "requestParameters": {"endpointName": self.endpoint},
            "eventVersion": "1.0",
            "eventSource": "aws:sagemaker",
            "eventName": "TestNotification",
        }

    def _result(
        self, parameters: Parameters, *, inference_id: str, received_at: float, at: float, status: str
    ) -> Document:
        return {
            "awsRegion": self.region,
            "eventTime": iso_ms(at),
            "receivedTime": iso_ms(received_at),
            "invocationStatus": status,
            "requestParameters": parameters,
            "inferenceId": inference_id,
            "eventVersion": "1.0",
            "eventSource": "aws:sagemaker",
            "eventName": "InferenceResult",
        }


def of_another_run(document: Mapping[str, object]) -> Document:
    """Return the same message as another run's row 0 would get it."""
    return {**document, "inferenceId": "strangers2.0.0.0"}


def with_foreign_output(document: Mapping[str, object]) -> Document:
    """Return a forged message about the same row: completed, with an output in a foreign bucket."""
    lie = {key: value for key, value in document.items() if key not in {"failureReason", "failureLocation"}}
    return lie | {
        "invocationStatus": "Completed",
        "responseParameters": {
            "contentType": "application/json",
            "outputLocation": "s3://somebody-elses-bucket/stolen.out",
        },
        "responseBody": {"content": "Zm9yZ2Vk", "message": "", "encoding": "BASE64"},
    }


def parameters_of(request: AsyncRequest) -> Parameters:
    """Return requestParameters: what was sent, and nothing of what was not."""
    sent = {"endpointName": request.endpoint}
    if request.content_type is not None:
        sent["contentType"] = request.content_type
    if request.accept is not None:
        sent["accept"] = request.accept
    if request.custom_attributes is not None:
        sent["customAttributes"] = request.custom_attributes
    if request.input_location is not None:
        sent["inputLocation"] = request.input_location
    return sent
