"""What CloudWatch is asked about an endpoint's backlog, and what is read out of its answer."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from fanout.aws.backlog import MOST_POINTS, backlog_points, backlog_question
from fanout.domain.account_facts import BacklogPoint

START = 1_800_000_000.0  # a full minute


def at(seconds):
    return datetime.fromtimestamp(START + seconds, UTC)


def test_the_metric_is_the_endpoints_own_by_the_minute():
    assert backlog_question("model", since=START + 30.0, until=START + 301.0) == {
        "Namespace": "AWS/SageMaker",
        "MetricName": "ApproximateBacklogSize",
        "Dimensions": [{"Name": "EndpointName", "Value": "model"}],
        "StartTime": at(0.0),
        "EndTime": at(300.0),
        "Period": 60,
        "Statistics": ["Maximum"],
    }


@pytest.mark.parametrize("until_s", [0.0, 1.0, 59.0, 60.0])
def test_it_is_always_asked_about_at_least_a_minute(until_s):
    question = backlog_question("model", since=START, until=START + until_s)
    assert (question["StartTime"], question["EndTime"]) == (at(0.0), at(60.0))


def test_of_a_longer_time_as_much_is_asked_for_as_one_call_tells():
    question = backlog_question("model", since=0.0, until=START + 59.0)
    assert (question["EndTime"] - question["StartTime"]).total_seconds() == MOST_POINTS * 60
    assert question["EndTime"] == at(0.0)


def test_whole_periods_are_read_and_put_in_order():
    told = {
        "Datapoints": [
            {"Timestamp": at(180.0), "Maximum": 0.0, "Unit": "None"},
            {"Timestamp": at(60.0), "Maximum": 3.0},
            {"Timestamp": at(120.0), "Maximum": 2.0},
            {"Timestamp": at(0.0), "Maximum": 9.0},  # began before
            {"Timestamp": at(240.0), "Maximum": 1.0},  # is not over
            {"Timestamp": at(120.0), "Average": 1.0},
        ]
    }
    assert backlog_points(told, since=START + 1.0, until=START + 299.0) == [
        BacklogPoint(START + 60.0, 60.0, 3.0),
        BacklogPoint(START + 120.0, 60.0, 2.0),
        BacklogPoint(START + 180.0, 60.0, 0.0),
    ]


def test_a_metric_without_points_is_no_backlog_of_zero():
    assert backlog_points({"Datapoints": []}, since=START, until=START + 600.0) == []
    assert backlog_points({}, since=START, until=START + 600.0) == []
