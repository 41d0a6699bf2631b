"""The engine beside an endpoint that is slow, cold, or gone: what is sent twice, and what is asked."""

from __future__ import annotations

from collections import Counter

import pytest
from support.engine import random_payloads, records, run_engine

from fanout.errors import RunError
from fanout.simulator.settings import SimulatorSettings

LOST = {"reset_after_accept_share": 0.05, "server_error_after_accept_share": 0.05}
NOT_RECEIVED = {"reset_before_share": 0.05, "server_error_share": 0.05}


def ran(tmp_path, *, unknown_s, **simulator):
    slow = {
        "instances": 4,
        "concurrency_per_instance": 16,
        "service_time": {"median_s": 20.0, "sigma": 0.2},
        "latency": {"runtime": {"median_s": 0.03, "sigma": 0.5}},
    }
    settings = SimulatorSettings.model_validate({"seed": 1} | slow | simulator)
    patience = {"unknown_s": unknown_s}
    done = run_engine(records(random_payloads(400)), tmp_path, simulator=settings, seed=1, patience=patience)
    assert Counter(done.table["status"].to_pylist()) == {"succeeded": 400}
    resends = done.statistics.open_rows.resends
    assert len(done.accepted) - 400 <= resends, "every row that was accepted again is counted"
    sends = Counter(line["row"] for line in done.accepted)
    return sum(count > 1 for count in sends.values()), done.table["resends"].to_pylist(), done.seconds


@pytest.mark.parametrize(
    "world",
    [{}, {"instances": 0, "cold_instances": 4, "cold_start_s": 300.0}, {"notifications": {"enabled": False}}],
    ids=["warm", "cold", "no topics"],
)
def test_a_slow_model_is_not_sent_what_it_has(tmp_path, world):
    """With the ten seconds that a row used to wait, 38 of the 41 rows whose reply was lost were served twice."""
    doubled, resends, _ = ran(tmp_path, unknown_s=None, faults=LOST, **world)
    assert (doubled, sum(resends)) == (0, 0)


def test_a_fixed_wait_that_is_too_short_has_rows_served_twice(tmp_path):
    doubled, resends, _ = ran(tmp_path, unknown_s=10.0, faults=LOST)
    assert sum(resends) >= doubled >= 30


def test_rows_that_were_not_received_are_sent_again_not_long_after_the_others_have_ended(tmp_path):
    """One row in ten is lost, and one of these again: each loss adds a few times what the model takes for one row."""
    doubled, resends, seconds = ran(tmp_path, unknown_s=None, faults=NOT_RECEIVED)
    assert doubled == 0
    assert sum(resends) >= 40
    assert seconds <= 146.0 + 100.0 * max(resends)  # 146 s without a fault


def watched(tmp_path, status):
    """Return the error of a run whose endpoint changes when it has all rows, and how often it was asked after."""
    asked = []

    def before(world):
        describe = world.describe

        def counted(name):
            asked.append(name)
            return describe(name)

        world.describe = counted

    settings = SimulatorSettings.model_validate(
        {
            "instances": 1,
            "concurrency_per_instance": 4,
            "service_time": {"median_s": 2.0},
            "latency": {"runtime": {"median_s": 0.03}},
            "changes": [{"after_requests": 40, "status": status}],
        }
    )
    with pytest.raises(RunError) as caught:
        run_engine(records(random_payloads(40)), tmp_path, simulator=settings, before=before)
    return str(caught.value), len(asked) - 1  # one at the start


def test_an_endpoint_that_is_deleted_after_it_accepted_ends_the_run_in_order(tmp_path):
    text, asked = watched(tmp_path, "Deleted")
    assert text.startswith("endpoint 'simulated' is gone (Could not find endpoint")
    assert asked == 1
