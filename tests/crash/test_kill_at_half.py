"""The large run that is killed at half, small: what it measures is there, and what it judges can fail."""

from __future__ import annotations

import dataclasses

import pytest
from crash.kill_at_half import SOON_ELSEWHERE_S, SOON_S, Halved, halve
from support.cli import local_aws
from support.processes import make_input

GOOD = Halved(rows=100, at_kill=50, accepted=103, resends=3, first_s=1.0, first_sent_s=1.5, whole_s=4.0)


@pytest.mark.parametrize(
    ("changes", "sound"),
    [
        ({}, True),
        ({"accepted": 104}, False),
        ({"first_s": SOON_S}, False),
        ({"first_s": SOON_S, "soon_s": SOON_ELSEWHERE_S}, True),
    ],
)
def test_an_uncounted_acceptance_and_a_late_start_are_told(changes, sound):
    assert dataclasses.replace(GOOD, **changes).sound is sound


@pytest.mark.campaign
@pytest.mark.parametrize("kept", [False, True])
def test_a_run_is_killed_at_half_and_resumed(tmp_path, kept):
    rows = 3_000
    given = make_input(tmp_path / "in.jsonl", rows, seed=1, large_share=0.0)
    with local_aws("instances=1", "concurrency_per_instance=100000") as aws:
        found = halve(aws, given, tmp_path, kept=kept)
    # What was in flight may have been accepted, too: 64 requests at a time.
    assert found.rows == rows
    assert rows / 2 <= found.at_kill <= rows / 2 + 64
    assert rows <= found.accepted <= rows + found.resends
    assert 0 < found.first_s <= found.first_sent_s <= found.whole_s
    assert f"| re-sends, counted | {found.resends:,} |" in found.table()
