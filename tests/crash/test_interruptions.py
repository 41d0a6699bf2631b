"""Signals, deadlines and second processes: the run stops in order, says how to go on, and goes on."""

from __future__ import annotations

import json
import os
import pty
import select
import signal
import sys
import time

import pyarrow.parquet as pq
import pytest
from support.cli import environment
from support.leftovers import leftovers
from support.processes import IMPATIENT, RESUME, Running, fanout, finished, make_input, run_command, sent

from fanout.domain.row_state import RowState

ROWS = 200
HELD = 100
INSTANCES = 4
ON = (*RESUME, "--rate", "2000")
"""Resume what was stopped, and do not dawdle: that a rate holds is tested elsewhere."""


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    return make_input(tmp_path_factory.mktemp("input") / "in.jsonl", ROWS, seed=6, large_share=0.02)


def begin(given, aws, directory, *more, least=20):
    """Start a run that sends `HELD` rows and then waits for results; return it once the endpoint has taken `least`."""
    command = run_command(given, aws, "--rate", "500", *more)
    running = Running(*command, aws=aws, directory=directory, FANOUT_PACING_WINDOW=str(HELD))
    manifest = directory / "rd" / "run.json"
    running.until(lambda: manifest.exists() and len(sent(aws, directory)) >= least)
    return running


@pytest.mark.parametrize(
    "number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=lambda number: number.name
)
def test_the_first_signal_drains_what_the_endpoint_has(many, held_aws, tmp_path, number):
    aws = held_aws
    running = begin(many, aws, tmp_path)
    running.signal(number)
    running.until(lambda: "again to stop at once" in running.stderr())
    aws.scale(INSTANCES)
    exited = running.wait()
    assert exited.code == 75, exited.stderr
    assert number.name in exited.stderr
    assert "fanout resume" in exited.stderr
    assert not (tmp_path / "out.parquet").exists()
    left = leftovers(tmp_path / "rd")
    taken = len(sent(aws, tmp_path))
    assert 20 <= taken <= HELD
    assert left.durable == taken, "every row that was accepted is durable"
    assert set(left.states) <= {RowState.DURABLE, RowState.READY}, "no row is in doubt after a drain"
    exported = fanout("export", "rd", "-o", "partial.parquet", aws=aws, directory=tmp_path)
    assert exported.code == 0, exported.stderr
    partial = pq.read_table(tmp_path / "partial.parquet")
    assert partial["row"].to_pylist() == sorted(left.reported["row"].to_pylist())
    assert leftovers(tmp_path / "rd").states == left.states, "the run is left as it was"
    table = finished(many, aws, tmp_path, fanout(*ON, aws=aws, directory=tmp_path))
    assert sum(table["resends"].to_pylist()) == 0
    told = [sum(table[name].to_pylist()) for name in ("attempts", "possible_attempts")]
    assert told == [len(sent(aws, tmp_path)), 0] == [ROWS, 0], "what was only intended is no request"


def test_a_resume_whose_output_is_taken_sends_nothing(many, held_aws, tmp_path):
    aws = held_aws
    running = begin(many, aws, tmp_path, "--grace", "0.1")
    running.signal(signal.SIGINT)
    assert running.wait().code == 75
    taken = len(sent(aws, tmp_path))
    (tmp_path / "out.parquet").write_bytes(b"of another program")
    refused = fanout(*ON, aws=aws, directory=tmp_path)
    assert refused.code == 2
    assert "out.parquet exists: move it away, or replace it with --overwrite" in refused.stderr
    assert len(sent(aws, tmp_path)) == taken
    aws.scale(INSTANCES)
    finished(many, aws, tmp_path, fanout(*ON, "--overwrite", aws=aws, directory=tmp_path))


def test_the_grace_is_kept(many, held_aws, tmp_path):
    running = begin(many, held_aws, tmp_path, "--grace", "0.5")
    running.signal(signal.SIGTERM)
    exited = running.wait()
    assert exited.code == 75, exited.stderr
    left = leftovers(tmp_path / "rd")
    assert left.states.get(RowState.ACCEPTED, 0) >= 20, "what the endpoint has is not waited for longer"
    held_aws.scale(INSTANCES)
    table = finished(many, held_aws, tmp_path, fanout(*ON, aws=held_aws, directory=tmp_path))
    assert sum(table["resends"].to_pylist()) == 0
    assert len(sent(held_aws, tmp_path)) == ROWS


def test_the_second_signal_stops_at_once(many, held_aws, tmp_path):
    running = begin(many, held_aws, tmp_path)
    running.signal(signal.SIGINT)
    running.until(lambda: "again to stop at once" in running.stderr())
    running.signal(signal.SIGINT)
    exited = running.wait()
    assert exited.code == 75, exited.stderr
    assert "stopped at once" in exited.stderr
    assert leftovers(tmp_path / "rd").states.get(RowState.ACCEPTED, 0) > 0, "nothing was waited for"
    held_aws.scale(INSTANCES)
    finished(many, held_aws, tmp_path, fanout(*ON, aws=held_aws, directory=tmp_path))


def test_a_closed_terminal_ends_a_run_in_order_and_it_goes_on(many, held_aws, tmp_path):
    aws, manifest = held_aws, tmp_path / "rd" / "run.json"
    variables = environment(**(aws.env | IMPATIENT | {"FANOUT_PACING_WINDOW": str(HELD)}))
    command = [str(each) for each in run_command(many, aws, "--rate", "500") if each != "-q"]
    prefix = ("--input-prefix", f"s3://{aws.bucket}/inputs")
    child, terminal = pty.fork()
    if not child:
        os.chdir(tmp_path)
        os.execve(sys.executable, [sys.executable, "-m", "fanout", *command, *prefix], variables)
    until(lambda: shown(terminal) and manifest.exists() and len(sent(aws, tmp_path)) >= 20)
    os.close(terminal)  # the kernel sends SIGHUP, and every later write to the terminal fails
    aws.scale(INSTANCES)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 75
    left = leftovers(tmp_path / "rd")
    assert left.durable == len(sent(aws, tmp_path)) >= 20
    table = finished(many, aws, tmp_path, fanout(*ON, aws=aws, directory=tmp_path))
    assert sum(table["resends"].to_pylist()) == 0


def until(happened):
    ends = time.monotonic() + 30
    while not happened():
        assert time.monotonic() < ends


def shown(terminal):
    """Return whether a terminal is there, having read what was written to it, which nothing else reads."""
    while select.select([terminal], [], [], 0.005)[0]:
        os.read(terminal, 4096)
    return True


def test_a_run_has_one_process(many, held_aws, tmp_path):
    aws = held_aws
    running = begin(many, aws, tmp_path)
    running.signal(signal.SIGSTOP)  # its journal stays open for as long as the others take
    try:
        for command in (RESUME, ("export", "rd", "-o", "partial.parquet"), (*RESUME, "--rebuild")):
            second = fanout(*command, aws=aws, directory=tmp_path)
            assert second.code == 5, second.stderr
            assert "in use by another process" in second.stderr
        again = fanout(*run_command(many, aws), aws=aws, directory=tmp_path)
        assert again.code == 5
        assert "out.parquet is in use by another process, run " in again.stderr
        elsewhere = run_command(many, aws, output="elsewhere.parquet")
        again = fanout(*elsewhere, aws=aws, directory=tmp_path)
        assert again.code == 2
        assert "holds a run already" in again.stderr
    finally:
        running.signal(signal.SIGCONT)
    aws.scale(INSTANCES)
    finished(many, aws, tmp_path, running.wait())


def test_the_deadline_stops_in_order(many, aws, tmp_path):
    for deadline_s in (
        2,
        8,
        32,
    ):  # it counts from the start, and a busy machine may need two seconds to begin
        directory = tmp_path / str(deadline_s)
        directory.mkdir()
        pace = ("--rate", ROWS / deadline_s / 2, "--deadline", deadline_s)  # half of the rows at most
        exited = fanout(*run_command(many, aws, *pace), aws=aws, directory=directory)
        assert exited.code == 7, exited.stderr
        begun = (directory / "rd" / "run.json").exists()
        if taken := len(sent(aws, directory)) if begun else 0:
            break
    assert 0 < taken < ROWS
    assert "deadline" in exited.stderr
    assert "fanout resume" in exited.stderr
    resumed = fanout(*ON, "--deadline", "60", aws=aws, directory=directory)
    finished(many, aws, directory, resumed)
    assert len(sent(aws, directory)) == ROWS


@pytest.mark.parametrize("code", [0, 3])
def test_resuming_a_finished_run_does_nothing(aws, tmp_path, code):
    given = make_input(tmp_path / "in.jsonl", 5, seed=1)
    if code == 3:
        with given.path.open("ab") as file:
            file.write(b"not json\n")
        given.payloads.append(None)
    first = fanout(*run_command(given, aws), aws=aws, directory=tmp_path)
    finished(given, aws, tmp_path, first, exit_code=code)
    requests, output = aws.stats()["requests"], (tmp_path / "out.parquet").read_bytes()
    again = fanout(*RESUME, aws=aws, directory=tmp_path)
    assert again.code == code, again.stderr
    assert json.loads(again.stdout) == json.loads(first.stdout)
    assert aws.stats()["requests"] == requests
    assert (tmp_path / "out.parquet").read_bytes() == output
