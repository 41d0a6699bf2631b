from __future__ import annotations

import hashlib

import orjson
import pytest

from fanout.ports import SERVING
from fanout.simulator.errors import ServiceError
from fanout.simulator.limits import AsyncRequest
from fanout.simulator.settings import (
    FaultSettings,
    NotificationSettings,
    SimulatorSettings,
    Spread,
    StatusChange,
    ThrottleSettings,
)
from fanout.simulator.world import LogLine

RUN = "abcdefghij"
NOW = 1_000.0


def inline(row: int, body: bytes = b"payload", **fields: object) -> AsyncRequest:
    return AsyncRequest(
        "simulated", body=body, inference_id=f"{RUN}.{row}.0.1", filename=f"{row}.0", **fields
    )


def staged(row: int, key: str) -> AsyncRequest:
    return AsyncRequest(
        "simulated",
        input_location=f"s3://simulated/{key}",
        inference_id=f"{RUN}.{row}.0.1",
        filename=f"{row}.0",
    )


def sha256(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()


def test_an_inline_request_ends_in_an_answer_about_its_payload(build_world, drain):
    world = build_world(SimulatorSettings(service_time=Spread(median_s=1.5)))
    accepted = world.invoke(inline(7, b"abc", content_type="text/csv"), now=NOW)
    assert accepted == (
        "abcdefghij.7.0.1",
        "s3://simulated/async-outputs/7.0",
        "s3://simulated/async-failures/7.0",
    )
    assert world.next_event_at() == 1_001.5
    world.advance(1_001.4)
    assert world.objects.find("simulated", "async-outputs/7.0") is None
    [message] = drain(world, now=1_001.5)
    stored = world.objects.get("simulated", "async-outputs/7.0")
    assert orjson.loads(stored.body) == {
        "row": 7,
        "inference_id": "abcdefghij.7.0.1",
        "sha256": sha256(b"abc"),
        "bytes": 3,
        "content_type": "text/csv",
    }
    assert (stored.content_type, stored.modified_at) == ("application/json", 1_001.5)
    assert orjson.loads(message)["inferenceId"] == "abcdefghij.7.0.1"
    assert world.log == [LogLine("abcdefghij.7.0.1", 1_000.0, "inline", 3, sha256(b"abc"), 7)]
    assert world.next_event_at() is None


def test_a_request_finds_the_slots_that_became_free_before_it(build_world, drain):
    world = build_world(
        SimulatorSettings(instances=1, concurrency_per_instance=1, service_time=Spread(median_s=1.0))
    )
    world.invoke(inline(0), now=NOW)
    world.invoke(inline(1), now=NOW + 5.0)
    assert world.next_event_at() == NOW + 6.0
    assert len(drain(world, now=NOW + 6.0)) == 2
    assert world.objects.get("simulated", "async-outputs/1.0").modified_at == NOW + 6.0


@pytest.mark.parametrize(
    ("delay_s", "expected"),
    [
        (2.0, [4.0, 4.0, 6.0, 7.0, 9.0, None]),  # ends at 4 and 7, their messages at 6 and 9
        (10.0, [4.0, 4.0, 7.0, 14.0, 17.0, None]),  # their messages at 14 and 17
    ],
)
def test_the_next_event_is_the_earlier_of_an_end_and_a_late_message(
    build_world, delay_s: float, expected: list[float | None]
):
    settings = SimulatorSettings(
        service_time=Spread(median_s=4.0), notifications=NotificationSettings(delay_s=delay_s)
    )
    world = build_world(settings)
    events: list[float | None] = []
    for instant in (0.0, 3.0, *(event for event in expected[1:] if event)):
        if instant in {0.0, 3.0}:
            world.invoke(inline(int(instant)), now=NOW + instant)
        world.advance(NOW + instant)
        next_at = world.next_event_at()
        events.append(None if next_at is None else next_at - NOW)
    assert events == expected


def test_a_staged_request_is_answered_for_the_object_that_is_there_when_it_is_served(build_world):
    world = build_world(SimulatorSettings(service_time=Spread(median_s=1.0)))
    world.objects.put("simulated", "in/1", b"old", content_type=None, now=NOW)
    world.invoke(staged(1, "in/1"), now=NOW)
    world.objects.put("simulated", "in/1", b"newer", content_type=None, now=NOW)
    world.advance(NOW + 1)
    answer = orjson.loads(world.objects.get("simulated", "async-outputs/1.0").body)
    assert (answer["sha256"], answer["bytes"]) == (sha256(b"newer"), 5)
    assert world.log == [LogLine("abcdefghij.1.0.1", NOW, "s3", 3, sha256(b"old"), 1)]


@pytest.mark.parametrize("key", ["in/never", "in/removed"])
def test_a_request_whose_input_is_gone_fails(build_world, drain, key: str):
    world = build_world(SimulatorSettings(service_time=Spread(median_s=1.0)))
    world.objects.put("simulated", "in/removed", b"x", content_type=None, now=NOW)
    world.invoke(staged(1, key), now=NOW)
    world.objects.delete("simulated", "in/removed")
    [message] = map(orjson.loads, drain(world, now=NOW + 1))
    assert (message["invocationStatus"], message["failureReason"]) == (
        "Failed",
        "Failed to download the input: no such object.",
    )
    assert world.objects.find("simulated", "async-outputs/1.0") is None
    assert world.objects.get("simulated", "async-failures/1.0").body == message["failureReason"].encode()
    assert world.log[0].bytes == (1 if key == "in/removed" else None)


def test_a_failure_of_the_model_and_an_expiry_are_announced_on_the_error_topic(build_world):
    settings = SimulatorSettings(
        instances=1, concurrency_per_instance=1, service_time=Spread(median_s=100.0), failure_share=1.0
    )
    world = build_world(settings)
    world.topics.delete(settings.success_topic)
    world.invoke(inline(0), now=NOW)
    world.invoke(inline(1, ttl_s=60), now=NOW)
    world.invoke(inline(2, ttl_s=500, invocation_timeout_s=5), now=NOW)
    world.advance(NOW + 1_000)
    messages = [
        orjson.loads(message.body)
        for message in world.queues.receive("inbox", max_messages=10, now=NOW + 1_000)
    ]
    assert [(m["inferenceId"][11], m["invocationStatus"], m["eventTime"]) for m in messages] == [
        ("1", "Expired", "1970-01-01T00:17:40.000Z"),
        ("0", "Failed", "1970-01-01T00:18:20.000Z"),
        ("2", "Failed", "1970-01-01T00:18:25.000Z"),
    ]
    assert messages[0]["failureReason"] == "The request expired: it was not served within RequestTTLSeconds."
    assert (
        messages[2]["failureReason"]
        == "ModelError: The model did not answer within InvocationTimeoutSeconds."
    )
    stats = world.stats()
    assert (stats["completed"], stats["failed"], stats["expired"], stats["objects"]) == (0, 2, 1, 3)


def test_an_endpoint_without_failure_path_leaves_only_the_message(build_world, drain):
    world = build_world(SimulatorSettings(failure_share=1.0, failure_prefix=None))
    assert world.invoke(inline(0), now=NOW).failure_location is None
    [message] = map(orjson.loads, drain(world, now=NOW))
    assert "failureLocation" not in message
    assert world.stats()["objects"] == 0


def test_what_is_sent_twice_is_served_twice_to_one_place(build_world, drain):
    world = build_world()
    world.invoke(inline(3, b"same"), now=NOW)
    world.invoke(inline(3, b"same"), now=NOW + 1)
    assert len(drain(world, now=NOW + 1)) == 2
    assert [line.row for line in world.log] == [3, 3]
    assert world.stats()["objects"] == 1


def test_ids_that_are_not_ours_have_no_row(build_world):
    world = build_world()
    for name in ("x", "a.b.c.d", "a.1.2"):
        world.invoke(AsyncRequest("simulated", body=b"", inference_id=name), now=NOW)
    generated = world.invoke(AsyncRequest("simulated", body=b""), now=NOW)
    assert len(generated.inference_id) == 36
    assert [line.row for line in world.log] == [None, None, None, None]


def test_responses_can_be_as_large_as_real_ones(build_world):
    world = build_world(SimulatorSettings(response_padding_bytes=1_000))
    world.invoke(inline(0), now=NOW)
    world.advance(NOW)
    assert orjson.loads(world.objects.get("simulated", "async-outputs/0.0").body)["padding"] == "x" * 1_000


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        (AsyncRequest("other", body=b""), "Endpoint other of account 123456789012 not found."),
        (AsyncRequest("simulated"), "Exactly one of Body and InputLocation must be provided."),
    ],
)
def test_a_refused_request_leaves_no_trace(build_world, request_: AsyncRequest, message: str):
    world = build_world()
    with pytest.raises(ServiceError) as caught:
        world.invoke(request_, now=NOW)
    assert (caught.value.status, caught.value.code, caught.value.message) == (400, "ValidationError", message)
    assert world.log == []
    assert world.next_event_at() is None


@pytest.mark.parametrize("status", sorted(SERVING))
def test_an_endpoint_that_serves_is_described_and_takes_requests(build_world, status: str):
    world = build_world()
    world.status = status
    assert world.describe("simulated").status == status
    world.invoke(inline(0), now=NOW)
    assert len(world.log) == 1


@pytest.mark.parametrize("status", ["Creating", "Deleting", "Failed", "OutOfService"])
def test_an_endpoint_that_does_not_serve_refuses(build_world, status: str):
    world = build_world()
    world.status = status
    assert world.describe("simulated").status == status
    with pytest.raises(ServiceError, match=f"^ValidationError: Endpoint simulated .* is in status {status}"):
        world.invoke(inline(0), now=NOW)
    assert world.log == []


def test_an_endpoint_that_is_deleted_is_not_known_and_answers_nothing_that_it_had(build_world, drain):
    world = build_world(
        SimulatorSettings(
            instances=1,
            concurrency_per_instance=1,
            service_time=Spread(median_s=5.0),
            changes=(StatusChange(after_requests=2, status="Deleted"),),
        )
    )
    world.invoke(inline(0), now=NOW)
    assert world.describe("simulated").status == "InService"
    world.invoke(inline(1), now=NOW)
    with pytest.raises(ServiceError, match=r"^ValidationException: Could not find endpoint"):
        world.describe("simulated")
    with pytest.raises(ServiceError, match=r"^ValidationError: Endpoint simulated .* not found"):
        world.invoke(inline(2), now=NOW)
    assert drain(world, now=NOW + 100_000.0) == []
    assert (world.next_event_at(), len(world.log)) == (None, 2)
    assert world.stats()["waiting"] == world.stats()["running"] == 0


def test_an_endpoint_can_be_in_any_status_from_the_start_and_later(build_world):
    world = build_world(
        SimulatorSettings(
            status="UpdateRollbackFailed", changes=(StatusChange(after_requests=1, status="Failed"),)
        )
    )
    assert world.describe("simulated").status == "UpdateRollbackFailed"
    world.invoke(inline(0), now=NOW)
    assert world.describe("simulated").status == "Failed"


def test_a_real_time_endpoint_refuses(build_world):
    with pytest.raises(ServiceError, match=r"^ValidationError: .*not configured for asynchronous inference"):
        build_world(SimulatorSettings(asynchronous=False)).invoke(inline(0), now=NOW)


def test_a_throttled_request_is_not_in_the_log(build_world):
    world = build_world(SimulatorSettings(throttle=ThrottleSettings(rate_per_s=1.0)))
    world.invoke(inline(0), now=NOW)
    with pytest.raises(ServiceError, match=r"^ThrottlingException: "):
        world.invoke(inline(1), now=NOW + 0.5)
    world.invoke(inline(2), now=NOW + 1.0)
    assert [line.row for line in world.log] == [0, 2]
    assert (world.stats()["accepted"], world.stats()["throttled"]) == (2, 1)


def test_describe_says_what_the_configuration_says(build_world):
    settings = SimulatorSettings(
        instances=3, concurrency_per_instance=5, notifications=NotificationSettings(includes_response=True)
    )
    described = build_world(settings).describe("simulated")
    assert described.output_path == "s3://simulated/async-outputs"
    assert described.failure_path == "s3://simulated/async-failures"
    assert described.topics == (settings.success_topic, settings.error_topic)
    assert (described.includes_response, described.instances, described.concurrency_per_instance) == (
        True,
        3,
        5,
    )
    with pytest.raises(
        ServiceError, match=r'^ValidationException: Could not find endpoint "arn:aws:sagemaker:'
    ):
        build_world().describe("other")


def test_scaling_is_announced_and_seen(build_world, drain):
    world = build_world(SimulatorSettings(instances=1))
    world.scale(0, now=NOW)
    assert world.describe("simulated").instances == 0
    assert [orjson.loads(body)["eventName"] for body in drain(world, now=NOW)] == ["TestNotification"] * 2


def test_a_deleted_topic_fails_notifications_and_nothing_else(build_world):
    settings = SimulatorSettings()
    world = build_world(settings)
    world.topics.delete(settings.success_topic)
    world.invoke(inline(0), now=NOW)
    world.advance(NOW)
    assert world.objects.find("simulated", "async-outputs/0.0") is not None
    assert world.stats()["notifications_failed"] == 1


def test_watchers_hear_of_every_new_event(build_world):
    world = build_world(SimulatorSettings(service_time=Spread(median_s=1.0)))
    heard: list[float | None] = []

    def wake() -> None:
        heard.append(world.next_event_at())

    world.watch(wake)
    world.invoke(inline(0), now=NOW)
    world.scale(5, now=NOW + 0.5)
    world.unwatch(wake)
    world.invoke(inline(1), now=NOW + 0.6)
    assert heard == [1_001.0, 1_001.0]


def run_of(seed: int, build_world, drain, **faults: float) -> list[object]:
    settings = SimulatorSettings(
        seed=seed,
        instances=1,
        service_time=Spread(median_s=0.5, sigma=1.0),
        failure_share=0.2,
        notifications=NotificationSettings(loss_share=0.2, duplicate_share=0.3, spread_s=3.0),
        faults=FaultSettings(**faults),
    )
    world = build_world(settings)
    for row in range(200):
        world.invoke(inline(row), now=NOW + row * 0.1)
    return [drain(world, now=NOW + 1_000), world.stats(), world.objects.list("simulated", "").entries]


def test_everything_follows_from_the_seed(build_world, drain):
    first = run_of(1, build_world, drain, forged_messages=0.1, failed_then_completed_share=0.1)
    assert first == run_of(1, build_world, drain, forged_messages=0.1, failed_then_completed_share=0.1)
    assert first != run_of(2, build_world, drain, forged_messages=0.1, failed_then_completed_share=0.1)


def test_faults_of_rows_do_not_move_the_draws_of_the_endpoint(build_world, drain):
    plain = run_of(1, build_world, drain)
    faulty = run_of(1, build_world, drain, forged_messages=0.5, complete_without_object_share=0.3)
    assert plain[1]["failed"] == faulty[1]["failed"]
    assert plain[1]["completed"] == faulty[1]["completed"]
    assert plain[1]["objects"] > faulty[1]["objects"]
