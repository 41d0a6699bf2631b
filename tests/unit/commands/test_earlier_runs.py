"""Which earlier run tells how long the model takes."""

from __future__ import annotations

import json

import pytest

from fanout.commands.earlier_runs import last_service_time
from fanout.ports import Endpoint
from fanout.rundir.summary import Summary

ENDPOINT = Endpoint("model", "InService", "s3://b/ok", None, "arn:ok", None, False, None, 2, 4)


@pytest.fixture
def runs(tmp_path):
    def add(name, started_at, *, latency=None, **more):
        summary = Summary(
            run_id=name, endpoint="model", output="out.parquet", run_dir="rd", rows=100, by_status={"succeeded": 100},
            by_transport={"inline": 100}, errors={}, examples={}, payload_bytes=0, response_bytes=0, output_bytes=0,
            resends=0, throttles=0, started_at=started_at, seconds=1_000.0, simulated=False,
            latency={"service": {"p50": 300.0, "p90": 300.0}} if latency is None else latency,
        )  # fmt: skip
        directory = tmp_path / name
        directory.mkdir()
        (directory / "run.json").write_text("{}")
        (directory / "summary.json").write_text(json.dumps(summary.as_dict() | more))
        return directory

    return tmp_path, add


def test_the_last_finished_run_on_this_endpoint(runs):
    place, add = runs
    assert last_service_time(place, ENDPOINT, window=10) is None
    assert last_service_time(place / "nowhere", ENDPOINT, window=10) is None
    add("older", "2026-11-01T10:00:00.000Z", latency={"service": {"p50": 900.0, "p90": 900.0}})
    add("last", "2026-11-02T10:00:00.000Z")
    found = last_service_time(place, ENDPOINT, window=10)
    assert (found.seconds, found.source) == (0.3, "run last of 2026-11-02T10:00:00.000Z")


@pytest.mark.parametrize(
    "more",
    [
        {"endpoint": "another"},
        {"simulated": True},
        {"latency": {"total": {"p50": 1.0, "p90": 1.0}}},
        {"version": 99},
        {"errors": 5},
    ],
)
def test_other_runs_tell_nothing(runs, more):
    place, add = runs
    add("last", "2026-11-02T10:00:00.000Z")
    add("later", "2026-11-03T10:00:00.000Z", **more)
    assert "run last " in last_service_time(place, ENDPOINT, window=10).source


def test_a_run_that_is_under_way_tells_nothing(runs):
    place, add = runs
    (add("later", "2026-11-03T10:00:00.000Z") / "summary.json").unlink()
    assert last_service_time(place, ENDPOINT, window=10) is None


def test_a_busy_endpoint_is_known_by_its_throughput(runs):
    """500 rows in 100 s from 8 slots are 1.6 s each, whatever they waited in the endpoint's queue."""
    place, add = runs
    queued = {"service": {"p50": 40_000.0, "p90": 80_000.0}}
    add("last", "2026-11-02T10:00:00.000Z", latency=queued, rows=500, ended_here=500, seconds=100.0)
    assert last_service_time(place, ENDPOINT, window=100).seconds == pytest.approx(1.6)
    assert last_service_time(place, ENDPOINT, window=4).seconds == pytest.approx(0.8)
