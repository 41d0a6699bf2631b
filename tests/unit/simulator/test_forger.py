"""Forged ends: about the requests that are sent, before their 202 or later, once or again and again."""

from __future__ import annotations

import orjson
import pytest
from support.memory import START

from fanout.simulator.errors import ServiceError
from fanout.simulator.limits import AsyncRequest
from fanout.simulator.settings import SimulatorSettings


def request(inference_id):
    return AsyncRequest("simulated", body=b"payload", inference_id=inference_id)


def settings(**changes):
    slow = {"service_time": {"median_s": 1_000.0}, "faults": {"forged_ends": 1.0}}
    return SimulatorSettings.model_validate(slow | changes)


def said(drain, world, *, now):
    """Return (id, status) of the messages that have come since."""
    documents = [orjson.loads(body) for body in drain(world, now=now)]
    return sorted((each["inferenceId"], each["invocationStatus"]) for each in documents)


@pytest.mark.parametrize("status", ["Completed", "Failed", "Expired"])
def test_an_end_is_forged_before_the_request_has_its_reply(build_world, drain, status):
    world = build_world(settings(forgery={"statuses": [status]}))
    world.invoke(request("abc"), now=START)
    assert said(drain, world, now=START) == [("abc", status)]
    assert world.stats()["notifications_forged_ends"] == 1
    assert world.stats()["completed"] == 0


def test_ends_are_forged_later_and_again(build_world, drain):
    late = {"statuses": ["Failed"], "delay": {"median_s": 30.0}, "copies": 3, "apart_s": 10.0}
    world = build_world(settings(forgery=late))
    world.invoke(request("abc"), now=START)
    assert said(drain, world, now=START + 29.0) == []
    assert world.next_event_at() == START + 30.0
    assert said(drain, world, now=START + 30.0) == [("abc", "Failed")]
    assert said(drain, world, now=START + 50.0) == [("abc", "Failed"), ("abc", "Failed")]
    assert said(drain, world, now=START + 500.0) == []


def test_a_request_that_is_refused_has_its_end_forged_too(build_world, drain):
    world = build_world(
        settings(throttle={"rate_per_s": 0.001, "burst": 1}, forgery={"statuses": ["Failed"]})
    )
    world.invoke(request("abc"), now=START)
    with pytest.raises(ServiceError, match="Rate exceeded"):
        world.invoke(request("def"), now=START)
    assert said(drain, world, now=START) == [("abc", "Failed"), ("def", "Failed")]


def test_an_endpoint_without_topics_has_no_forgers(build_world):
    world = build_world(settings(notifications={"enabled": False}))
    world.invoke(request("abc"), now=START)
    assert world.stats()["notifications_forged_ends"] == 0
