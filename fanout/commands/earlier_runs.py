"""Looks into the runs beside this one for what they show of an endpoint: how long its model takes for a row."""

from __future__ import annotations

from pathlib import Path

from fanout.analysis.forecast import Capacity, ServiceTime, service_of
from fanout.errors import RunError
from fanout.ports import Endpoint
from fanout.rundir.paths import RunDirectory
from fanout.rundir.summary import Summary, read_summary

_PHASE = "service"


def capacity_of(endpoint: Endpoint) -> Capacity:
    """Return what the endpoint has to serve rows with."""
    return Capacity(
        instances=endpoint.instances,
        types=endpoint.instance_types,
        per_instance=endpoint.concurrency_per_instance,
    )


def last_service_time(runs: Path, endpoint: Endpoint, *, window: int) -> ServiceTime | None:
    """Return the model's time by the last finished run on this endpoint; None if there is none in sight.

    Args:
        runs: The directory that holds the directories of runs.
        endpoint: The endpoint as it is now.
        window: Rows that are open at once.
    """
    found = [summary for path in runs.glob("*/run.json") if (summary := _finished(path.parent, endpoint))]
    if not found:
        return None
    last = max(found, key=lambda summary: summary.started_at)
    seconds = service_of(
        last.latency[_PHASE],
        rows=last.rows if last.ended_here is None else last.ended_here,
        seconds=last.seconds,
        slots=capacity_of(endpoint).slots(window),
    )
    return ServiceTime(seconds, f"run {last.run_id} of {last.started_at}")


def _finished(path: Path, endpoint: Endpoint) -> Summary | None:
    """Return the summary of a run that shows the model's time, None of any other."""
    try:
        summary = read_summary(RunDirectory(path).summary)
    except (RunError, OSError):  # under way, damaged, or of a later version: others may tell
        return None
    same = (summary.endpoint, summary.simulated) == (endpoint.name, endpoint.simulated)
    return summary if same and _PHASE in summary.latency else None
