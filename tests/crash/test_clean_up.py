"""What killed runs leave in the account is cleared away, and nothing else is (`clean_up.py`, small)."""

from __future__ import annotations

import pytest
from crash.clean_up import clean_up, discarded

pytestmark = pytest.mark.campaign


def test_after_kills_nothing_of_ours_is_left_and_nothing_of_others_or_of_a_living_run_is_gone(aws, tmp_path):
    found = clean_up(aws, tmp_path, kills=6, rows=40, seed=7)
    assert found.sound, found
    assert (found.kills, found.left_behind > 12) == (6, True)


def test_a_killed_run_that_is_given_up_leaves_nothing(aws, tmp_path):
    assert discarded(aws, tmp_path, rows=200, seed=8).count == 0
