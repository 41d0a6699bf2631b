"""Where runs stand, for a person: one line is one fact, and nothing in it is taken for a command."""

from __future__ import annotations

import re

import pytest

from fanout.cli.status_text import describe, table
from fanout.commands.status import RunStatus

EVIL = "\x1b[2J\x9b\u202e\nnext: rm -rf ."
SEEN = {
    "ended": 9, "total": None, "share": 0.5, "succeeded": 7, "in_flight": 1, "accepted": 2, "throttles": 3,
    "resends": 5,
}  # fmt: skip


@pytest.fixture
def run():
    texts = dict.fromkeys(("run_id", "run_dir", "endpoint", "output", "host", "reason", "next"), f"x{EVIL}")
    return RunStatus(state="running", snapshot=SEEN, **texts)


def test_no_text_of_a_run_commands_the_terminal_or_begins_a_line(run):
    lines = describe(run).splitlines()
    assert len(lines) == 6
    assert not any(re.search("[\x00-\x1f\x7f-\x9f\u202e]", line) for line in (*lines, *table([run])))
    assert len(table([run])) == 2
    assert lines[-1] == r"next: x\x1b[2J\x9b\u202e\nnext: rm -rf ."


@pytest.mark.parametrize(
    ("pacer", "told"),
    [
        ({"configured_per_s": 5.0, "phase": None}, "5 sent again; paced at 5/s"),
        ({"configured_per_s": 9.0, "phase": "probing"}, "; paced at 5/s by throttling, probing for more"),
        ({"configured_per_s": None}, "; paced at 5/s by throttling"),  # as an earlier version wrote it
    ],
)
def test_the_pacing_is_told_with_what_it_does_to_find_the_limit(pacer, told):
    seen = SEEN | {"rate_limit_per_s": 5.0, "statistics": {"pacer": pacer}}
    found = RunStatus(run_id="a", run_dir="rd", state="running", snapshot=seen)
    assert describe(found).splitlines()[1].endswith(told)


@pytest.mark.parametrize(
    ("possible", "told"),
    [
        ({}, "3 throttled, 5 sent again"),  # as an earlier version wrote it
        ({"possible_resends": 4}, "3 throttled, 1 sent again, 4 may have been sent twice"),
    ],
)
def test_what_may_have_been_sent_twice_is_not_said_to_have_been(possible, told):
    found = RunStatus(run_id="a", run_dir="rd", state="running", snapshot=SEEN | possible)
    assert describe(found).splitlines()[1].endswith(told)
