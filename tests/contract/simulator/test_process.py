"""The simulator as a process: what it says, how it ends, and what it says when it cannot begin."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import urllib.request

import anyio
import pytest

from fanout.errors import RunError
from fanout.simulator import process
from fanout.simulator.__main__ import _merge, main, parse_assignment
from fanout.simulator.process import SimulatorAddress, start
from fanout.simulator.settings import SimulatorSettings

COMMAND = [sys.executable, "-m", "fanout.simulator"]


def is_alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_a_child_serves_while_the_block_runs(backend):
    async def scenario():
        settings = SimulatorSettings(endpoint_name="other", buckets=("out", "in"), region="eu-west-1")
        async with start(settings) as ready:
            stats = await anyio.to_thread.run_sync(get_stats, ready)
            return ready, stats

    ready, stats = anyio.run(scenario, backend=backend)
    assert stats["accepted"] == 0
    assert (ready.endpoint, ready.region, ready.output_bucket, ready.input_bucket) == (
        "other",
        "eu-west-1",
        "out",
        "in",
    )
    assert ready.success_topic == "arn:aws:sns:eu-west-1:123456789012:other-async-success"
    assert not is_alive(ready.pid)


def get_stats(ready: SimulatorAddress):
    with urllib.request.urlopen(f"{ready.url}/_simulator/stats") as reply:
        return json.loads(reply.read())


def test_secrets_stay_out_of_the_repr():
    ready = SimulatorAddress("u", "r", "key", "hidden1", "hidden2", "e", "a", "i", "o", None, None, 1)
    assert "hidden" not in repr(ready)


def test_a_child_is_gone_when_the_block_fails():
    pids = []

    async def scenario():
        async with start(SimulatorSettings()) as ready:
            pids.append(ready.pid)
            raise KeyError("planted")

    with pytest.raises(KeyError):
        anyio.run(scenario)
    assert not is_alive(pids[0])


def test_a_child_that_has_died_is_no_error_at_the_end():
    async def scenario():
        async with start(SimulatorSettings()) as ready:
            os.kill(ready.pid, signal.SIGKILL)

    anyio.run(scenario)


def test_a_child_that_does_not_start_is_a_run_error_with_its_stderr(monkeypatch):
    monkeypatch.setattr(process.sys, "executable", "/bin/sh")  # which knows no module of that name

    async def scenario():
        async with start(SimulatorSettings()):
            pass

    with pytest.raises(RunError, match=r"did not start \(exit code \d+\); its stderr says: .*fanout"):
        anyio.run(scenario)


def test_a_child_that_says_nothing_is_ended_and_a_run_error(monkeypatch, tmp_path):
    mute = tmp_path / "mute"
    mute.write_text("#!/bin/sh\nexec sleep 60\n")
    mute.chmod(0o700)
    monkeypatch.setattr(process.sys, "executable", str(mute))
    monkeypatch.setattr(process, "START_TIMEOUT_S", 0.1)
    monkeypatch.setattr(process, "STOP_TIMEOUT_S", 0.1)

    async def scenario():
        async with start(SimulatorSettings()):
            pass

    with pytest.raises(RunError, match=rf"exit code {-signal.SIGTERM}\); its stderr says: nothing"):
        anyio.run(scenario)


@pytest.mark.parametrize(
    "number",
    [
        signal.SIGTERM,
        *(pytest.param(each, marks=pytest.mark.campaign) for each in (signal.SIGINT, signal.SIGHUP)),
    ],
)
def test_a_signal_ends_it_cleanly(number):
    with subprocess.Popen([*COMMAND, "--set", "instances=7"], stdout=subprocess.PIPE, text=True) as child:
        facts = json.loads(child.stdout.readline())
        child.send_signal(number)
        rest = child.stdout.read()
    assert child.returncode == 0
    assert rest == ""
    assert facts["pid"] == child.pid
    assert set(facts) == set(SimulatorAddress.__dataclass_fields__)


def test_the_end_of_stdin_ends_it():
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([*COMMAND, "--until-eof"], **pipes, text=True) as child:
        child.stdout.readline()
        child.stdin.close()
        assert child.wait(10) == 0


def test_settings_come_from_a_file_and_the_command_line(tmp_path):
    path = tmp_path / "settings.toml"
    path.write_text('endpoint_name = "from-file"\n[service_time]\nmedian_s = 0.5\n')
    arguments = ["--settings", str(path), "--set", "service_time.sigma=0.1", "--set", "region=eu-west-3"]
    with subprocess.Popen([*COMMAND, *arguments], stdout=subprocess.PIPE, text=True) as child:
        facts = json.loads(child.stdout.readline())
        child.terminate()
    assert (facts["endpoint"], facts["region"]) == ("from-file", "eu-west-3")


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--set", "instances=-1"], "instances = -1: should be at least 0"),
        (["--set", "no_such_key=1"], "unknown key 'no_such_key'; known are 'seed', "),
        (["--set", "instances"], "expected KEY=VALUE"),
        (["--settings", "/no/such/file.toml"], "No such file"),
        (["--port", "99999"], "--port 99999: ports are 0 to 65535"),
    ],
)
def test_settings_that_are_wrong_are_a_usage_error(arguments, complaint, capsys):
    with pytest.raises(SystemExit) as left:
        main(arguments)
    said = capsys.readouterr()
    assert (left.value.code, said.out) == (2, "")
    assert complaint in said.err
    assert "Traceback" not in said.err


def test_a_process_with_settings_that_are_wrong_leaves_with_a_usage_error():
    command = [*COMMAND, "--set", "instances=-1"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert "instances = -1: should be at least 0" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_port_that_is_taken_is_a_precondition():
    with subprocess.Popen(COMMAND, stdout=subprocess.PIPE, text=True) as first:
        port = json.loads(first.stdout.readline())["url"].rpartition(":")[2]
        second = subprocess.run(
            [*COMMAND, "--port", port], capture_output=True, text=True, timeout=30, check=False
        )
        first.terminate()
    assert (second.returncode, second.stdout) == (4, "")
    assert f"cannot listen on port {port}" in second.stderr


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("instances=3", {"instances": 3}),
        ("region=eu-west-1", {"region": "eu-west-1"}),
        ("faults.denied=['PutObject']", {"faults": {"denied": ["PutObject"]}}),
        ("a.b.c=true", {"a": {"b": {"c": True}}}),
    ],
)
def test_assignments_are_toml_or_strings(text, tree):
    assert parse_assignment(text) == tree


def test_every_setting_is_listed_as_it_is_set(capsys):
    assert main(["--set", "help"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert {"seed=0", "faults.refuse_share=0.0", "throttle.rate_per_s=", 'join="joined"'} <= set(lines)
    tree = {}
    for line in lines:
        if not line.endswith("="):  # none is set
            _merge(tree, parse_assignment(line))
    assert SimulatorSettings.model_validate(tree) == SimulatorSettings()
