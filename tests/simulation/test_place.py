"""Runs whose state is kept in S3, on a clock that jumps: hosts that are lost, owners that are stopped and come back."""

from __future__ import annotations

import gc

import pytest
from support.place_run import draw_sleeps, live_kept
from support.scenario import draw

ROWS = 150


@pytest.fixture(autouse=True)
def _no_collector():
    """A seed makes cycles by the thousand and ends soon."""
    gc.disable()
    yield
    gc.enable()


@pytest.mark.parametrize("seed", range(4))
def test_every_invariant_holds_when_hosts_are_lost(tmp_path, seed):
    report, _ = live_kept(draw(seed, rows=ROWS), tmp_path)
    assert report.statuses.total() == ROWS


@pytest.mark.parametrize("seed", [1, 2, 31, 39, 64, 161])
def test_an_owner_that_was_stopped_sends_nothing_after_its_release(tmp_path, seed):
    """Most of these seeds found something: a poisoned journal, a part that seemed twice durable, a pace that broke."""
    report, sends = live_kept(draw(seed, rows=ROWS), tmp_path, sleeps=draw_sleeps(seed))
    assert report.statuses.total() == ROWS
    assert sends.late == 0
    assert report.endings["fenced"] >= 1
