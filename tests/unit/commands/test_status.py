"""Where a finished run stands, and what a person can do about its rows."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fanout.cli.status_text import describe
from fanout.commands.status import finished
from fanout.rundir.summary import MEND, nothing_new


@pytest.mark.parametrize(
    ("ends", "told", "step"),
    [
        ({"succeeded": 5}, "finished, 5 rows", None),
        ({"succeeded": 4, "rejected": 1}, "finished, 5 rows (1 rejected, 4 succeeded)", MEND),
        ({"invalid": 5}, "finished, 5 rows (5 invalid)", "fanout retry runs/one -o FILE"),
        (
            {"succeeded": 2, "invalid": 2, "rejected": 1},
            "finished, 5 rows (2 invalid, 1 rejected, 2 succeeded)",
            "fanout retry runs/one -o FILE",
        ),
    ],
)
def test_a_finished_run_tells_how_its_rows_ended_and_a_step_that_helps(ends, told, step):
    """A retry was the next step of rows that no retry can send: it reads the same input."""
    summary = nothing_new(
        run_id="fnaaaaaaaa",
        endpoint="e",
        output="o",
        run_dir="runs/one",
        started_at=0.0,
        simulated=False,
        why="",
    )
    changed = replace(summary, rows=5, by_status=ends)
    found = finished(changed, where="runs/one", known={"run_id": "fnaaaaaaaa", "run_dir": "runs/one"})
    assert (found.by_status, found.next) == (ends, step)
    assert describe(found).startswith(f"fnaaaaaaaa: {told}\n")
