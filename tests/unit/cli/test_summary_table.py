"""What a person reads of a finished run."""

from __future__ import annotations

import io
import re
from dataclasses import replace

import pytest
from rich.console import Console

from fanout.cli.summary_table import headline, print_summary
from fanout.rundir.summary import Summary


@pytest.fixture
def summary():
    return Summary(
        run_id="fnaaaaaaaa", endpoint="e", output="out.parquet", run_dir="rd", rows=2_000,
        by_status={"succeeded": 2_000}, by_transport={"inline": 2_000}, errors={}, examples={},
        payload_bytes=1, response_bytes=1, output_bytes=1,
        resends=0, throttles=0, started_at="2026-11-20T09:00:00.000Z", seconds=10.0, latency={}, simulated=False,
        ended_here=2_000, rows_seconds=8.0,
    )  # fmt: skip


def test_a_headline_says_how_many_rows_ended_in_how_many_seconds(summary):
    assert headline(summary) == (
        "2,000 succeeded · 2,000 inline · 8.0 s from the first row to the last · 250.0 rows/s · 10.0 s in all"
    )
    assert headline(replace(summary, rows_seconds=None)) == (
        "2,000 succeeded · 2,000 inline · 10.0 s · 200 rows/s"
    ), "a summary of an earlier version"


def test_after_a_resume_rows_and_seconds_are_of_the_same_process(summary):
    assert headline(replace(summary, ended_here=500)) == (
        "2,000 succeeded · 2,000 inline · 500 since the resume, in 10.0 s (50 rows/s)"
    )


def printed(summary):
    buffer = io.StringIO()
    print_summary(summary, Console(file=buffer, width=100))
    return buffer.getvalue().splitlines()


def test_a_retry_of_nothing_is_one_line(summary):
    assert printed(replace(summary, nothing_to_retry=True)) == [
        "nothing to retry: every row of out.parquet succeeded. Nothing was sent."
    ]


def test_a_run_that_had_finished_before_says_so_first(summary):
    assert printed(summary)[0] == headline(summary)
    assert printed(replace(summary, finished_before=True))[:2] == [
        "out.parquet was finished before, by run fnaaaaaaaa. Nothing was sent now.",
        headline(summary),
    ]


def test_a_percentile_that_too_few_rows_have_is_a_dash_as_in_reports(summary):
    values = dict.fromkeys(("p50", "p90", "p99", "max"), 1.0)
    [line] = [each for each in printed(replace(summary, latency={"total": values})) if "total" in each]
    assert line.split() == ["total", "1.0", "1.0", "1.0", "\u2013", "1.0"]


def test_what_was_sent_again_and_what_may_have_been_are_two_things(summary):
    """After a kill, 349 rows were said to be sent again; nothing tells whether one was."""
    assert headline(replace(summary, resends=9, possible_resends=7)).endswith(
        "2 sent again · 7 may have been sent twice"
    )
    assert headline(replace(summary, resends=7, possible_resends=7)).endswith("· 7 may have been sent twice")


def test_nothing_that_a_model_or_a_path_says_commands_the_terminal(summary):
    evil = "\x1b]0;mine\x07\x9b2J\u202e[bold]x[/bold]\n  second line"
    told = replace(
        summary,
        output=f"out{evil}.parquet",
        by_status={"succeeded": 1, "failed": 1},
        errors={f"E{evil}": 1},
        examples={f"E{evil}": evil},
        latency={"total": dict.fromkeys(("p50", "p90", "p99", "max"), 1.0)},
    )
    buffer = io.StringIO()
    print_summary(told, Console(file=buffer, width=200))
    text = buffer.getvalue()
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", text)
    assert text.count(r"\x1b]0;mine\x07\x9b2J\u202e[bold]x[/bold]") == 4, (
        "the path stands in the next step, too"
    )
    assert text.count("\n  second line") == 0
