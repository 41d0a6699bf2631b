"""Asks CloudWatch for the backlog of an asynchronous endpoint, and reads its answer; pure.

SageMaker tells it once a minute as `ApproximateBacklogSize`: items that are queued or in process.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from fanout.domain.account_facts import BacklogPoint

PERIOD_S = 60
MOST_POINTS = 1_440  # of one GetMetricStatistics, API reference


def backlog_question(endpoint: str, *, since: float, until: float) -> dict[str, Any]:
    """Return the parameters of GetMetricStatistics, as aiobotocore takes them.

    Args:
        endpoint: The endpoint's name.
        since: Start of the time that is asked for, in seconds since the epoch.
        until: Its end; the last day of a longer time is asked for.
    """
    first = max(since, until - MOST_POINTS * PERIOD_S) // PERIOD_S * PERIOD_S
    return {
        "Namespace": "AWS/SageMaker",
        "MetricName": "ApproximateBacklogSize",
        "Dimensions": [{"Name": "EndpointName", "Value": endpoint}],
        "StartTime": datetime.fromtimestamp(first, UTC),
        "EndTime": datetime.fromtimestamp(max(until, first + PERIOD_S) // PERIOD_S * PERIOD_S, UTC),
        "Period": PERIOD_S,
        "Statistics": ["Maximum"],
    }


def backlog_points(told: Mapping[str, Any], *, since: float, until: float) -> Sequence[BacklogPoint]:
    """Return the whole periods from `since` to `until` of a reply, oldest first; it has them in any order."""
    points = sorted(
        (point["Timestamp"].timestamp(), float(point["Maximum"]))
        for point in told.get("Datapoints", ())
        if "Maximum" in point
    )
    return [
        BacklogPoint(began_at, float(PERIOD_S), most)
        for began_at, most in points
        if since <= began_at and began_at + PERIOD_S <= until
    ]
