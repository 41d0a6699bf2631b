"""What a person is told at the start of what this endpoint cannot tell, and the remedy."""

from __future__ import annotations

import dataclasses

import pytest

from fanout.config.model import CollectSection
from fanout.ports import SERVING, Endpoint
from fanout.runtime.endpoint_warnings import endpoint_warnings

TELLS_ALL = Endpoint("model", "InService", "s3://b/ok", "s3://b/bad", "arn:ok", "arn:bad", False, None, 2, 4)
NO_TRACE = "a row that the model fails leaves no trace"
NO_TOPIC = "the endpoint notifies no topic: results are found by listing its output path"


def warnings(collect=None, **changes):
    given = dataclasses.replace(TELLS_ALL, **changes)
    return list(endpoint_warnings(given, CollectSection.model_validate(collect or {})))


@pytest.mark.parametrize("status", sorted(SERVING - {"UpdateRollbackFailed"}))
def test_an_endpoint_that_tells_everything_is_not_talked_about(status):
    assert warnings(status=status) == []
    assert warnings({"notifications": False}) == [], "its failures are found in S3"


def test_a_rollback_that_failed_is_a_mix_of_configurations():
    [text] = warnings(status="UpdateRollbackFailed")
    assert "serves with a mix of its old and its new configuration" in text


@pytest.mark.parametrize(("instances", "told"), [(0, True), (1, False), (None, False)])
def test_an_endpoint_without_an_instance_answers_minutes_later(instances, told):
    texts = warnings(instances=instances)
    assert [("accepts and queues rows" in text) for text in texts] == [True] * told


@pytest.mark.parametrize(
    ("collect", "changes", "words"),
    [
        # AWS's own example has neither:
        ({}, {"success_topic": None, "error_topic": None}, [NO_TOPIC, "no S3FailurePath and no error topic"]),
        ({}, {"error_topic": None}, ["no S3FailurePath and no error topic"]),
        ({"notifications": False}, {}, ["no S3FailurePath and an error topic that is not listened to"]),
        ({"queue_url": "https://q/1/q", "notifications": False}, {}, ["known by its message alone"]),
        ({}, {}, ["known by its message alone"]),
    ],
)
def test_without_a_failure_path_a_failed_row_is_hard_to_tell(collect, changes, words):
    texts = warnings(collect, failure_path=None, **changes)
    assert len(texts) == len(words)
    assert all(word in text for word, text in zip(words, texts, strict=True))
    assert (NO_TRACE in texts[-1]) is words[-1].startswith("no S3FailurePath")
    assert "6 h 15 min" in texts[-1]
    assert "Give the endpoint's AsyncInferenceConfig an S3FailurePath" in texts[-1]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"success_topic": None, "error_topic": None}, NO_TOPIC),
        ({"success_topic": None}, "the endpoint has no success topic: results are found by listing"),
        ({"error_topic": None}, "has no error topic: rows that the model fails are found later"),
    ],
)
def test_with_a_failure_path_missing_topics_cost_time_alone(changes, words):
    [text] = warnings(**changes)
    assert words in text
    assert NO_TRACE not in text
