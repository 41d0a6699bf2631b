"""How lines look, what cannot forge one, and who hears of rows."""

from __future__ import annotations

import json
import logging

import anyio
import anyio.to_thread
import pytest

from fanout.domain.records import Outcome
from fanout.errors import UsageError
from fanout.observability import logging as logs

FORGED = "ok\n2026-11-20T09:00:00.000Z ERROR fanout.run: all is lost\r\x1b[2J\x07\x9b31m\u202egnp.exe\u2028x\x00\ud800"


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


def test_lines_outside_of_a_run_s_tasks_name_the_run_of_the_process(configured):
    stream = configured(form="json")
    log = logging.getLogger("fanout.somewhere")
    log.warning("before")
    logs.bind_process("abcdefghij")
    log.warning("after its tasks")
    bound("klmnopqrst", lambda: log.warning("in a task of another"))
    runs = [json.loads(line).get("run") for line in stream.getvalue().splitlines()]
    assert runs == [None, "abcdefghij", "klmnopqrst"]
