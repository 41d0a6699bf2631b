"""The planted bugs still fit the source, and one of them, small enough for every day, is caught."""

from __future__ import annotations

import pytest
from crash.mutation_check import BUGS, Bug, Change, StaleError, copy, is_caught, plant


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.name)
def test_every_bug_can_be_planted(tmp_path, bug):
    copy(tmp_path)
    before = {path: path.read_text() for path in (tmp_path / "fanout").rglob("*.py")}
    plant(bug, tmp_path / "fanout")
    changed = [path for path, text in before.items() if path.read_text() != text]
    assert {str(path.relative_to(tmp_path / "fanout")) for path in changed} == {
        change.file for change in bug.changes
    }
    for path in changed:
        compile(path.read_text(), str(path), "exec")


def test_there_are_nine():
    assert len({bug.name for bug in BUGS}) == 9


def test_text_that_has_gone_is_noticed(tmp_path):
    copy(tmp_path)
    with pytest.raises(StaleError, match=r"record_intent\.py has this text 0 times"):
        plant(
            Bug("stale", "", (Change("engine/stages/record_intent.py", "no such text", ""),)),
            tmp_path / "fanout",
        )


@pytest.mark.campaign
def test_a_planted_bug_is_caught():
    caught, _ = is_caught(next(bug for bug in BUGS if bug.name == "delete before commit"))
    assert caught
