"""The query protocol: calls as botocore writes them in it, replies as botocore reads them."""

from __future__ import annotations

from urllib.parse import parse_qsl

import botocore.session
import pytest
from botocore.parsers import create_parser
from botocore.serialize import create_serializer

from fanout.aws.backlog import backlog_question
from fanout.aws.http.query import VERSIONS, elements, form, statistics
from fanout.aws.http.reply_parser import Answer
from fanout.errors import CallError, Phase

SUBSCRIBE = {
    "TopicArn": "arn",
    "Protocol": "sqs",
    "Endpoint": "q&ä",
    "ReturnSubscriptionArn": True,
    "Attributes": {"RawMessageDelivery": "true", "FilterPolicy": '{"a": [{"prefix": "x."}]}'},
}
POINTS = (
    b'<GetMetricStatisticsResponse xmlns="http://monitoring.amazonaws.com/doc/2010-08-01/"><GetMetricStatisticsResult>'
    b"<Datapoints><member><Timestamp>2026-11-30T10:43:00Z</Timestamp><Maximum>3.0</Maximum><Unit>None</Unit></member>"
    b"<member>\n <Maximum>0.0</Maximum>\n <Timestamp>2026-11-30T10:44:00Z</Timestamp></member></Datapoints>"
    b"<Label>ApproximateBacklogSize</Label></GetMetricStatisticsResult>"
    b"<ResponseMetadata><RequestId>r-1</RequestId></ResponseMetadata></GetMetricStatisticsResponse>"
)


def operation(service, action):
    return botocore.session.Session().get_service_model(service).operation_model(action)


@pytest.mark.parametrize(
    ("service", "action", "parameters"),
    [
        ("sns", "Subscribe", SUBSCRIBE),
        ("cloudwatch", "GetMetricStatistics", backlog_question("model-1", since=1.0e9, until=1.1e9)),
        ("sts", "GetCallerIdentity", {}),
    ],
)
def test_a_call_is_what_botocore_would_send(service, action, parameters):
    model = operation(service, action)
    serialized = create_serializer("query").serialize_to_request(parameters, model)
    expected = {name: str(value) for name, value in serialized["body"].items()}
    assert dict(parse_qsl(form(service, action, parameters).decode())) == expected
    assert model.service_model.api_version == VERSIONS[service]
    assert "query" in (model.service_model.metadata.get("protocols") or [model.service_model.protocol])


@pytest.mark.parametrize(
    "body", [POINTS, POINTS.replace(b"<member>", b"<other>").replace(b"</member>", b"</other>")]
)
def test_data_points_are_what_botocore_reads(body):
    model = operation("cloudwatch", "GetMetricStatistics")
    response = {"status_code": 200, "headers": {}, "body": body}
    expected = create_parser("query").parse(response, model.output_shape)
    expected.pop("ResponseMetadata")
    told = statistics(Answer(200, {}, body), "GetMetricStatistics")
    if body is POINTS:
        assert told == expected
        assert [point["Maximum"] for point in told["Datapoints"]] == [3.0, 0.0]
    else:
        assert told["Datapoints"] == []


@pytest.mark.parametrize(
    "body",
    [
        b"<html>welcome</html>",
        b"",
        POINTS.replace(b"3.0", b"three"),
        POINTS.replace(b"T10:43:00Z", b" at ten"),
    ],
)
def test_what_is_no_such_reply_is_said_to_be_none(body):
    with pytest.raises(CallError) as caught:
        statistics(Answer(200, {}, body), "GetMetricStatistics")
    assert caught.value.phase is Phase.EXCHANGE


def test_texts_are_unescaped():
    body = b"<SubscribeResponse><SubscriptionArn>arn:a&amp;b</SubscriptionArn></SubscribeResponse>"
    assert elements(Answer(200, {}, body), "Subscribe") == {"SubscriptionArn": "arn:a&b"}
