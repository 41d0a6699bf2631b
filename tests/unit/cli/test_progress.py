"""Progress for a person and for a machine: what it says, and how it shares stderr with the log."""

from __future__ import annotations

import io
import json
import logging
from dataclasses import replace
from typing import get_args

import anyio
import anyio.to_thread
import pytest
import trio
import trio.testing
from rich.console import Console

from fanout.cli.progress import PHASES, LiveLine, LogLines, Speed, about, describe
from fanout.engine.pacing import PacerStatistics
from fanout.engine.snapshot import Snapshot
from fanout.engine.statistics import PipelineStatistics
from fanout.engine.throttling import Phase


def speed(per_s):
    """Of a run that goes on steadily for a minute."""
    seen = Speed()
    for second in range(61):
        seen.add(float(second), round(second * per_s))
    return seen


def test_progress_for_a_machine_has_figures(configured):
    stream = configured(form="json")
    ended = iter(range(0, 1_000, 100))

    def look():
        return Snapshot(next(ended), 0, 900, None, 1, 2, 3, 4, 5.0)

    async def main():
        with trio.move_on_after(15):
            await LogLines().watch(look, now=trio.current_time)

    trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))
    [line] = map(json.loads, stream.getvalue().splitlines())
    assert line["progress"]["ended"] == 100
    assert line["progress"]["rate_limit_per_s"] == 5.0
    assert line["message"].startswith("100 of 900 rows (11 %) · 10/s")


def test_a_line_of_the_log_stands_whole_above_the_live_one(configured):
    """The live line is erased, the log's line written in one piece however long, and the live line drawn again."""
    stream = configured()
    terminal = io.StringIO()
    console = Console(file=terminal, force_terminal=True, width=60, color_system=None)
    snapshot = Snapshot(
        ended=5, succeeded=5, total=10, share=None, in_flight=1, accepted=2, throttles=0, resends=0,
        rate_limit_per_s=None,
    )  # fmt: skip
    log = logging.getLogger("fanout.somewhere")
    message = "a [bold]message[/] :smile: " + "that is longer than the terminal " * 3

    async def main():
        seen = anyio.Event()

        def look():
            if terminal.getvalue():  # the first line stands
                seen.set()
            return snapshot

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(lambda: LiveLine(console).watch(look, now=anyio.current_time))
            await seen.wait()
            terminal.truncate(0)
            terminal.seek(0)
            log.warning(message)
            tasks.cancel_scope.cancel()

    anyio.run(main)
    log.warning("afterwards")
    erase, line, redrawn = terminal.getvalue().partition(message)
    assert erase.startswith("\r\x1b[2K"), "what stood there is gone first"
    assert erase.endswith("WARNING fanout.somewhere: ")
    assert line
    assert redrawn.startswith("\n5 of 10 rows (50 %)")
    live = redrawn[1:].partition("\n")[0].partition("\x1b")[0].rstrip("\r")
    assert live.endswith("…")
    assert len(live) == 56, "room for an echoed ^C^C, which would wrap and leave the line behind"
    assert [each.split(" ", 1)[1] for each in stream.getvalue().splitlines()] == [
        "WARNING fanout.somewhere: afterwards"
    ], "nothing went past the live line, and all goes to the stream again after it"


def test_a_narrow_terminal_cuts_off_what_matters_least():
    snapshot = Snapshot(
        ended=50, succeeded=49, total=100, share=None, in_flight=1, accepted=2, throttles=0, resends=0,
        rate_limit_per_s=100, note="waiting for the endpoint",
    )  # fmt: skip
    assert describe(snapshot, speed(10.0)) == (
        "50 of 100 rows (50 %) · 10/s · a few seconds left · waiting for the endpoint · 1 in flight, "
        "2 in the endpoint's queue · paced at 100/s · 1 failed"
    )


def test_the_time_left_counts_what_was_read_ahead():
    snapshot = Snapshot(
        ended=50, succeeded=50, total=None, share=0.5, in_flight=0, accepted=0, throttles=0, resends=0,
        rate_limit_per_s=None, read=1_500,
    )  # fmt: skip
    assert describe(snapshot, speed(10.0)) == "50 rows (50 % of the input read) · 10/s · about 5 min left"
    assert describe(replace(snapshot, read=None), speed(10.0)) == "50 rows (50 % of the input read) · 10/s"


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0, "a few seconds"), (9.9, "a few seconds"), (10, "about 10 s"), (43, "about 45 s"), (54.9, "about 55 s"),
        (55, "about 1 min"), (89, "about 1 min"), (91, "about 2 min"), (59.4 * 60, "about 59 min"),
        (60 * 60, "about 1 h"), (131 * 60, "about 2 h 10 min"), (719 * 60, "about 12 h"), (86_400, "about 24 h"),
    ],
)  # fmt: skip
def test_a_time_left_is_as_exact_as_an_estimate(seconds, said):
    assert about(seconds) == said


def progress(**more):
    return Snapshot(
        **{
            "ended": 100, "succeeded": 100, "total": 1_100, "share": None, "in_flight": 0, "accepted": 0,
            "throttles": 0, "resends": 0, "rate_limit_per_s": None,
        }
        | more
    )  # fmt: skip


def test_the_time_left_follows_a_minute_and_not_the_last_batch():
    """Results that come in batches of 100 every 20 s: of the last 5 s, the rate is 0 or 20 a second."""
    seen = Speed()
    for second in range(60):
        seen.add(float(second), 100 * (second // 20))
    assert "· 0/s · about 4 min left" in describe(progress(ended=200), seen)


def test_a_time_left_is_not_said_before_there_is_evidence():
    seen = Speed()
    for second in (0.0, 1.0, 4.9):
        seen.add(second, round(100 * second))
        assert "left" not in describe(progress(), seen)
    seen.add(5.0, 500)
    assert describe(progress(), seen) == "100 of 1,100 rows (9 %) · 100/s · about 10 s left"


def test_where_no_row_ends_no_time_is_said():
    seen = Speed()
    for second in range(70):
        seen.add(float(second), 100)
    assert describe(progress(), seen) == "100 of 1,100 rows (9 %) · 0/s"


def test_the_configured_rate_bounds_the_time_left():
    """A resume collects at once what the endpoint has: the rest goes at 2 a second all the same."""
    statistics = PipelineStatistics(None, PacerStatistics(2.0, 2.0, 0, 0), None, None, None, None, 0, 0)
    snapshot = progress(statistics=statistics, rate_limit_per_s=2.0, accepted=400)
    assert "about 5 min left" in describe(snapshot, speed(1_000.0))


@pytest.mark.parametrize(
    ("phase", "said"),
    [
        (None, "paced at 5/s by throttling"),
        ("regaining", "paced at 5/s by throttling, rising again"),
        ("probing", "paced at 5/s by throttling, probing for more"),
        ("testing", "paced at 5/s by throttling, testing whether refusals follow the rate"),
    ],
)
def test_what_pacing_does_to_find_the_limit_is_said(phase, said):
    statistics = PipelineStatistics(
        None, PacerStatistics(None, 5.0, 3, 1, phase=phase), None, None, None, None, 0, 0
    )
    snapshot = progress(statistics=statistics, rate_limit_per_s=5.0)
    assert describe(snapshot, speed(1.0)).split(" · ")[-1] == said
    assert set(PHASES) == set(get_args(Phase))
