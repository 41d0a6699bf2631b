"""How lines look, what cannot forge one, and who hears of rows."""

from __future__ import annotations

import io
import json
import logging
from dataclasses import replace

import anyio
import anyio.to_thread
import pytest
import trio
import trio.testing
from rich.console import Console

from fanout.cli.progress import LiveLine, LogLines, describe
from fanout.domain.records import Outcome
from fanout.engine.snapshot import Snapshot
from fanout.errors import UsageError
from fanout.observability import logging as logs

FORGED = "ok\n2026-11-20T09:00:00.000Z ERROR fanout.run: all is lost\r\x1b[2J\x07\x9b31m\u202egnp.exe\u2028x\x00\ud800"


@pytest.fixture
def configured():
    """`logs.configure` into a buffer; the root logger is as before afterwards."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level

    def configure(**how):
        stream = io.StringIO()
        logs.configure(stream=stream, **how)
        return stream

    yield configure
    root.handlers[:] = handlers
    root.setLevel(level)


def bound(run, call):
    """Call in a context of its own that has the run bound."""

    async def main():
        logs.bind(run)
        call()

    anyio.run(main)


def test_a_line_of_text_says_when_how_bad_who_what_and_of_which_row(configured):
    stream = configured()
    log = logging.getLogger("fanout.somewhere")
    bound("abcdefghij", lambda: log.warning("%d of %s", 3, "them", extra={"row": 7, "request_id": "r-1"}))
    log.warning("no run")
    first, second = stream.getvalue().splitlines()
    when, rest = first.split(" ", 1)
    assert len(when) == len("2026-11-20T09:00:00.000Z")
    assert when.endswith("Z")
    assert rest == "WARNING fanout.somewhere: 3 of them [run=abcdefghij row=7 request_id=r-1]"
    assert second.endswith("WARNING fanout.somewhere: no run")


def test_a_line_of_json_says_the_same(configured):
    stream = configured(form="json")
    log = logging.getLogger("fanout.somewhere")
    extra = {"row": 0, "request_id": "r-1", "exit_code": 4}
    bound("abcdefghij", lambda: log.error("é %s", "x", extra=extra))
    line = json.loads(stream.getvalue())
    assert line.pop("time").endswith("Z")
    assert line == {
        "level": "error", "logger": "fanout.somewhere", "message": "é x", "run": "abcdefghij", "row": 0,
        "request_id": "r-1", "exit_code": 4,
    }  # fmt: skip


@pytest.mark.parametrize("form", logs.FORMATS)
def test_nothing_can_forge_a_line_or_speak_to_the_terminal(configured, form):
    stream = configured(form=form)
    log = logging.getLogger("fanout.somewhere")
    log.error("%s", FORGED, extra={"row": FORGED, "request_id": FORGED})
    log.error(FORGED)
    text = stream.getvalue()
    assert text.count("\n") == 2, "one line a record"
    assert text.endswith("\n")
    control = {char for char in text if ord(char) < 32 or 127 <= ord(char) < 160} - {"\n"}
    assert control == set()
    assert not set(text) & set("\u202e\u2028\ud800")
    assert text.encode()


def test_the_text_of_an_exception_cannot_pass_for_a_line_of_ours(configured):
    stream = configured()
    try:
        raise ValueError(FORGED)
    except ValueError:
        logging.getLogger("fanout.somewhere").exception("it broke")
    first, *rest = stream.getvalue().splitlines()
    assert first.endswith("ERROR fanout.somewhere: it broke")
    assert rest
    assert all(line.startswith("    ") for line in rest)
    assert any("all is lost" in line for line in rest)
    assert "\x1b" not in stream.getvalue()


def test_an_exception_in_json_is_one_field(configured):
    stream = configured(form="json")
    try:
        raise ValueError(FORGED)
    except ValueError:
        logging.getLogger("fanout.somewhere").exception("it broke")
    [line] = stream.getvalue().splitlines()
    assert json.loads(line)["traceback"].splitlines()[0] == "Traceback (most recent call last):"


@pytest.mark.parametrize(
    ("how", "heard"),
    [
        ({}, ["warning", "error"]),
        ({"form": "json"}, ["info", "warning", "error"]),
        ({"level": "debug"}, ["debug", "info", "warning", "error"]),
        ({"level": "error", "form": "json"}, ["error"]),
    ],
)
def test_levels(configured, how, heard):
    stream = configured(**how)
    log = logging.getLogger("fanout.somewhere")
    for level in logs.LEVELS:
        getattr(log, level)("said at %s", level)
    assert [level for level in logs.LEVELS if f"said at {level}" in stream.getvalue()] == heard


@pytest.mark.parametrize("how", [{"form": "xml"}, {"level": "loud"}])
def test_a_wrong_word_names_the_right_ones(how):
    with pytest.raises(UsageError, match=r"known are (text|debug), "):
        logs.configure(**how)


def test_who_reads_json(configured):
    configured(form="text")
    assert not logs.is_json()
    configured(form="json")
    assert logs.is_json()


def test_rows_are_logged_at_debug_only_and_say_no_more_than_how_they_ended(configured):
    configured(level="info")
    assert logs.outcome_folds() == ()
    stream = configured(level="debug")
    [fold] = logs.outcome_folds()
    fold(
        Outcome(
            row=5, id="the-user's-id", passthrough=("passthrough",), status="failed", response=b"the response",
            error_code="E", error_message="the model's text",
        )
    )  # fmt: skip
    assert stream.getvalue().split(" ", 1)[1] == "DEBUG fanout.rows: failed [row=5]\n"


def test_two_runs_in_one_process_name_themselves(configured):
    stream = configured()
    log = logging.getLogger("fanout.somewhere")

    async def one(run):
        logs.bind(run)
        await anyio.lowlevel.checkpoint()
        log.warning("of %s", run)

    async def main():
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(one, "aaaaaaaaaa")
            tasks.start_soon(one, "bbbbbbbbbb")

    anyio.run(main)
    lines = {line.split("of ", 1)[1] for line in stream.getvalue().splitlines()}
    assert lines == {"aaaaaaaaaa [run=aaaaaaaaaa]", "bbbbbbbbbb [run=bbbbbbbbbb]"}


def test_a_thread_names_the_run_of_its_task(configured):
    stream = configured()

    async def main():
        logs.bind("cccccccccc")
        await anyio.to_thread.run_sync(logging.getLogger("fanout.somewhere").warning, "from a thread")

    anyio.run(main)
    assert "[run=cccccccccc]" in stream.getvalue()


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
