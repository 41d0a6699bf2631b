"""What is said of an endpoint that takes requests: one line a subject, good or not."""

from __future__ import annotations

import dataclasses

import pytest

from fanout.commands.doctor.endpoint import judge_endpoint
from fanout.config.model import CollectSection
from fanout.ports import Endpoint

GOOD = Endpoint("model", "InService", "s3://b/ok", "s3://b/bad", "arn:ok", "arn:bad", False, None, 2, 4)


def judged(collect=None, **changes):
    endpoint = dataclasses.replace(GOOD, **changes)
    return {
        each.check: (each.status, each.text)
        for each in judge_endpoint(endpoint, CollectSection.model_validate(collect or {}))
    }


def test_each_subject_has_a_line():
    assert judged() == {
        "endpoint": ("ok", "model is InService, 2 instances, 4 at once each"),
        "notifications": ("ok", "success topic arn:ok, error topic arn:bad"),
        "failures": ("ok", "failures leave an object under s3://b/bad"),
        "responses": ("ok", "downloaded from s3://b/ok"),
    }


def test_what_is_not_told_is_not_made_up():
    status, text = judged(instances=None, concurrency_per_instance=None)["endpoint"]
    assert (status, text) == (
        "ok",
        "model is InService, each takes as many requests at once as SageMaker chooses",
    )
    assert judged({"notifications": False})["notifications"] == (
        "ok",
        "results are found by listing, as configured",
    )


def test_an_endpoint_that_is_simulated_is_said_to_be():
    status, text = judged(simulated=True)["endpoint"]
    assert status == "warn"
    assert "nothing here is about AWS" in text


@pytest.mark.parametrize(
    ("rides", "trusts", "status", "text"),
    [
        (True, False, "ok", "add --trust-responses to take them"),
        (True, True, "ok", "taken from notifications"),
        (False, True, "warn", "SUCCESS_NOTIFICATION_TOPIC to IncludeInferenceResponseIn"),
        (False, False, "ok", "downloaded from"),
    ],
)
def test_responses_ride_along_and_are_taken_or_not(rides, trusts, status, text):
    found = judged({"trust_responses": trusts}, includes_response=rides)["responses"]
    assert (found[0], text in found[1]) == (status, True)
