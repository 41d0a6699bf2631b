"""Forged ends and failures without a trace, on the whole engine; `hostile.py` runs the same, larger, by hand."""

from __future__ import annotations

import dataclasses

import pytest
from support.hostile import ADDED_MAX_S, forged, genuine, play

FORGED = list(forged())
GENUINE = list(genuine(share=0.05))


@pytest.mark.parametrize("case", FORGED, ids=lambda case: case.name)
def test_a_forged_end_ends_no_row_and_has_none_sent_again_uncounted(tmp_path, case):
    got = play(case, tmp_path, rows=60)
    assert got.forged >= 60
    assert (got.wrong, got.uncounted, got.statuses) == (0, 0, {"succeeded": 60})


@pytest.mark.parametrize("case", GENUINE, ids=lambda case: case.name)
def test_a_failure_without_a_trace_costs_no_more_than_the_timeout_and_a_minute(tmp_path, case):
    seconds = []
    for name, changes in (("calm", {"failure_share": 0.0}), ("failing", {})):
        (tmp_path / name).mkdir()
        got = play(dataclasses.replace(case, world=case.world | changes), tmp_path / name, rows=100)
        seconds.append(got.seconds)
    calm_s, failing_s = seconds
    assert got.statuses["failed"] + got.statuses["unsettled"] + got.resends > 0
    assert got.uncounted == 0
    assert failing_s - calm_s <= ADDED_MAX_S
