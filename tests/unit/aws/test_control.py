"""What is read out of DescribeEndpoint and DescribeEndpointConfig."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial

import anyio
import pytest

from fanout.aws.control import AwsControl, to_endpoint
from fanout.domain.account_facts import Identity
from fanout.errors import CallError, Phase, RunError
from fanout.ports import SIMULATED_HEADER, Endpoint

ARN = "arn:aws:sagemaker:eu-west-1:123456789012:endpoint/model"
DESCRIBED = {
    "EndpointArn": ARN,
    "EndpointName": "model",
    "EndpointConfigName": "model-v2",
    "EndpointStatus": "Updating",
    "ProductionVariants": [
        {"VariantName": "a", "CurrentInstanceCount": 2},
        {
            "VariantName": "b",
            "InstancePools": [{"CurrentInstanceCount": 3}, {"InstanceType": "ml.g5.xlarge"}],
        },
    ],
}
CONFIG = {
    "EndpointConfigName": "model-v2",
    "AsyncInferenceConfig": {
        "ClientConfig": {"MaxConcurrentInvocationsPerInstance": 4},
        "OutputConfig": {
            "KmsKeyId": "key-1",
            "S3OutputPath": "s3://out/ok",
            "S3FailurePath": "s3://out/bad",
            "NotificationConfig": {
                "SuccessTopic": "arn:ok",
                "ErrorTopic": "arn:bad",
                "IncludeInferenceResponseIn": ["SUCCESS_NOTIFICATION_TOPIC"],
            },
        },
    },
}


def test_everything_that_matters_is_read():
    assert to_endpoint(DESCRIBED, CONFIG) == Endpoint(
        name="model",
        status="Updating",
        output_path="s3://out/ok",
        failure_path="s3://out/bad",
        success_topic="arn:ok",
        error_topic="arn:bad",
        includes_response=True,
        kms_key_id="key-1",
        instances=5,
        concurrency_per_instance=4,
        arn=ARN,
    )


def test_what_a_bare_configuration_lacks_is_none():
    bare = {"EndpointConfigName": "model-v2", "AsyncInferenceConfig": {"OutputConfig": {}}}
    assert to_endpoint({**DESCRIBED, "ProductionVariants": []}, bare) == Endpoint(
        "model", "Updating", None, None, None, None, False, None, None, None, arn=ARN
    )


@pytest.mark.parametrize(
    ("variants", "instances"),
    [
        ([{"CurrentInstanceCount": 0}], 0),
        ([{"VariantName": "a"}], None),
        ([{"VariantName": "a", "InstancePools": [{"InstanceType": "ml.g5.xlarge"}]}], None),
        ([{"InstancePools": [{"CurrentInstanceCount": 0}]}, {"VariantName": "b"}], 0),
    ],
)
def test_no_instance_is_told_apart_from_a_number_that_is_not_told(variants, instances):
    assert to_endpoint({**DESCRIBED, "ProductionVariants": variants}, CONFIG).instances == instances


def test_the_status_is_asked_for_by_one_call_and_needs_no_configuration():
    class SageMaker:
        async def describe_endpoint(self, **parameters):
            assert parameters == {"EndpointName": "model"}
            return {"EndpointName": "model", "EndpointStatus": "Deleting"}

    control = AwsControl(SageMaker(), cloudwatch=None, sts=None, run_queues=None, timeout_s=1.0, inline=True)
    assert anyio.run(control.status, "model") == "Deleting"


def test_the_local_aws_is_known_by_its_header():
    headers = {"x-amzn-requestid": "1", SIMULATED_HEADER: "true"}
    described = {**DESCRIBED, "ResponseMetadata": {"HTTPStatusCode": 200, "HTTPHeaders": headers}}
    assert to_endpoint(described, CONFIG).simulated is True
    del headers[SIMULATED_HEADER]
    assert to_endpoint(described, CONFIG).simulated is False


def test_responses_that_ride_along_with_errors_only_do_not_count():
    config = {
        "EndpointConfigName": "model-v2",
        "AsyncInferenceConfig": {
            "OutputConfig": {
                "NotificationConfig": {"IncludeInferenceResponseIn": ["ERROR_NOTIFICATION_TOPIC"]}
            }
        },
    }
    assert to_endpoint(DESCRIBED, config).includes_response is False


def test_an_endpoint_that_is_not_asynchronous_is_named_with_its_configuration():
    with pytest.raises(
        RunError, match="Endpoint model is not asynchronous: its configuration model-v2 has no"
    ):
        to_endpoint(DESCRIBED, {"EndpointConfigName": "model-v2"})


@pytest.mark.asyncio
async def test_an_endpoint_without_configuration_is_said_to_be_unfinished():
    class Sagemaker:
        async def describe_endpoint(self, **_):
            return {"EndpointName": "model", "EndpointStatus": "Failed"}

    control = AwsControl(Sagemaker(), cloudwatch=None, sts=None, run_queues=None, timeout_s=1.0, inline=True)
    with pytest.raises(RunError, match="Endpoint model is Failed and has no configuration"):
        await control.describe("model")


def test_instances_are_told_by_their_type():
    """The configuration names the type of a variant, the description that of each pool."""
    described = [
        {"VariantName": "a", "CurrentInstanceCount": 2},
        {"VariantName": "b", "CurrentInstanceCount": 1},
        {"VariantName": "c", "InstancePools": [{"InstanceType": "ml.g5.xlarge", "CurrentInstanceCount": 3}]},
        {"VariantName": "d", "CurrentInstanceCount": 9},
        {"VariantName": "e"},
    ]
    configured = [
        {"VariantName": "b", "InstanceType": "ml.m5.large"},
        {"VariantName": "a", "InstanceType": "ml.g5.xlarge"},
        {"VariantName": "d", "ServerlessConfig": {}},
        {"VariantName": "e", "InstanceType": "ml.m5.large"},
    ]
    found = to_endpoint(
        {**DESCRIBED, "ProductionVariants": described}, {**CONFIG, "ProductionVariants": configured}
    )
    assert found.instance_types == {"ml.g5.xlarge": 5, "ml.m5.large": 1}


def test_the_clock_of_aws_is_compared_with_ours_at_each_reply_that_says_the_time(monkeypatch):
    dates = iter(["Mon, 30 Nov 2026 12:00:00 GMT", None, "Mon, 30 Nov 2026 12:10:00 GMT"])

    class Sts:
        async def get_caller_identity(self):
            date = next(dates)
            headers = {} if date is None else {"date": date}
            return {"Account": "1", "Arn": "arn", "ResponseMetadata": {"HTTPHeaders": headers}}

    noon = datetime(2026, 11, 30, 12, tzinfo=UTC).timestamp()
    monkeypatch.setattr("fanout.aws.control.time.time", lambda: noon - 30.0)
    control = AwsControl(None, cloudwatch=None, sts=Sts(), run_queues=None, timeout_s=1.0, inline=True)
    told = [control.clock_skew_s()]
    for _ in range(3):
        assert anyio.run(control.identity) == Identity("1", "arn")
        told.append(control.clock_skew_s())
    assert told == [None, 30.0, 30.0, 630.0]


def test_an_identity_that_cannot_be_read_is_a_failed_call():
    class Sts:
        async def get_caller_identity(self):
            return {}

    control = AwsControl(None, cloudwatch=None, sts=Sts(), run_queues=None, timeout_s=1.0, inline=True)
    with pytest.raises(CallError):
        anyio.run(control.identity)


def test_the_clock_of_a_refusal_is_compared_too():
    class Refusing:
        async def get_caller_identity(self):
            raise CallError(Phase.REPLY, "SignatureDoesNotMatch", status=403, skew_s=-900.0)

        async def describe_endpoint(self, **_):
            raise CallError(Phase.REPLY, "AccessDenied", status=403)

    aws = Refusing()
    control = AwsControl(aws, cloudwatch=None, sts=aws, run_queues=None, timeout_s=1.0, inline=True)
    for call in (control.identity, partial(control.describe, "model")):
        with pytest.raises(CallError):
            anyio.run(call)
        assert control.clock_skew_s() == -900.0, "one that says no time changes nothing"
