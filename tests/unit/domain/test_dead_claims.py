"""Which claims may go: none of a run that lives, or that can be seen to be unfinished."""

from __future__ import annotations

import pytest

from fanout.domain.dead_claims import judge_claim

DAY = 86_400.0


@pytest.mark.parametrize(
    ("run", "silent_s", "older_than_s", "goes", "words"),
    [
        ("at work", 9 * DAY, 0.0, False, "at work in /runs/a"),
        ("unfinished", 9 * DAY, 0.0, False, "`fanout resume /runs/a`, or `fanout discard /runs/a`"),
        ("over", 0.0, 0.0, True, "is over"),
        ("over", DAY - 1.0, DAY, False, "more recently than --older-than"),
        ("over", DAY, DAY, True, "is over"),
        ("out of sight", 899.0, 0.0, False, "silent for less than 15 min"),
        ("out of sight", 900.0, 0.0, True, "silent for more than 15 min"),
        ("out of sight", 900.0, DAY, False, "more recently than --older-than"),
    ],
)
def test_a_claim_goes_by_its_run_and_its_age(run, silent_s, older_than_s, goes, words):
    verdict = judge_claim(run, where="/runs/a", silent_s=silent_s, older_than_s=older_than_s)
    assert (verdict.gone, verdict.age_s) == (goes, silent_s)
    assert words in verdict.reason
