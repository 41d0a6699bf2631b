"""Answers DescribeEndpoint and DescribeEndpointConfig (JSON 1.1), all of SageMaker's control plane that a run reads."""

from __future__ import annotations

from fanout.ports import SIMULATED_HEADER, Endpoint
from fanout.simulator.authorization import Right
from fanout.simulator.errors import ServiceError
from fanout.simulator.http.fields import Fields
from fanout.simulator.http.messages import Reply, Request
from fanout.simulator.http.refusals import json_refusal
from fanout.simulator.http.replies import JSON_1_1, json_error, json_reply
from fanout.simulator.http.sigv4 import SignatureRefused
from fanout.simulator.world import World

_TARGET = "SageMaker."
_VARIANT = "AllTraffic"


class SageMaker:
    """The two descriptions of the world's one endpoint."""

    signing_name = "sagemaker"

    def __init__(self, world: World) -> None:
        self._world = world

    def operation(self, request: Request) -> str:
        """Return the API's name of the operation."""
        name = request.headers.get("x-amz-target", "").removeprefix(_TARGET)
        if name not in {"DescribeEndpoint", "DescribeEndpointConfig"}:
            raise ServiceError(400, "UnknownOperationException", f"{name!r} is not simulated.")
        return name

    def rights(self, operation: str, request: Request) -> tuple[Right, ...]:
        """Return what the caller must be allowed for it."""
        fields = Fields.parse(request.body)
        if operation == "DescribeEndpoint":
            arn = self._arn("endpoint", fields.text("EndpointName"))
        else:
            arn = self._arn("endpoint-config", fields.text("EndpointConfigName"))
        return (Right(f"sagemaker:{operation}", arn),)

    def perform(self, operation: str, request: Request, *, now: float) -> Reply:  # noqa: ARG002 - nothing passes here
        """Return the description."""
        fields = Fields.parse(request.body)
        if operation == "DescribeEndpoint":
            value = self._endpoint(fields.text("EndpointName"))
            return json_reply(200, value, content_type=JSON_1_1, headers=((SIMULATED_HEADER, "true"),))
        value = self._config(fields.text("EndpointConfigName"))
        return json_reply(200, value, content_type=JSON_1_1)

    def error(self, error: ServiceError, _request: Request) -> Reply:
        """Return the error as SageMaker writes it."""
        return json_error(error, content_type=JSON_1_1)

    def refusal(self, refused: SignatureRefused) -> ServiceError:
        """Return the error for a signature that does not hold."""
        return json_refusal(refused)

    def _endpoint(self, name: str) -> dict[str, object]:
        endpoint = self._world.describe(name)
        return {
            "EndpointName": name,
            "EndpointArn": self._arn("endpoint", name),
            "EndpointConfigName": f"{name}-config",
            "EndpointStatus": endpoint.status,
            "CreationTime": self._world.started_at,
            "LastModifiedTime": self._world.started_at,
            "ProductionVariants": [
                {
                    "VariantName": _VARIANT,
                    "CurrentInstanceCount": endpoint.instances,
                    "DesiredInstanceCount": endpoint.instances,
                    "CurrentWeight": 1.0,
                    "DesiredWeight": 1.0,
                }
            ],
        }

    def _config(self, name: str) -> dict[str, object]:
        settings = self._world.settings
        if name != f"{settings.endpoint_name}-config":
            arn = self._arn("endpoint-config", name)
            raise ServiceError(400, "ValidationException", f'Could not find endpoint configuration "{arn}".')
        config: dict[str, object] = {
            "EndpointConfigName": name,
            "EndpointConfigArn": self._arn("endpoint-config", name),
            "CreationTime": self._world.started_at,
            "ProductionVariants": [
                {
                    "VariantName": _VARIANT,
                    "ModelName": "simulated",
                    "InitialInstanceCount": settings.instances,
                    "InstanceType": settings.instance_type,
                    "InitialVariantWeight": 1.0,
                }
            ],
        }
        if settings.asynchronous:
            config["AsyncInferenceConfig"] = _async_config(self._world.describe(settings.endpoint_name))
        return config

    def _arn(self, kind: str, name: str) -> str:
        settings = self._world.settings
        # In lower case, as SageMaker writes it.
        return f"arn:aws:sagemaker:{settings.region}:{settings.account_id}:{kind}/{name.lower()}"


def _async_config(endpoint: Endpoint) -> dict[str, object]:
    """Return AsyncInferenceConfig; a member that is not configured is not there."""
    topics: dict[str, object] = {}
    if endpoint.success_topic is not None:
        topics["SuccessTopic"] = endpoint.success_topic
    if endpoint.error_topic is not None:
        topics["ErrorTopic"] = endpoint.error_topic
    if topics and endpoint.includes_response:
        topics["IncludeInferenceResponseIn"] = ["SUCCESS_NOTIFICATION_TOPIC", "ERROR_NOTIFICATION_TOPIC"]
    output: dict[str, object] = {"S3OutputPath": endpoint.output_path}
    if endpoint.failure_path is not None:
        output["S3FailurePath"] = endpoint.failure_path
    if endpoint.kms_key_id is not None:
        output["KmsKeyId"] = endpoint.kms_key_id
    if topics:
        output["NotificationConfig"] = topics
    config: dict[str, object] = {"OutputConfig": output}
    if endpoint.concurrency_per_instance is not None:
        config["ClientConfig"] = {"MaxConcurrentInvocationsPerInstance": endpoint.concurrency_per_instance}
    return config
