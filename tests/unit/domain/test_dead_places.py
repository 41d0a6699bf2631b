"""Which run places may go, cell by cell: what is seen of the run, its age, and what a person says."""

from __future__ import annotations

import pytest

from fanout.domain.dead_places import judge_place

DAY = 86_400.0
WHERE = "s3://bucket/runs/one"
GOES = {("finished", "keep"), ("finished", "give up"), ("unfinished", "give up")} | {
    ("never began", "keep"),
    ("never began", "give up"),
}


@pytest.mark.parametrize("unfinished", ["keep", "give up"])
@pytest.mark.parametrize("age_s", [0.0, DAY - 1.0, DAY, 9 * DAY])
@pytest.mark.parametrize("older_than_s", [0.0, DAY])
@pytest.mark.parametrize("state", ["at work", "finished", "unfinished", "never began", "damaged"])
def test_cell(state, older_than_s, age_s, unfinished):
    verdict = judge_place(
        state, where=WHERE, age_s=age_s, older_than_s=older_than_s, keeps=False, unfinished=unfinished
    )
    assert verdict.gone == ((state, unfinished) in GOES and age_s >= older_than_s)
    assert verdict.age_s == age_s


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ("at work", f"its run is at work in {WHERE}"),
        ("unfinished", f"`fanout resume {WHERE}`, `fanout discard {WHERE}`, or --unfinished here"),
        ("damaged", f"`fanout status {WHERE}` says why"),
        ("finished", "its run has finished"),
        ("never began", "its run ended before it sent anything"),
    ],
)
def test_the_reason_names_the_next_step(state, words):
    verdict = judge_place(state, where=WHERE, age_s=DAY, older_than_s=0.0, keeps=False, unfinished="keep")
    assert words in verdict.reason


@pytest.mark.parametrize(
    ("state", "goes"), [("finished", False), ("never began", True), ("unfinished", True)]
)
def test_files_that_a_finished_run_was_asked_to_keep_stay(state, goes):
    verdict = judge_place(state, where=WHERE, age_s=DAY, older_than_s=0.0, keeps=True, unfinished="give up")
    assert verdict.gone == goes
