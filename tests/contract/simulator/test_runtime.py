"""SageMaker behind HTTP, called by botocore: every field, every documented limit, every fault on the wire."""

from __future__ import annotations

import hashlib
import json
import time
import urllib.error
import urllib.request
from email.utils import parsedate_to_datetime

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, ConnectionClosedError, EndpointConnectionError, ReadTimeoutError
from support.simulator_http import serving
from support.stalls import watched

from fanout.simulator.faults import FOREIGN_LOCATION
from fanout.simulator.http import connection

ENDPOINT = "simulated"


@pytest.fixture(scope="module")
def served():
    with serving(service_time={"median_s": 0.0}) as served:
        yield served


@pytest.fixture(scope="module")
def runtime(served):
    # botocore refuses minima itself; the server has to as well.
    return served.client("sagemaker-runtime", config=Config(parameter_validation=False))


def get_json_lines(served, path):
    with urllib.request.urlopen(f"{served.url}/_simulator/{path}") as reply:
        return [json.loads(line) for line in reply.read().splitlines()]


def test_an_endpoint_at_0_instances_answers_when_it_is_scaled_up():
    def scale(served, instances):
        url = f"{served.url}/_simulator/scale?instances={instances}"
        with urllib.request.urlopen(urllib.request.Request(url, method="POST")) as reply:
            return reply.read()

    with serving(instances=0, cold_start_s=3_600, service_time={"median_s": 0.0}) as served:
        reply = served.client("sagemaker-runtime").invoke_endpoint_async(EndpointName=ENDPOINT, Body=b"x")
        bucket, _, key = reply["OutputLocation"].removeprefix("s3://").partition("/")
        s3 = served.client("s3")
        with pytest.raises(s3.exceptions.NoSuchKey):
            s3.get_object(Bucket=bucket, Key=key)
        assert scale(served, 2) == b"the endpoint has 2 instances\n"
        assert json.loads(s3.get_object(Bucket=bucket, Key=key)["Body"].read())["bytes"] == 1
        assert scale(served, 0) == b"the endpoint has 0 instances\n"
        for wrong in ("", "-1", "many", "%C2%B2"):
            with pytest.raises(urllib.error.HTTPError, match="400"):
                scale(served, wrong)


def test_an_inline_request_is_accepted_answered_and_logged(served, runtime):
    payload = bytes(range(256))
    reply = runtime.invoke_endpoint_async(
        EndpointName=ENDPOINT,
        Body=payload,
        ContentType="application/octet-stream",
        InferenceId="abcdefghij.7.0.1",
        S3OutputPathExtension="fanout/abcdefghij/07",
        Filename="7.0",
    )
    assert reply["ResponseMetadata"]["HTTPStatusCode"] == 202
    assert reply["ResponseMetadata"]["RequestId"]
    assert reply["InferenceId"] == "abcdefghij.7.0.1"
    assert reply["OutputLocation"] == "s3://simulated/async-outputs/fanout/abcdefghij/07/7.0"
    assert reply["FailureLocation"] == "s3://simulated/async-failures/fanout/abcdefghij/07/7.0"
    digest = hashlib.sha256(payload).hexdigest()
    output = served.client("s3").get_object(Bucket="simulated", Key="async-outputs/fanout/abcdefghij/07/7.0")
    assert json.loads(output["Body"].read()) == {
        "row": 7,
        "inference_id": "abcdefghij.7.0.1",
        "sha256": digest,
        "bytes": 256,
        "content_type": "application/octet-stream",
    }
    line = get_json_lines(served, "log")[-1]
    arrived_at = line.pop("arrived_at")
    assert abs(arrived_at - reply_time(reply)) < 2
    assert line == {
        "inference_id": "abcdefghij.7.0.1",
        "transport": "inline",
        "bytes": 256,
        "sha256": digest,
        "row": 7,
    }


def reply_time(reply):
    return parsedate_to_datetime(reply["ResponseMetadata"]["HTTPHeaders"]["date"]).timestamp()


def test_a_request_may_name_its_input(served, runtime):
    served.client("s3").put_object(Bucket="simulated", Key="in/1", Body=b"payload")
    runtime.invoke_endpoint_async(
        EndpointName=ENDPOINT, InputLocation="s3://simulated/in/1", InferenceId="by-location"
    )
    line = get_json_lines(served, "log")[-1]
    assert (line["inference_id"], line["transport"], line["bytes"]) == ("by-location", "s3", 7)
    assert line["sha256"] == hashlib.sha256(b"payload").hexdigest()


def test_stats_count_what_was_asked(served, runtime):
    before = get_json_lines(served, "stats")[0]
    runtime.invoke_endpoint_async(EndpointName=ENDPOINT, Body=b"")
    after = get_json_lines(served, "stats")[0]
    assert after["accepted"] == before["accepted"] + 1
    assert after["requests"]["InvokeEndpointAsync"] == before["requests"].get("InvokeEndpointAsync", 0) + 1
    assert after["polls"] == {}


ACCEPTED = {
    "128,000 bytes": {"Body": b"x" * 128_000},
    "no bytes": {"Body": b""},
    "id of 64": {"InferenceId": "x" * 64},
    "id with quotes": {"InferenceId": 'a"b\\c'},
    "filename of 32": {"Filename": "f" * 32},
    "extension of 512": {"S3OutputPathExtension": "e" * 512},
    "least ttl": {"RequestTTLSeconds": 60},
    "most ttl": {"RequestTTLSeconds": 21_600},
    "least timeout": {"InvocationTimeoutSeconds": 1},
    "most timeout": {"InvocationTimeoutSeconds": 3_600},
    "attributes of 1024": {"CustomAttributes": "a" * 1_024},
}
REFUSED = {
    "128,001 bytes": {"Body": b"x" * 128_001},
    "both": {"InputLocation": "s3://simulated/in/1"},
    "id of 65": {"InferenceId": "x" * 65},
    "filename of 33": {"Filename": "f" * 33},
    "filename with two dots": {"Filename": "a.b.c"},
    "filename with a slash": {"Filename": "../a"},
    "extension of 513": {"S3OutputPathExtension": "e" * 513},
    "extension of a url": {"S3OutputPathExtension": "s3://b"},
    "ttl too short": {"RequestTTLSeconds": 59},
    "ttl too long": {"RequestTTLSeconds": 21_601},
    "timeout too short": {"InvocationTimeoutSeconds": 0},
    "timeout too long": {"InvocationTimeoutSeconds": 3_601},
    "attributes of 1025": {"CustomAttributes": "a" * 1_025},
    "no such endpoint": {"EndpointName": "nobody"},
}


@pytest.mark.parametrize("name", ACCEPTED)
def test_what_is_within_the_limits_is_accepted(runtime, name):
    arguments = {"EndpointName": ENDPOINT, "Body": b"x", **ACCEPTED[name]}
    reply = runtime.invoke_endpoint_async(**arguments)
    assert reply["InferenceId"] == arguments.get("InferenceId", reply["InferenceId"])
    assert reply["OutputLocation"].startswith("s3://simulated/async-outputs/")


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_beyond_a_limit_is_a_validation_error(served, runtime, name):
    accepted = len(served.world.log)
    with pytest.raises(ClientError) as caught:
        runtime.invoke_endpoint_async(**{"EndpointName": ENDPOINT, "Body": b"x", **REFUSED[name]})
    assert caught.value.response["Error"]["Code"] == "ValidationError"
    assert caught.value.response["Error"]["Message"]
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400
    assert len(served.world.log) == accepted


def test_a_ttl_that_is_no_number_is_refused(served):
    head = b"POST /endpoints/simulated/async-invocations HTTP/1.1\r\nHost: h\r\nConnection: close\r\n"
    with serving(verify_signatures=False) as unsigned:
        reply = unsigned.exchange(head + b"X-Amzn-SageMaker-RequestTTLSeconds: soon\r\n\r\n")
    assert reply.startswith(b"HTTP/1.1 400 ")
    assert b"x-amzn-ErrorType: ValidationError\r\n" in reply


def test_the_endpoint_is_described(served):
    sagemaker = served.client("sagemaker")
    endpoint = sagemaker.describe_endpoint(EndpointName=ENDPOINT)
    assert endpoint["EndpointStatus"] == "InService"
    assert [variant["CurrentInstanceCount"] for variant in endpoint["ProductionVariants"]] == [2]
    config = sagemaker.describe_endpoint_config(EndpointConfigName=endpoint["EndpointConfigName"])
    arn = "arn:aws:sns:us-east-1:123456789012:simulated-async"
    assert config["AsyncInferenceConfig"] == {
        "ClientConfig": {"MaxConcurrentInvocationsPerInstance": 4},
        "OutputConfig": {
            "S3OutputPath": "s3://simulated/async-outputs",
            "S3FailurePath": "s3://simulated/async-failures",
            "NotificationConfig": {"SuccessTopic": f"{arn}-success", "ErrorTopic": f"{arn}-error"},
        },
    }


def test_what_is_not_configured_is_not_described():
    with serving(failure_prefix=None, notifications={"enabled": False}) as served:
        config = served.client("sagemaker").describe_endpoint_config(EndpointConfigName="simulated-config")
        assert config["AsyncInferenceConfig"]["OutputConfig"] == {
            "S3OutputPath": "s3://simulated/async-outputs"
        }
    with serving(asynchronous=False) as served:
        config = served.client("sagemaker").describe_endpoint_config(EndpointConfigName="simulated-config")
        assert "AsyncInferenceConfig" not in config


@pytest.mark.parametrize(
    ("operation", "arguments"),
    [
        ("describe_endpoint", {"EndpointName": "nobody"}),
        ("describe_endpoint_config", {"EndpointConfigName": "none"}),
    ],
)
def test_an_unknown_endpoint_is_a_validation_exception(served, operation, arguments):
    with pytest.raises(ClientError, match="Could not find") as caught:
        getattr(served.client("sagemaker"), operation)(**arguments)
    assert caught.value.response["Error"]["Code"] == "ValidationException"


def invoke_with(faults, *, read_timeout_s=10.0, **settings):
    """Return what a call under `faults` returned or raised, and how many requests the endpoint has taken."""
    with serving(faults=faults, **settings) as served:
        config = Config(retries={"total_max_attempts": 1, "mode": "standard"}, read_timeout=read_timeout_s)
        runtime = served.client("sagemaker-runtime", config=config)
        try:
            outcome = runtime.invoke_endpoint_async(EndpointName=ENDPOINT, Body=b"x")
        except Exception as error:
            outcome = error
        return outcome, len(served.world.log)


@pytest.mark.parametrize(
    ("fault", "status", "code", "taken"),
    [
        ("throttle_share", 400, "ThrottlingException", 0),
        ("server_error_share", 500, "InternalFailure", 0),
        ("html_error_share", 502, "502", 0),
        ("server_error_after_accept_share", 500, "InternalFailure", 1),
    ],
)
def test_an_error_fault_is_a_reply(fault, status, code, taken):
    error, accepted = invoke_with({fault: 1.0})
    assert isinstance(error, ClientError)
    assert error.response["ResponseMetadata"]["HTTPStatusCode"] == status
    assert error.response["Error"]["Code"] == code
    assert accepted == taken


def test_a_refusal_says_when_to_come_back_in_milliseconds():
    error, _ = invoke_with({"throttle_share": 1.0}, throttle={"rate_per_s": 10, "retry_after_s": 1.25})
    headers = error.response["ResponseMetadata"]["HTTPHeaders"]
    assert (headers["x-amz-retry-after"], headers["retry-after"]) == ("1250", "2")


@pytest.mark.parametrize(
    ("fault", "kinds", "taken"),
    [
        ("refuse_share", (ConnectionClosedError, EndpointConnectionError), 0),
        ("reset_before_share", (ConnectionClosedError, EndpointConnectionError), 0),
        ("reset_after_accept_share", (ConnectionClosedError, EndpointConnectionError), 1),
        ("hang_share", ReadTimeoutError, 1),
    ],
)
def test_a_wire_fault_is_no_reply(fault, kinds, taken):
    error, accepted = invoke_with({fault: 1.0}, read_timeout_s=1.0 if fault == "hang_share" else 10.0)
    assert isinstance(error, kinds)
    assert accepted == taken


def test_a_reply_without_or_with_a_foreign_location():
    reply, accepted = invoke_with({"reply_without_location_share": 1.0})
    assert ("OutputLocation" in reply, accepted) == (False, 1)
    reply, accepted = invoke_with({"reply_foreign_location_share": 1.0})
    assert (reply["OutputLocation"], accepted) == (FOREIGN_LOCATION, 1)


def test_a_garbage_reply_is_not_json():
    error, accepted = invoke_with({"garbage_reply_share": 1.0})
    assert (type(error).__name__, accepted) == ("UnicodeDecodeError", 1)


def test_a_dribbled_reply_trips_no_read_timeout():
    with (
        pytest.MonkeyPatch.context() as patch,
        serving(verify_signatures=False, faults={"dribble_share": 1.0}) as served,
    ):
        patch.setattr(connection, "DRIBBLE_S", 0.001)
        reply = served.exchange(b"POST /endpoints/simulated/async-invocations HTTP/1.1\r\nHost: h\r\n\r\n")
        assert reply.startswith(b"HTTP/1.1 202 Accepted\r\n")
        assert reply.endswith(b'"}')
        assert len(served.world.log) == 1


def test_a_denied_operation_says_so():
    with serving(faults={"denied": ["InvokeEndpointAsync", "PutObject"]}) as served:
        with pytest.raises(ClientError) as caught:
            served.client("sagemaker-runtime").invoke_endpoint_async(EndpointName=ENDPOINT, Body=b"x")
        assert caught.value.response["Error"]["Code"] == "AccessDeniedException"
        with pytest.raises(ClientError) as caught:
            served.client("s3").put_object(Bucket="simulated", Key="k", Body=b"x")
        assert caught.value.response["Error"]["Code"] == "AccessDenied"


def test_the_reply_may_come_after_the_notification():
    with serving(notifications={"early": True}, service_time={"median_s": 0.05}) as served:
        url = served.subscribe("q", RawMessageDelivery="true")
        served.client("sagemaker-runtime").invoke_endpoint_async(
            EndpointName=ENDPOINT, Body=b"x", InferenceId="i"
        )
        messages = served.client("sqs").receive_message(QueueUrl=url)["Messages"]
        assert json.loads(messages[0]["Body"])["inferenceId"] == "i"


def test_latency_is_spent_before_the_reply():
    with serving(latency={"runtime": {"median_s": 0.1}}) as served:
        runtime = served.client("sagemaker-runtime")
        took_s = []
        with watched() as machine:
            for _ in range(3):
                started = time.monotonic()
                runtime.invoke_endpoint_async(EndpointName=ENDPOINT, Body=b"x")
                took_s.append(time.monotonic() - started)
        # The quickest of three has the least of what is not latency: connecting, and other work of the machine.
        assert 0.1 <= min(took_s) < 0.15 + machine.late_s
