"""What the topics see of an inference: the documents, and what becomes of them on the way."""

from __future__ import annotations

import base64
from collections import Counter

import orjson
import pytest

from fanout.simulator.limits import AsyncRequest
from fanout.simulator.notifications import DEEP_JSON, MAX_RESPONSE_BYTES
from fanout.simulator.settings import FaultSettings, NotificationSettings, SimulatorSettings, Spread

NOW = 1_643_150_760.455


def messages_of(
    build_world, drain, count: int = 1, *, subscription: dict[str, str] | None = None, **settings: object
):
    """The world, and the bodies that `count` inline requests at `NOW` lead to, in their order."""
    world = build_world(
        SimulatorSettings.model_validate({"instances": 100} | settings), subscription=subscription
    )
    for row in range(count):
        request = AsyncRequest(
            "simulated", body=b"x", inference_id=f"abcdefghij.{row}.0.1", filename=f"{row}.0"
        )
        world.invoke(request, now=NOW)
    return world, drain(world, now=NOW + 10_000)


def test_a_success_is_announced_as_aws_documents_it(build_world, drain):
    world = build_world(SimulatorSettings(service_time=Spread(median_s=0.153)))
    request = AsyncRequest(
        "simulated",
        input_location="s3://simulated/in",
        content_type="text/csv",
        inference_id="abcdefghij.5.0.1",
        filename="5.0",
    )
    world.objects.put("simulated", "in", b"", content_type=None, now=NOW)
    world.invoke(request, now=NOW)
    [body] = drain(world, now=NOW + 1)
    assert orjson.loads(body) == {
        "awsRegion": "us-east-1",
        "eventTime": "2022-01-25T22:46:00.608Z",
        "receivedTime": "2022-01-25T22:46:00.455Z",
        "invocationStatus": "Completed",
        "requestParameters": {
            "contentType": "text/csv",
            "endpointName": "simulated",
            "inputLocation": "s3://simulated/in",
        },
        "responseParameters": {
            "contentType": "application/json",
            "outputLocation": "s3://simulated/async-outputs/5.0",
        },
        "inferenceId": "abcdefghij.5.0.1",
        "eventVersion": "1.0",
        "eventSource": "aws:sagemaker",
        "eventName": "InferenceResult",
    }


def test_request_parameters_are_only_those_that_were_sent(build_world, drain):
    _, [body] = messages_of(build_world, drain)
    assert orjson.loads(body)["requestParameters"] == {"endpointName": "simulated"}


def test_a_failure_is_announced_without_response_parameters(build_world, drain):
    _, [body] = messages_of(build_world, drain, failure_share=1.0)
    assert orjson.loads(body) == {
        "awsRegion": "us-east-1",
        "eventTime": "2022-01-25T22:46:00.455Z",
        "receivedTime": "2022-01-25T22:46:00.455Z",
        "invocationStatus": "Failed",
        "requestParameters": {"endpointName": "simulated"},
        "failureReason": "ModelError: Received server error (500) from model with message 'simulated'.",
        "failureLocation": "s3://simulated/async-failures/0.0",
        "inferenceId": "abcdefghij.0.0.1",
        "eventVersion": "1.0",
        "eventSource": "aws:sagemaker",
        "eventName": "InferenceResult",
    }


def padding_for(build_world, drain, size: int) -> int:
    world, _ = messages_of(build_world, drain, response_padding_bytes=1)
    return size - len(world.objects.get("simulated", "async-outputs/0.0").body) + 1


def test_responses_of_up_to_128_kb_ride_along(build_world, drain):
    includes = {"notifications": NotificationSettings(includes_response=True)}
    padding = padding_for(build_world, drain, MAX_RESPONSE_BYTES)
    world, [body] = messages_of(build_world, drain, response_padding_bytes=padding, **includes)
    response = orjson.loads(body)["responseBody"]
    stored = world.objects.get("simulated", "async-outputs/0.0").body
    assert len(stored) == MAX_RESPONSE_BYTES == 131_072
    assert (base64.b64decode(response["content"], validate=True), response["encoding"]) == (stored, "BASE64")
    _, [body] = messages_of(build_world, drain, response_padding_bytes=padding + 1, **includes)
    assert "responseBody" not in orjson.loads(body)


def test_the_test_notification_has_no_inference_id(build_world, drain):
    world = build_world()
    world.publish_test_notification(now=NOW)
    bodies = [orjson.loads(body) for body in drain(world, now=NOW)]
    assert len(bodies) == 2  # one for each topic
    assert all(body["eventName"] == "TestNotification" and "inferenceId" not in body for body in bodies)
    one = build_world(SimulatorSettings(notifications=NotificationSettings(separate_topics=False)))
    one.publish_test_notification(now=NOW)
    assert len(drain(one, now=NOW)) == 1


def test_without_topics_the_outputs_are_there_all_the_same(build_world, drain):
    world, bodies = messages_of(build_world, drain, 3, notifications=NotificationSettings(enabled=False))
    assert bodies == []
    assert world.stats()["objects"] == 3


def rows(bodies: list[str]) -> Counter[int]:
    return Counter(int(orjson.loads(body)["inferenceId"].split(".")[1]) for body in bodies)


@pytest.mark.parametrize("share", [0.0, 0.1, 1.0])
def test_a_share_of_notifications_is_lost(build_world, drain, share: float):
    world, bodies = messages_of(
        build_world, drain, 1_000, notifications=NotificationSettings(loss_share=share)
    )
    assert world.stats()["notifications_lost"] == 1_000 - len(bodies)
    assert len(bodies) == pytest.approx(1_000 * (1 - share), abs=40)
    assert world.stats()["objects"] == 1_000


def test_duplicates_come_in_as_many_copies(build_world, drain):
    settings = NotificationSettings(duplicate_share=0.5, copies=3)
    _, bodies = messages_of(build_world, drain, 400, notifications=settings)
    copies = Counter(rows(bodies).values())
    assert set(copies) == {1, 3}
    assert 150 < copies[3] < 250


def test_delays_shuffle_messages_within_their_spread(build_world, drain):
    settings = SimulatorSettings(
        instances=100, notifications=NotificationSettings(delay_s=5.0, spread_s=10.0)
    )
    world = build_world(settings)
    for row in range(200):
        world.invoke(AsyncRequest("simulated", body=b"", inference_id=f"abcdefghij.{row}.0.1"), now=NOW)
    world.advance(NOW)
    assert NOW + 5.0 <= world.next_event_at() < NOW + 5.5
    assert drain(world, now=NOW + 4.999) == []
    half = drain(world, now=NOW + 10.0)
    assert 70 < len(half) < 130
    order = list(rows(half + drain(world, now=NOW + 15.0)))
    assert sorted(order) == list(range(200)) != order
    assert world.next_event_at() is None


def test_with_early_notifications_the_reply_may_follow_only_after_its_own(build_world):
    settings = SimulatorSettings(
        service_time=Spread(median_s=1.0), notifications=NotificationSettings(early=True, delay_s=2.0)
    )
    world = build_world(settings)
    world.invoke(AsyncRequest("simulated", body=b"", inference_id="a"), now=NOW)
    world.advance(NOW + 2.9)
    assert not world.may_reply("a")
    world.advance(NOW + 3.0)
    assert world.may_reply("a")


def test_a_lost_early_notification_holds_no_reply_back(build_world):
    world = build_world(SimulatorSettings(notifications=NotificationSettings(early=True, loss_share=1.0)))
    world.invoke(AsyncRequest("simulated", body=b"", inference_id="a"), now=NOW)
    world.advance(NOW)
    assert world.may_reply("a")


def test_replies_wait_for_nothing_by_default(build_world):
    world = build_world(SimulatorSettings(service_time=Spread(median_s=9.0)))
    world.invoke(AsyncRequest("simulated", body=b"", inference_id="a"), now=NOW)
    assert world.may_reply("a")


FILTERED = {"RawMessageDelivery": "true", "FilterPolicy": '{"inferenceId":[{"prefix":"abcdefghij."}]}'}


@pytest.mark.parametrize("outside_filter", [True, False])
def test_strangers_come_beside_every_notification_unless_filters_hold(
    build_world, drain, *, outside_filter: bool
):
    world, bodies = messages_of(
        build_world,
        drain,
        50,
        subscription=FILTERED,
        faults=FaultSettings(foreign_messages=1.0),
        notifications=NotificationSettings(outside_filter=outside_filter),
    )
    runs = Counter(orjson.loads(body)["inferenceId"].split(".")[0] for body in bodies)
    assert runs == {"abcdefghij": 50} | ({"strangers2": 50} if outside_filter else {})
    assert world.stats()["notifications_foreign"] == 50


def test_forgers_lie_about_our_rows_and_send_garbage(build_world, drain):
    world, bodies = messages_of(
        build_world, drain, 200, subscription=FILTERED, faults=FaultSettings(forged_messages=1.0)
    )
    assert len(bodies) == 400
    assert world.stats()["notifications_forged"] == 200
    garbage = Counter(body[:15] for body in bodies if not body.startswith('{"awsRegion"'))
    assert set(garbage) == {"Your endpoint s", DEEP_JSON[:15]}
    documents = [orjson.loads(body) for body in bodies if body.startswith('{"awsRegion"')]
    lies = [d for d in documents if "stolen" in d.get("responseParameters", {}).get("outputLocation", "")]
    assert {lie["invocationStatus"] for lie in lies} == {"Completed"}
    assert len(lies) > 25
    assert sum(document["eventName"] == "TestNotification" for document in documents) > 25
    true = [d for d in documents if d["eventName"] == "InferenceResult" and d not in lies]
    assert sorted(int(d["inferenceId"].split(".")[1]) for d in true) == list(range(200))


def test_rows_may_complete_without_an_object_or_with_an_empty_one(build_world, drain):
    world, bodies = messages_of(
        build_world, drain, 300, faults=FaultSettings(complete_without_object_share=0.5)
    )
    assert len(bodies) == 300
    assert 120 < world.stats()["objects"] < 180
    world, _ = messages_of(build_world, drain, 300, faults=FaultSettings(empty_output_share=0.5))
    empty = [stored for _, stored in world.objects.list("simulated", "").entries if not stored.body]
    assert 120 < len(empty) < 180
    assert world.stats()["objects"] == 300


def test_a_failure_may_be_followed_by_success(build_world, drain):
    world, bodies = messages_of(build_world, drain, faults=FaultSettings(failed_then_completed_share=1.0))
    assert [orjson.loads(body)["invocationStatus"] for body in bodies] == ["Failed", "Completed"]
    assert [key for key, _ in world.objects.list("simulated", "").entries] == [
        "async-failures/0.0",
        "async-outputs/0.0",
    ]


def test_a_share_expires_without_being_served(build_world, drain):
    world, bodies = messages_of(build_world, drain, faults=FaultSettings(expired_share=1.0))
    assert [orjson.loads(body)["invocationStatus"] for body in bodies] == ["Expired"]
    assert world.objects.find("simulated", "async-outputs/0.0") is None
