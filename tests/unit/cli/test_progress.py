"""Progress for a person and for a machine: what it says, and how it shares stderr with the log."""

from __future__ import annotations

import io
import json
import logging
from dataclasses import replace

import anyio
import anyio.to_thread
import trio
import trio.testing
from rich.console import Console

from fanout.cli.progress import LiveLine, LogLines, describe
from fanout.engine.snapshot import Snapshot


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
    assert describe(snapshot, 10.0) == (
        "50 of 100 rows (50 %) · 10/s · 0:05 left · waiting for the endpoint · 1 in flight, "
        "2 in the endpoint's queue · paced at 100/s · 1 failed"
    )


def test_the_time_left_counts_what_was_read_ahead():
    snapshot = Snapshot(
        ended=50, succeeded=50, total=None, share=0.5, in_flight=0, accepted=0, throttles=0, resends=0,
        rate_limit_per_s=None, read=1_500,
    )  # fmt: skip
    assert describe(snapshot, 10.0) == "50 rows (50 % of the input read) · 10/s · 4:55 left"
    assert describe(replace(snapshot, read=None), 10.0) == "50 rows (50 % of the input read) · 10/s"
