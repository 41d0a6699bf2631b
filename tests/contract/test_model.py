"""What the installed botocore knows of InvokeEndpointAsync: facts that `route`, `invoker` and the simulator rest on."""

from __future__ import annotations

from typing import get_args

import botocore.session
import pytest

from fanout.domain.ids import input_key, new_run, output_extension, output_filename
from fanout.domain.limits import INLINE_MAX_BYTES
from fanout.ports import SERVING
from fanout.simulator.settings import DELETED, EndpointStatus


@pytest.fixture(scope="module")
def operation():
    return (
        botocore.session.Session()
        .get_service_model("sagemaker-runtime")
        .operation_model("InvokeEndpointAsync")
    )


def test_the_request_is_a_post_answered_with_202(operation):
    assert operation.http == {
        "method": "POST",
        "requestUri": "/endpoints/{EndpointName}/async-invocations",
        "responseCode": 202,
    }
    assert operation.input_shape.serialization["payload"] == "Body"


@pytest.mark.parametrize(
    ("member", "header", "limits"),
    [
        ("Body", None, {"max": 128_000}),
        ("InputLocation", "InputLocation", {"min": 1, "max": 1024}),
        ("ContentType", "Content-Type", {"max": 1024}),
        ("Accept", "Accept", {"max": 1024}),
        ("CustomAttributes", "Custom-Attributes", {"max": 1024}),
        ("InferenceId", "Inference-Id", {"min": 1, "max": 64}),
        ("S3OutputPathExtension", "S3OutputPathExtension", {"min": 1, "max": 512}),
        ("Filename", "Filename", {"min": 1, "max": 32}),
        ("RequestTTLSeconds", "RequestTTLSeconds", {"min": 60, "max": 21_600}),
        ("InvocationTimeoutSeconds", "InvocationTimeoutSeconds", {"min": 1, "max": 3_600}),
    ],
)
def test_every_field_has_its_header_and_limits(operation, member, header, limits):
    shape = operation.input_shape.members[member]
    name = shape.serialization.get("name")
    assert name == (f"X-Amzn-SageMaker-{header}" if header else None)
    assert {bound: shape.metadata[bound] for bound in ("min", "max") if bound in shape.metadata} == limits


def test_the_reply_has_an_id_in_its_body_and_locations_in_headers(operation):
    members = operation.output_shape.members
    assert {name: shape.serialization.get("name") for name, shape in members.items()} == {
        "InferenceId": None,
        "OutputLocation": "X-Amzn-SageMaker-OutputLocation",
        "FailureLocation": "X-Amzn-SageMaker-FailureLocation",
    }


def test_our_limit_is_the_models():
    assert INLINE_MAX_BYTES == 128_000


def test_our_names_keep_the_limits():
    run, row = new_run(), 10**17
    assert len(output_extension(run, row)) <= 512
    assert len(output_filename(row, 999)) <= 32
    assert len(input_key("p" * 900, run, row)) <= 1024


def test_responses_can_ride_along_with_either_notification():
    model = botocore.session.Session().get_service_model("sagemaker")
    assert model.shape_for("AsyncNotificationTopicTypes").enum == [
        "SUCCESS_NOTIFICATION_TOPIC",
        "ERROR_NOTIFICATION_TOPIC",
    ]


def test_every_status_of_an_endpoint_is_one_in_which_it_serves_or_one_in_which_it_does_not():
    statuses = set(botocore.session.Session().get_service_model("sagemaker").shape_for("EndpointStatus").enum)
    assert statuses - SERVING == {"Creating", "Failed", "OutOfService", "Deleting"}
    assert statuses >= SERVING
    assert set(get_args(EndpointStatus)) - {DELETED} == statuses, "what the simulator can be in"


def test_the_kind_of_instances_is_told_where_it_is_looked_for():
    """Of a variant by its configuration, of a pool by the endpoint's description (`aws.control`)."""
    model = botocore.session.Session().get_service_model("sagemaker")
    assert "InstanceType" in model.shape_for("ProductionVariant").members
    assert "InstanceType" not in model.shape_for("ProductionVariantSummary").members
    assert {"InstanceType", "CurrentInstanceCount"} <= set(model.shape_for("InstancePoolSummary").members)
    client = model.shape_for("AsyncInferenceClientConfig")
    assert not client.required_members, "without MaxConcurrentInvocationsPerInstance, SageMaker chooses"
