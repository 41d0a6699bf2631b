"""The calls that are made once a run: the same requests as aiobotocore's, and the same facts read from the replies."""

from __future__ import annotations

import json
from urllib.parse import parse_qsl

import pytest

from fanout.aws.session import open_cloud
from fanout.errors import CallError, Phase

pytestmark = pytest.mark.asyncio
QUERY = ("sns", "sts")  # the services that speak the query protocol
URL = "http://127.0.0.1:1/123456789012/q"
SUBSCRIBED = (
    b'<SubscribeResponse xmlns="http://sns.amazonaws.com/doc/2010-03-31/"><SubscribeResult>'
    b"<SubscriptionArn>arn:a&amp;b</SubscriptionArn></SubscribeResult>"
    b"<ResponseMetadata><RequestId>r-1</RequestId></ResponseMetadata></SubscribeResponse>"
)
UNSUBSCRIBED = SUBSCRIBED.replace(b"Subscribe", b"Unsubscribe").replace(
    b"<SubscriptionArn>arn:a&amp;b</SubscriptionArn>", b""
)
IDENTITY = (
    b'<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetCallerIdentityResult>'
    b"<Arn>arn:aws:sts::1:assumed-role/a/b</Arn><UserId>U</UserId><Account>1</Account></GetCallerIdentityResult>"
    b"<ResponseMetadata><RequestId>r-1</RequestId></ResponseMetadata></GetCallerIdentityResponse>"
)
CALLS = [
    ("sagemaker", "describe_endpoint", {"EndpointName": "model"}, b'{"EndpointName": "model"}'),
    ("sagemaker", "describe_endpoint_config", {"EndpointConfigName": "c"}, b'{"EndpointConfigName": "c"}'),
    ("sqs", "get_queue_url", {"QueueName": "q"}, json.dumps({"QueueUrl": URL}).encode()),
    ("sqs", "create_queue", {"QueueName": "q", "Attributes": {"A": "1"}, "tags": {"fanout:run": "r"}},
     json.dumps({"QueueUrl": URL}).encode()),
    ("sqs", "set_queue_attributes", {"QueueUrl": URL, "Attributes": {"Policy": '{"a": "ä"}'}}, b""),
    ("sqs", "get_queue_attributes", {"QueueUrl": URL, "AttributeNames": ["QueueArn"]},
     b'{"Attributes": {"QueueArn": "arn"}}'),
    ("sqs", "get_queue_attributes", {"QueueUrl": URL, "AttributeNames": ["RedrivePolicy"]}, b"{}"),
    ("sqs", "delete_queue", {"QueueUrl": URL}, b"{}"),
    ("sns", "subscribe",
     {"TopicArn": "arn", "Protocol": "sqs", "Endpoint": "q&ä", "ReturnSubscriptionArn": True,
      "Attributes": {"RawMessageDelivery": "true", "FilterPolicy": '{"a": [{"prefix": "x."}]}'}}, SUBSCRIBED),
    ("sns", "unsubscribe", {"SubscriptionArn": "arn"}, UNSUBSCRIBED),
    ("sts", "get_caller_identity", {}, IDENTITY),
]  # fmt: skip


def client_of(cloud, service):
    control, run_queues = cloud.control, cloud.control._run_queues
    return {
        "sagemaker": control._sagemaker,
        "sts": control._sts,
        "sqs": run_queues._sqs,
        "sns": run_queues._sns,
    }[service]


async def both(wire, answer, service, operation, parameters):
    """Return the requests of both clients, and what each told."""
    async with wire.serve(wire.answering(answer)) as served:
        told = []
        for client in ("wire", "aiobotocore"):
            async with open_cloud(wire.settings_for(served.url, client=client)) as cloud:
                told.append(await getattr(client_of(cloud, service), operation)(**parameters))
        return served.requests, told


def content(service, body):
    return sorted(parse_qsl(body.decode())) if service in QUERY else json.loads(body)


@pytest.mark.parametrize(
    ("service", "operation", "parameters", "reply"), CALLS, ids=lambda value: str(value)[:24]
)
async def test_a_call_is_the_one_that_aiobotocore_makes(wire, service, operation, parameters, reply):
    answer = wire.reply(200, reply, **{"x-amzn-RequestId": "r-1", "X-Fanout": "y"})
    (ours, theirs), (told, expected) = await both(wire, answer, service, operation, parameters)
    assert (ours.method, ours.target) == (theirs.method, theirs.target)
    for name in ("content-type", "x-amz-target", "x-amzn-query-mode", "host"):
        assert ours.headers.get(name) == theirs.headers.get(name)
    assert content(service, ours.body) == content(service, theirs.body)
    metadata, theirs_metadata = told.pop("ResponseMetadata"), expected.pop("ResponseMetadata")
    if service in QUERY:
        assert told.pop("RequestId") == "r-1"
    assert told == expected
    assert metadata["HTTPStatusCode"] == theirs_metadata["HTTPStatusCode"] == 200
    assert metadata["HTTPHeaders"]["x-fanout"] == theirs_metadata["HTTPHeaders"]["x-fanout"] == "y"
    assert metadata["RequestId"] == theirs_metadata["RequestId"] == "r-1"


async def failure(wire, answer, service, operation, parameters, client):
    async with wire.serve(wire.answering(answer)) as served:
        async with open_cloud(wire.settings_for(served.url, client=client)) as cloud:
            try:
                if service == "sagemaker":
                    await cloud.control.describe(**parameters)
                else:
                    await cloud.control._run_queues._call(
                        getattr(client_of(cloud, service), operation), **parameters
                    )
            except CallError as error:
                return error.phase, error.code, error.status, error.message
        raise AssertionError(f"{len(served.requests)} requests, and none failed")


NO_QUEUE = b'{"__type": "com.amazonaws.sqs#QueueDoesNotExist", "message": "none"}'
NO_TOPIC = b"<ErrorResponse><Error><Code>NotFound</Code><Message>none</Message></Error></ErrorResponse>"


@pytest.mark.parametrize(
    ("service", "operation", "parameters", "status", "body", "headers"),
    [
        ("sqs", "get_queue_url", {"QueueName": "q"}, 400, NO_QUEUE,
         {"x-amzn-query-error": "AWS.SimpleQueueService.NonExistentQueue;Sender"}),
        ("sqs", "create_queue", {"QueueName": "q"}, 403, b'{"__type": "AccessDenied", "message": "m"}', {}),
        ("sns", "subscribe", {"TopicArn": "a", "Protocol": "sqs"}, 404, NO_TOPIC, {}),
        ("sagemaker", "", {"endpoint": "e"}, 400, b'{"__type": "ValidationException", "message": "none"}', {}),
    ],
)  # fmt: skip
async def test_refusals_read_alike(wire, service, operation, parameters, status, body, headers):
    answer = wire.reply(status, body, **headers)
    ours, theirs = [
        await failure(wire, answer, service, operation, parameters, client)
        for client in ("wire", "aiobotocore")
    ]
    assert ours == theirs
    assert ours[0] is Phase.REPLY


async def test_a_page_of_a_proxy_is_no_reply(wire):
    answer = wire.reply(200, b"<html>welcome</html>")
    for service, operation, parameters, _ in (CALLS[0], CALLS[8]):
        async with (
            wire.serve(wire.answering(answer)) as served,
            open_cloud(wire.settings_for(served.url)) as cloud,
        ):
            with pytest.raises(CallError, match="the reply's body is") as caught:
                await getattr(client_of(cloud, service), operation)(**parameters)
            assert caught.value.phase is Phase.EXCHANGE


async def test_what_is_not_listed_is_aiobotocores(wire):
    published = wire.reply(200, SUBSCRIBED.replace(b"Subscribe", b"Publish"))
    async with (
        wire.serve(wire.answering(published)) as served,
        open_cloud(wire.settings_for(served.url)) as cloud,
    ):
        await client_of(cloud, "sns").publish(TopicArn="arn", Message="m")
        assert "aiobotocore/" in served.requests[0].headers["user-agent"]


DENIED = {
    "wire": b"<ErrorResponse><Error><Code>AccessDenied</Code><Message>m</Message></Error></ErrorResponse>",
    "aiobotocore": b'{"__type": "com.amazonaws#AccessDenied", "message": "m"}',
}


@pytest.mark.parametrize(
    ("status", "code", "told"),
    [(403, "AccessDenied", None), (400, "InvalidAction", None), (503, "ServiceUnavailable", CallError)],
)
@pytest.mark.parametrize("client", ["wire", "aiobotocore"])
async def test_a_backlog_that_is_not_permitted_or_not_offered_is_none(wire, client, status, code, told):
    answer = wire.reply(status, DENIED[client].replace(b"AccessDenied", code.encode()))
    async with wire.serve(wire.answering(answer)) as served:
        async with open_cloud(wire.settings_for(served.url, client=client)) as cloud:
            if told is None:
                assert await cloud.control.backlog("model", since=0.0, until=600.0) is None
            else:
                with pytest.raises(told):
                    await cloud.control.backlog("model", since=0.0, until=600.0)
        [request] = served.requests
    assert b"ApproximateBacklogSize" in request.body
