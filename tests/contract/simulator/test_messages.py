"""SQS, SNS and STS behind HTTP, called by botocore and aiobotocore: every operation, long polls, filters, errors."""

from __future__ import annotations

import asyncio
import hashlib
import json
import time
import urllib.request

import pytest
from aiobotocore.session import get_session
from botocore.exceptions import ClientError
from support.simulator_http import serving
from support.stalls import watched

TOPIC = "arn:aws:sns:us-east-1:123456789012:simulated-async-success"
QUEUES = "arn:aws:sqs:us-east-1:123456789012"
SMALL_S = 0.3
"""For the calls themselves, 5 to 20 ms, beyond what they wait for and what the machine stood still."""


@pytest.fixture(scope="module")
def served():
    with serving() as served:
        yield served


@pytest.fixture(scope="module")
def sqs(served):
    return served.client("sqs")


@pytest.fixture(scope="module")
def sns(served):
    return served.client("sns")


@pytest.fixture
def queue(sqs, request):
    return sqs.create_queue(QueueName=f"q-{abs(hash(request.node.nodeid))}")["QueueUrl"]


def code_of(call, **arguments):
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    return caught.value.response["Error"]["Code"]


def test_a_queue_is_made_found_described_tagged_and_removed(sqs, served):
    url = sqs.create_queue(QueueName="life", Attributes={"VisibilityTimeout": "7"}, tags={"a": "1"})[
        "QueueUrl"
    ]
    assert url == f"{served.url}/123456789012/life"
    assert sqs.get_queue_url(QueueName="life")["QueueUrl"] == url
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"MaximumMessageSize": "2048"})
    described = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    assert (described["VisibilityTimeout"], described["MaximumMessageSize"]) == ("7", "2048")
    one = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]
    assert one == {"QueueArn": f"{QUEUES}:life"}
    sqs.tag_queue(QueueUrl=url, Tags={"b": "2"})
    assert sqs.list_queue_tags(QueueUrl=url)["Tags"] == {"a": "1", "b": "2"}
    sqs.delete_queue(QueueUrl=url)
    with pytest.raises(sqs.exceptions.QueueDoesNotExist):
        sqs.get_queue_url(QueueName="life")
    assert code_of(sqs.delete_queue, QueueUrl=url) == "AWS.SimpleQueueService.NonExistentQueue"


def test_tags_at_a_queues_creation_need_a_right_of_their_own():
    with serving(faults={"denied": ["TagQueue"]}) as served:
        sqs = served.client("sqs")
        assert code_of(sqs.create_queue, QueueName="q", tags={"a": "1"}) == "AccessDenied"
        with pytest.raises(sqs.exceptions.QueueDoesNotExist):
            sqs.get_queue_url(QueueName="q")
        assert sqs.create_queue(QueueName="q")["QueueUrl"]


def test_queues_are_listed_in_pages(sqs):
    urls = [sqs.create_queue(QueueName=f"listed-{number}")["QueueUrl"] for number in range(3)]
    assert sqs.list_queues(QueueNamePrefix="listed-")["QueueUrls"] == urls
    pages = list(
        sqs.get_paginator("list_queues").paginate(QueueNamePrefix="listed-", PaginationConfig={"PageSize": 2})
    )
    assert [page["QueueUrls"] for page in pages] == [urls[:2], urls[2:]]
    assert "QueueUrls" not in sqs.list_queues(QueueNamePrefix="nothing")


def test_a_message_is_sent_received_hidden_and_deleted(sqs, queue):
    before = time.time() * 1000
    sent = sqs.send_message(QueueUrl=queue, MessageBody="héllo")
    assert sent["MD5OfMessageBody"] == hashlib.md5("héllo".encode()).hexdigest()
    after = time.time() * 1000
    [message] = sqs.receive_message(QueueUrl=queue, MessageSystemAttributeNames=["All"])["Messages"]
    assert (message["Body"], message["MessageId"]) == ("héllo", sent["MessageId"])
    assert message["MD5OfBody"] == sent["MD5OfMessageBody"]
    assert message["Attributes"]["ApproximateReceiveCount"] == "1"
    assert before - 1 <= int(message["Attributes"]["SentTimestamp"]) <= after + 1  # whole milliseconds
    assert "Messages" not in sqs.receive_message(QueueUrl=queue)
    sqs.change_message_visibility(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"], VisibilityTimeout=0)
    [again] = sqs.receive_message(QueueUrl=queue)["Messages"]
    assert "Attributes" not in again
    sqs.delete_message(QueueUrl=queue, ReceiptHandle=again["ReceiptHandle"])
    counts = sqs.get_queue_attributes(
        QueueUrl=queue, AttributeNames=["ApproximateNumberOfMessagesNotVisible"]
    )
    assert counts["Attributes"] == {"ApproximateNumberOfMessagesNotVisible": "0"}


def test_a_purged_queue_is_empty(sqs, queue):
    sqs.send_message(QueueUrl=queue, MessageBody="x")
    sqs.purge_queue(QueueUrl=queue)
    assert "Messages" not in sqs.receive_message(QueueUrl=queue)


def test_batches_fail_by_entry(sqs, queue):
    for number in range(2):
        sqs.send_message(QueueUrl=queue, MessageBody=str(number))
    received = sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10)["Messages"]
    handles = [message["ReceiptHandle"] for message in received]
    entries = [
        {"Id": str(number), "ReceiptHandle": handle} for number, handle in enumerate([*handles, "bad"])
    ]
    hidden = sqs.change_message_visibility_batch(
        QueueUrl=queue, Entries=[{**entry, "VisibilityTimeout": 60} for entry in entries]
    )
    reply = sqs.delete_message_batch(QueueUrl=queue, Entries=entries)
    for outcome in (hidden, reply):
        assert [entry["Id"] for entry in outcome["Successful"]] == ["0", "1"]
        assert [(entry["Id"], entry["SenderFault"], entry["Code"]) for entry in outcome["Failed"]] == [
            ("2", True, "ReceiptHandleIsInvalid")
        ]


def test_batches_are_checked_as_a_whole(sqs, queue):
    entry = {"Id": "a", "ReceiptHandle": "1.1"}
    prefix = "AWS.SimpleQueueService"
    delete = sqs.delete_message_batch
    assert code_of(delete, QueueUrl=queue, Entries=[]) == f"{prefix}.EmptyBatchRequest"
    assert code_of(delete, QueueUrl=queue, Entries=[entry, entry]) == f"{prefix}.BatchEntryIdsNotDistinct"
    many = [{**entry, "Id": str(number)} for number in range(11)]
    assert code_of(delete, QueueUrl=queue, Entries=many) == f"{prefix}.TooManyEntriesInBatchRequest"
    assert code_of(delete, QueueUrl=queue + "x", Entries=[entry]) == f"{prefix}.NonExistentQueue"


def test_a_share_of_deletes_fails_inside_the_200():
    with serving(faults={"partial_delete_failure_share": 1.0}) as served:
        sqs = served.client("sqs")
        url = sqs.create_queue(QueueName="q")["QueueUrl"]
        sqs.send_message(QueueUrl=url, MessageBody="x")
        [message] = sqs.receive_message(QueueUrl=url, VisibilityTimeout=0)["Messages"]
        entry = {"Id": "0", "ReceiptHandle": message["ReceiptHandle"]}
        [failed] = sqs.delete_message_batch(QueueUrl=url, Entries=[entry])["Failed"]
        assert (failed["Code"], failed["SenderFault"]) == ("InternalError", False)
        assert [item["Body"] for item in sqs.receive_message(QueueUrl=url)["Messages"]] == ["x"]


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ({"WaitTimeSeconds": 21}, "InvalidParameterValue"),
        ({"MaxNumberOfMessages": 11}, "ReadCountOutOfRange"),
        ({"VisibilityTimeout": 43_201}, "InvalidParameterValue"),
    ],
)
def test_limits_of_receive(sqs, queue, arguments, code):
    assert code_of(sqs.receive_message, QueueUrl=queue, **arguments) == code


def test_what_is_not_simulated_is_refused_not_dropped(sqs, queue):
    attribute = {"a": {"DataType": "String", "StringValue": "x"}}
    unsupported = "AWS.SimpleQueueService.UnsupportedOperation"
    assert (
        code_of(sqs.send_message, QueueUrl=queue, MessageBody="x", MessageAttributes=attribute) == unsupported
    )
    assert code_of(sqs.send_message, QueueUrl=queue, MessageBody="x", DelaySeconds=1) == unsupported
    assert code_of(sqs.untag_queue, QueueUrl=queue, TagKeys=["a"]) == unsupported
    assert (
        code_of(sqs.send_message, QueueUrl=queue, MessageBody="x" * (1 << 20) + "x")
        == "InvalidParameterValue"
    )


def open_client(served, service):
    identity = served.server.identity
    return get_session().create_client(
        service,
        endpoint_url=served.url,
        region_name=identity.region,
        aws_access_key_id=identity.access_key_id,
        aws_secret_access_key=identity.secret_access_key,
        aws_session_token=identity.session_token,
    )


def test_a_long_poll_returns_as_soon_as_there_is_a_message(served, queue):
    async def scenario():
        async with open_client(served, "sqs") as poller, open_client(served, "sqs") as sender:
            await sender.receive_message(QueueUrl=queue)  # connects
            poll = asyncio.create_task(poller.receive_message(QueueUrl=queue, WaitTimeSeconds=20))
            while not polls(served):
                await asyncio.sleep(0)  # until the server says that a poll waits
            with watched() as machine:
                started = time.monotonic()
                await sender.send_message(QueueUrl=queue, MessageBody="now")
                reply = await poll
                took_s = time.monotonic() - started
            assert [message["Body"] for message in reply["Messages"]] == ["now"]
            assert took_s < SMALL_S + machine.late_s

    asyncio.run(scenario())


def polls(served):
    with urllib.request.urlopen(f"{served.url}/_simulator/stats") as reply:
        return json.loads(reply.read())["polls"]


def test_a_long_poll_returns_when_a_hidden_message_is_visible_again(sqs, queue):
    sqs.send_message(QueueUrl=queue, MessageBody="x")
    with watched() as machine:
        started = time.monotonic()
        sqs.receive_message(QueueUrl=queue, VisibilityTimeout=1)
        [message] = sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=20)["Messages"]
        took_s = time.monotonic() - started
    assert message["Body"] == "x"
    assert 1.0 <= took_s < 1.0 + SMALL_S + machine.late_s


def test_a_long_poll_comes_back_empty_in_time(sqs, queue):
    with watched() as machine:
        started = time.monotonic()
        assert "Messages" not in sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=1)
        took_s = time.monotonic() - started
    assert 1.0 <= took_s < 1.0 + SMALL_S + machine.late_s


def test_a_long_poll_ends_with_its_queue(served, queue):
    async def scenario():
        async with open_client(served, "sqs") as client:
            poll = asyncio.create_task(client.receive_message(QueueUrl=queue, WaitTimeSeconds=20))
            while not polls(served):
                await asyncio.sleep(0)
            await client.delete_queue(QueueUrl=queue)
            await poll

    with pytest.raises(ClientError, match="NonExistentQueue"):
        asyncio.run(scenario())


def test_a_topic_is_made_listed_and_removed(sns):
    arn = sns.create_topic(Name="life")["TopicArn"]
    assert arn == "arn:aws:sns:us-east-1:123456789012:life"
    assert arn in [topic["TopicArn"] for topic in sns.list_topics()["Topics"]]
    assert sns.get_topic_attributes(TopicArn=arn)["Attributes"]["TopicArn"] == arn
    sns.delete_topic(TopicArn=arn)
    assert code_of(sns.list_subscriptions_by_topic, TopicArn=arn) == "NotFound"
    with pytest.raises(sns.exceptions.NotFoundException):
        sns.publish(TopicArn=arn, Message="x")


def test_a_subscription_is_made_changed_listed_and_removed(sns):
    topic = sns.create_topic(Name="subscribed")["TopicArn"]
    arn = sns.subscribe(
        TopicArn=topic, Protocol="sqs", Endpoint=f"{QUEUES}:q", Attributes={"RawMessageDelivery": "true"}
    )["SubscriptionArn"]
    policy = json.dumps({"inferenceId": [{"prefix": "abcdefghij."}]})
    for name, value in (("FilterPolicyScope", "MessageBody"), ("FilterPolicy", policy)):
        sns.set_subscription_attributes(SubscriptionArn=arn, AttributeName=name, AttributeValue=value)
    attributes = sns.get_subscription_attributes(SubscriptionArn=arn)["Attributes"]
    assert attributes["RawMessageDelivery"] == "true"
    assert attributes["FilterPolicy"] == policy
    assert (attributes["TopicArn"], attributes["Endpoint"]) == (topic, f"{QUEUES}:q")
    [listed] = sns.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]
    assert (listed["SubscriptionArn"], listed["Protocol"], listed["Endpoint"]) == (arn, "sqs", f"{QUEUES}:q")
    sns.unsubscribe(SubscriptionArn=arn)
    assert sns.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"] == []
    assert code_of(sns.get_subscription_attributes, SubscriptionArn=arn) == "NotFound"


def test_subscriptions_are_listed_in_pages_up_to_the_limit_of_filters(sns):
    topic = sns.create_topic(Name="crowded")["TopicArn"]
    attributes = {"FilterPolicy": '{"inferenceId":["x"]}', "FilterPolicyScope": "MessageBody"}
    for number in range(200):
        sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=f"{QUEUES}:q{number}", Attributes=attributes)
    with pytest.raises(sns.exceptions.FilterPolicyLimitExceededException):
        sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=f"{QUEUES}:one-more", Attributes=attributes)
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=f"{QUEUES}:unfiltered")
    pages = list(sns.get_paginator("list_subscriptions_by_topic").paginate(TopicArn=topic))
    assert [len(page["Subscriptions"]) for page in pages] == [100, 100, 1]
    assert len({item["Endpoint"] for page in pages for item in page["Subscriptions"]}) == 201


def test_errors_of_sns_have_their_codes(sns):
    assert code_of(sns.subscribe, TopicArn=TOPIC, Protocol="email", Endpoint="a@b") == "InvalidParameter"
    assert code_of(sns.create_topic, Name="no spaces") == "InvalidParameter"
    assert code_of(sns.publish, TopicArn=TOPIC, Message="x" * 262_145) == "InvalidParameter"
    assert code_of(sns.list_tags_for_resource, ResourceArn=TOPIC) == "InvalidAction"
    assert code_of(sns.list_topics, NextToken="x") == "InvalidParameter"


def invoke(served, *ids):
    runtime = served.client("sagemaker-runtime")
    for identity in ids:
        runtime.invoke_endpoint_async(EndpointName="simulated", Body=b"x", InferenceId=identity)


def bodies(served, url):
    received = served.client("sqs").receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=1)
    return [json.loads(message["Body"]) for message in received.get("Messages", [])]


def test_a_filter_lets_only_this_runs_messages_pass_raw(served):
    policy = json.dumps({"inferenceId": [{"prefix": "abcdefghij."}]})
    url = served.subscribe(
        "filtered", RawMessageDelivery="true", FilterPolicy=policy, FilterPolicyScope="MessageBody"
    )
    invoke(served, "strangers2.0.0.0", "abcdefghij.0.0.1", "abcdefghijk.0.0.1")
    [document] = bodies(served, url)
    assert (document["inferenceId"], document["invocationStatus"]) == ("abcdefghij.0.0.1", "Completed")
    assert document["responseParameters"]["outputLocation"].startswith("s3://simulated/async-outputs/")


def test_without_raw_delivery_a_message_comes_in_an_envelope(served):
    url = served.subscribe("enveloped")
    invoke(served, "abcdefghij.1.0.1")
    [envelope] = bodies(served, url)
    assert (envelope["Type"], envelope["TopicArn"]) == ("Notification", TOPIC)
    assert json.loads(envelope["Message"])["inferenceId"] == "abcdefghij.1.0.1"


def test_a_published_message_arrives(served, sns):
    url = served.subscribe("published", RawMessageDelivery="true")
    assert sns.publish(TopicArn=TOPIC, Message='{"a": "<&>"}')["MessageId"]
    assert bodies(served, url) == [{"a": "<&>"}]


def test_the_caller_has_an_identity(served):
    identity = served.client("sts").get_caller_identity()
    assert identity["Account"] == "123456789012"
    assert identity["Arn"].startswith("arn:aws:iam::123456789012:")


def test_a_whole_inference_by_aiobotocore(served):
    url = served.subscribe("whole", RawMessageDelivery="true")

    async def scenario():
        async with (
            open_client(served, "sagemaker-runtime") as runtime,
            open_client(served, "sqs") as sqs,
            open_client(served, "s3") as s3,
        ):
            await s3.put_object(
                Bucket="simulated", Key="in/whole", Body=b"payload"
            )  # by Expect: 100-continue
            accepted = await runtime.invoke_endpoint_async(
                EndpointName="simulated",
                InputLocation="s3://simulated/in/whole",
                InferenceId="abcdefghij.2.0.1",
            )
            reply = await sqs.receive_message(QueueUrl=url, WaitTimeSeconds=5)
            [message] = reply["Messages"]
            await sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
            bucket, _, key = accepted["OutputLocation"].removeprefix("s3://").partition("/")
            got = await s3.get_object(Bucket=bucket, Key=key)
            async with got["Body"] as body:
                return json.loads(message["Body"]), json.loads(await body.read())

    document, answer = asyncio.run(scenario())
    assert document["inferenceId"] == "abcdefghij.2.0.1"
    assert document["requestParameters"]["inputLocation"] == "s3://simulated/in/whole"
    assert answer["sha256"] == hashlib.sha256(b"payload").hexdigest()
