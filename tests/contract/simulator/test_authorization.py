"""A caller without rights is refused by each service in its own words, and may do what a policy allows, no more."""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError
from support.simulator_http import serving

TOPIC = "arn:aws:sns:us-east-1:123456789012:simulated-async-success"
QUEUE = "http://localhost/123456789012/fanout-q"
KEY = "11111111-2222-3333-4444-555555555555"
BACKLOG = {
    "Namespace": "AWS/SageMaker",
    "MetricName": "ApproximateBacklogSize",
    "StartTime": 0,
    "EndTime": 60,
    "Period": 60,
    "Statistics": ["Maximum"],
}
IN = {"Bucket": "simulated", "Key": "in/a"}
PART = {**IN, "UploadId": "upload-00000001"}
CALLS = [
    ("sagemaker-runtime", "invoke_endpoint_async", {"EndpointName": "simulated", "Body": b"x"},
     403, "AccessDeniedException", "sagemaker:InvokeEndpointAsync"),
    ("sagemaker", "describe_endpoint", {"EndpointName": "simulated"},
     400, "AccessDeniedException", "sagemaker:DescribeEndpoint"),
    ("sagemaker", "describe_endpoint_config", {"EndpointConfigName": "simulated-config"},
     400, "AccessDeniedException", "sagemaker:DescribeEndpointConfig"),
    ("cloudwatch", "get_metric_statistics", BACKLOG, 403, "AccessDenied", "cloudwatch:GetMetricStatistics"),
    ("sqs", "create_queue", {"QueueName": "fanout-q"}, 403, "AccessDenied", "sqs:CreateQueue"),
    ("sqs", "get_queue_url", {"QueueName": "fanout-q"}, 403, "AccessDenied", "sqs:GetQueueUrl"),
    ("sqs", "list_queues", {}, 403, "AccessDenied", "sqs:ListQueues"),
    ("sqs", "receive_message", {"QueueUrl": QUEUE}, 403, "AccessDenied", "sqs:ReceiveMessage"),
    ("sqs", "delete_message_batch", {"QueueUrl": QUEUE, "Entries": [{"Id": "1", "ReceiptHandle": "r"}]},
     403, "AccessDenied", "sqs:DeleteMessage on resource: arn:aws:sqs:us-east-1:123456789012:fanout-q"),
    ("sns", "subscribe", {"TopicArn": TOPIC, "Protocol": "sqs", "Endpoint": "arn:aws:sqs:us-east-1:1:q"},
     403, "AuthorizationError", f"sns:Subscribe on resource: {TOPIC}"),
    ("sns", "unsubscribe", {"SubscriptionArn": f"{TOPIC}:0"},
     403, "AuthorizationError", f"sns:Unsubscribe on resource: {TOPIC}"),
    ("sns", "create_topic", {"Name": "mine"}, 403, "AuthorizationError", "sns:CreateTopic"),
    ("s3", "put_object", IN, 403, "AccessDenied", "Access Denied"),
    ("s3", "get_object", IN, 403, "AccessDenied", "Access Denied"),
    ("s3", "head_object", IN, 403, "403", "Forbidden"),
    ("s3", "delete_object", IN, 403, "AccessDenied", "Access Denied"),
    ("s3", "create_multipart_upload", IN, 403, "AccessDenied", "Access Denied"),
    ("s3", "upload_part", {**PART, "PartNumber": 1}, 403, "AccessDenied", "Access Denied"),
    ("s3", "complete_multipart_upload", PART, 403, "AccessDenied", "Access Denied"),
    ("s3", "abort_multipart_upload", PART, 403, "AccessDenied", "Access Denied"),
    ("s3", "list_objects_v2", {"Bucket": "simulated"}, 403, "AccessDenied", "Access Denied"),
    ("s3", "list_buckets", {}, 403, "AccessDenied", "Access Denied"),
]  # fmt: skip


def allowing(*statements):
    members = [
        {"Effect": "Allow", "Action": action, "Resource": resource, **more}
        for action, resource, more in (each if len(each) == 3 else (*each, {}) for each in statements)
    ]
    return {"Version": "2012-10-17", "Statement": members}


def code_of(call, **parameters):
    """Return what the service answers: an error's code, or nothing."""
    try:
        call(**parameters)
    except ClientError as error:
        return error.response["Error"]["Code"]
    return None


@pytest.fixture(scope="module")
def nothing():
    with serving(policy=allowing()) as served:
        yield served


@pytest.mark.parametrize(("service", "operation", "parameters", "status", "code", "said"), CALLS)
def test_each_service_refuses_in_its_own_words(nothing, service, operation, parameters, status, code, said):
    with pytest.raises(ClientError) as refused:
        getattr(nothing.client(service), operation)(**parameters)
    answer = refused.value.response
    assert (answer["ResponseMetadata"]["HTTPStatusCode"], answer["Error"]["Code"]) == (status, code)
    assert said in answer["Error"]["Message"]


def test_anyone_may_ask_who_one_is(nothing):
    assert nothing.client("sts").get_caller_identity()["Account"] == "123456789012"


def test_a_missing_object_is_told_to_those_alone_who_may_list_the_whole_bucket():
    objects, bucket = "arn:aws:s3:::simulated/*", "arn:aws:s3:::simulated"
    some = {"Condition": {"StringLike": {"s3:prefix": "in/*"}}}
    for listing, code in (((), "AccessDenied"), ((some,), "AccessDenied"), (({},), "NoSuchKey")):
        statements = [("s3:GetObject", objects), *(("s3:ListBucket", bucket, each) for each in listing)]
        with serving(policy=allowing(*statements)) as served:
            assert code_of(served.client("s3").get_object, **IN) == code
            assert code_of(served.client("s3").head_object, **IN) == {"NoSuchKey": "404"}.get(code, "403")


def test_a_condition_on_prefixes_is_about_listings():
    some = {"Condition": {"StringLike": {"s3:prefix": "in/*"}}}
    with serving(policy=allowing(("s3:ListBucket", "arn:aws:s3:::simulated", some))) as served:
        s3 = served.client("s3")
        assert code_of(s3.list_objects_v2, Bucket="simulated", Prefix="in/") is None
        assert code_of(s3.list_objects_v2, Bucket="simulated", Prefix="out/") == "AccessDenied"
        assert code_of(s3.list_objects_v2, Bucket="simulated") == "AccessDenied"


def test_deletions_of_many_are_refused_one_by_one():
    with serving(policy=allowing(("s3:DeleteObject", "arn:aws:s3:::simulated/in/*"))) as served:
        for key in ("in/a", "out/b"):
            served.world.objects.put("simulated", key, b"x", content_type=None, now=0.0)
        keys = [{"Key": "in/a"}, {"Key": "out/b"}]
        told = served.client("s3").delete_objects(Bucket="simulated", Delete={"Objects": keys})
        assert [each["Key"] for each in told["Deleted"]] == ["in/a"]
        assert [(each["Key"], each["Code"]) for each in told["Errors"]] == [("out/b", "AccessDenied")]
        assert served.world.objects.find("simulated", "out/b") is not None


def test_tags_at_a_queues_creation_need_a_right_of_their_own():
    with serving(policy=allowing(("sqs:CreateQueue", "*"))) as served:
        create = served.client("sqs").create_queue
        assert code_of(create, QueueName="fanout-q", tags={"a": "b"}) == "AccessDenied"
        assert code_of(create, QueueName="fanout-q") is None


@pytest.mark.parametrize(
    ("rights", "writes", "in_parts", "reads"),
    [
        ((), False, False, False),
        (("kms:GenerateDataKey",), True, False, False),
        (("kms:GenerateDataKey", "kms:Decrypt"), True, True, True),
    ],
)
def test_objects_with_a_key_need_rights_on_the_key(rights, writes, in_parts, reads):
    arn = f"arn:aws:kms:us-east-1:123456789012:key/{KEY}"
    policy = allowing(("s3:*", "*"), *((right, arn) for right in rights))
    encrypted = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": KEY}
    with serving(policy=policy, output_kms_key=KEY) as served:
        s3 = served.client("s3")
        assert (code_of(s3.put_object, **IN, Body=b"x", **encrypted) is None) is writes
        assert (code_of(s3.create_multipart_upload, **IN, **encrypted) is None) is writes
        if writes:
            part = code_of(s3.upload_part, **PART, PartNumber=1, Body=b"x")
            assert (part is None) is in_parts
            assert (code_of(s3.get_object, **IN) is None) is reads
            assert code_of(s3.head_object, **IN) is None


def test_outputs_are_encrypted_with_the_endpoints_key():
    with serving(output_kms_key=KEY) as served:
        config = served.client("sagemaker").describe_endpoint_config(EndpointConfigName="simulated-config")
        assert config["AsyncInferenceConfig"]["OutputConfig"]["KmsKeyId"] == KEY
        accepted = served.client("sagemaker-runtime").invoke_endpoint_async(
            EndpointName="simulated", Body=b"x"
        )
        bucket, _, key = accepted["OutputLocation"].removeprefix("s3://").partition("/")
        served.world.advance(float("inf"))
        assert served.client("s3").head_object(Bucket=bucket, Key=key)["SSEKMSKeyId"] == KEY
