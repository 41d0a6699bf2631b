"""Seeds of the whole simulated engine: some that were drawn, and every one that ever found something."""

from __future__ import annotations

import gc

import pytest
from support.scenario import draw
from support.seed_run import live

ROWS = 150


@pytest.fixture(autouse=True)
def _no_collector():
    """A seed makes cycles by the thousand and ends soon."""
    gc.disable()
    yield
    gc.enable()


FEW = 8
"""That every run of the tests meets; the others are a campaign."""


@pytest.mark.parametrize(
    "seed", [*range(FEW), *(pytest.param(seed, marks=pytest.mark.campaign) for seed in range(FEW, 40))]
)
def test_every_invariant_holds(tmp_path, seed):
    scenario = draw(seed, rows=ROWS)
    report = live(scenario, tmp_path)
    assert report.statuses.total() == ROWS
    assert report.accepted >= report.statuses["succeeded"]


def test_one_seed_is_one_run(tmp_path):
    reports = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        reports.append(live(draw(14, rows=ROWS), tmp_path / name))
    assert reports[0] == reports[1]


def test_the_seeds_meet_what_they_are_for(tmp_path):
    """A scenario without crashes and faults proves little: the first forty interrupt and injure enough."""
    scenarios = [draw(seed, rows=ROWS) for seed in range(40)]
    kinds = {each.kind for scenario in scenarios for each in scenario.interruptions}
    assert kinds == {"instant", "step", "disk", "stop", "abort", "outage"}
    hurt = {name for scenario in scenarios for name, share in scenario.simulator.faults if share}
    assert len(hurt) >= 20
    assert sum(scenario.rate is not None for scenario in scenarios) >= 8
