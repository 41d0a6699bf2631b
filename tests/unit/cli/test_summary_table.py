"""What a person reads of a finished run."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fanout.cli.summary_table import headline
from fanout.rundir.summary import Summary


@pytest.fixture
def summary():
    return Summary(
        run_id="fnaaaaaaaa", endpoint="e", output="out.parquet", run_dir="rd", rows=2_000,
        by_status={"succeeded": 2_000}, by_transport={"inline": 2_000}, errors={}, examples={},
        payload_bytes=1, response_bytes=1, output_bytes=1,
        resends=0, throttles=0, started_at="2026-11-20T09:00:00.000Z", seconds=10.0, latency={}, simulated=False,
        ended_here=2_000,
    )  # fmt: skip


def test_a_headline_says_how_many_rows_ended_in_how_many_seconds(summary):
    assert headline(summary) == "2,000 succeeded · 2,000 inline · 10.0 s · 200 rows/s"


def test_after_a_resume_rows_and_seconds_are_of_the_same_process(summary):
    assert headline(replace(summary, ended_here=500)) == (
        "2,000 succeeded · 2,000 inline · 500 since the resume, in 10.0 s · 50 rows/s"
    )


def test_what_was_sent_again_and_what_may_have_been_are_two_things(summary):
    """After a kill, 349 rows were said to be sent again; nothing tells whether one was."""
    assert headline(replace(summary, resends=9, possible_resends=7)).endswith(
        "2 sent again · 7 may have been sent twice"
    )
    assert headline(replace(summary, resends=7, possible_resends=7)).endswith("· 7 may have been sent twice")
