"""`ports.Control.backlog` and `status` on every cloud: the minutes that are over, None where it may not be asked."""

from __future__ import annotations

import time
from urllib.parse import urlencode
from urllib.request import Request, urlopen

import pytest
from support.settings import aws_settings

from fanout.aws.backlog import backlog_question
from fanout.aws.session import open_cloud
from fanout.errors import CallError
from fanout.simulator.backlog import BacklogHistory

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.fixture
def hour_ago(inference):
    """A full minute an hour ago, from which on the simulated endpoint has had 3 requests, and for two minutes none."""
    if inference.world is None:
        pytest.skip("a live endpoint's backlog cannot be set, so what it was is not known")
    began_at = (time.time() - 3_600.0) // 60.0 * 60.0
    history = inference.world.endpoint.backlog = BacklogHistory()
    for seconds, size in ((0.0, 3), (90.0, 5), (100.0, 1), (130.0, 0)):
        history.note(began_at + seconds, size)
    return began_at


async def asked(inference, since, until, endpoint=None):
    control = inference.cloud.control
    points = await control.backlog(endpoint or inference.endpoint, since=since, until=until)
    return [(point.began_at - since, point.length_s, point.most) for point in points]


async def test_the_backlog_is_told_by_the_minute_oldest_first(inference, hour_ago):
    assert await asked(inference, hour_ago, hour_ago + 300.0) == [
        (0.0, 60.0, 3.0),
        (60.0, 60.0, 5.0),
        (120.0, 60.0, 1.0),
        (180.0, 60.0, 0.0),
        (240.0, 60.0, 0.0),
    ]


async def test_only_minutes_that_are_over_and_began_in_time_count(inference, hour_ago):
    assert await asked(inference, hour_ago + 60.0, hour_ago + 179.0) == [(0.0, 60.0, 5.0)]
    assert await asked(inference, hour_ago + 1.0, hour_ago + 59.0) == []


async def test_the_last_minutes_are_told_late(inference, hour_ago):
    now = time.time()
    told = await asked(inference, hour_ago, now + 60.0)
    assert told
    delay_s = inference.world.settings.metrics.delay_s
    assert now - delay_s - 60.0 <= hour_ago + told[-1][0] + 60.0 <= time.time() - delay_s


async def test_an_endpoint_without_a_metric_has_no_points(inference, hour_ago):
    assert await asked(inference, hour_ago, hour_ago + 300.0, "another") == []


async def test_more_than_a_day_is_asked_for_by_one_call(inference, hour_ago):
    points = await inference.cloud.control.backlog(
        inference.endpoint, since=hour_ago - 10 * 86_400.0, until=hour_ago + 60.0
    )
    assert points[-1].most == 3.0


async def test_the_status_is_told_and_an_endpoint_that_is_not_there_is_not_found(inference):
    assert await inference.cloud.control.status(inference.endpoint) == "InService"
    with pytest.raises(CallError) as caught:
        await inference.cloud.control.status("nowhere")
    assert caught.value.code == "ValidationException"


@pytest.mark.parametrize("client", ["wire", "aiobotocore"])
async def test_moto_tells_what_was_put_there(moto_url, monkeypatch, client):
    for name in ("AWS_ENDPOINT_URL", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    began_at = (time.time() - 600.0) // 60.0 * 60.0
    for seconds, value in ((0.0, 2), (20.0, 4), (60.0, 0)):
        put_metric(moto_url, at=began_at + seconds, value=value)
    settings = aws_settings(
        client=client,
        endpoint_url=moto_url,
        region="us-east-1",
        access_key_id="AKIDMOTO",
        secret_access_key="secret",
    )
    async with open_cloud(settings) as cloud:
        points = await cloud.control.backlog("model", since=began_at, until=began_at + 300.0)
        none = await cloud.control.backlog("other", since=began_at, until=began_at + 300.0)
    assert [(point.began_at - began_at, point.most) for point in points] == [(0.0, 4.0), (60.0, 0.0)]
    assert none == []


def put_metric(url, *, at, value):
    """Have moto take a point, in the query protocol."""
    metric = backlog_question("model", since=at, until=at)
    stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at))
    fields = {
        "Action": "PutMetricData",
        "Version": "2010-08-01",
        "Namespace": metric["Namespace"],
        "MetricData.member.1.MetricName": metric["MetricName"],
        "MetricData.member.1.Value": value,
        "MetricData.member.1.Timestamp": stamp,
        "MetricData.member.1.Dimensions.member.1.Name": "EndpointName",
        "MetricData.member.1.Dimensions.member.1.Value": "model",
    }
    scope = "AWS4-HMAC-SHA256 Credential=AKIDMOTO/20260101/us-east-1/monitoring/aws4_request, Signature=0"
    request = Request(url, urlencode(fields).encode(), {"Authorization": scope})
    with urlopen(request) as reply:
        assert reply.status == 200
