"""How a run ends is what its caller gets, whatever is open around it: its exit code, and the error itself in Python."""

from __future__ import annotations

import signal

import pytest
from support.cli import local_aws, write_jsonl
from support.processes import QUICK, Running, fanout

import fanout as library
from fanout.errors import DeadlineReached, RunError

ROWS = 400
WATCHED = ([], ["--metrics-port", "0"], ["--metrics-port", "0", "--processes", "2"])
"""Nothing around the run, the server of its metrics, and its processes as well: each has tasks of its own."""


@pytest.fixture(scope="module")
def aws():
    with local_aws(*QUICK) as running:
        yield running


def begin(aws, directory, *arguments, endpoint=None):
    write_jsonl(directory / "in.jsonl", [{"n": n} for n in range(ROWS)])
    return Running(
        "run", "in.jsonl", "--endpoint", endpoint or aws.endpoint, "-o", "out.parquet", "--run-dir", "rd", "-q",
        *arguments, aws=aws, directory=directory,
    )  # fmt: skip


def requests(aws):
    return aws.stats()["requests"].get("InvokeEndpointAsync", 0)


def told(exited, watched):
    """Return the lines on stderr, but for the one that says where metrics are served."""
    served = [line for line in exited.stderr.splitlines() if "metrics at http://127.0.0.1:" in line]
    assert len(served) == bool(watched), exited.stderr
    return [line for line in exited.stderr.splitlines() if line not in served]


def next_step(directory):
    """Return what a run that was stopped says at its end: whether it had sent anything by then is the machine's."""
    begun = (directory / "rd").exists()
    return f"`fanout resume {directory}/rd` goes on" if begun else "nothing was sent: start it again"


@pytest.mark.parametrize("watched", WATCHED)
def test_an_endpoint_that_is_missing_is_a_precondition(aws, tmp_path, watched):
    exited = begin(aws, tmp_path, *watched, endpoint="nowhere").wait()
    assert exited.code == 4, exited.stderr
    assert told(exited, watched)[0].startswith("fanout: endpoint 'nowhere': ")


@pytest.mark.parametrize("watched", WATCHED)
def test_a_deadline_is_told(aws, tmp_path, watched):
    exited = begin(aws, tmp_path, *watched, "--rate", "20", "--deadline", "1").wait()
    assert exited.code == 7, exited.stderr
    [said] = told(exited, watched)
    if (tmp_path / "rd").exists():
        assert said == f"fanout: the deadline has passed; {next_step(tmp_path)}"
    else:  # of a machine that takes so long to start
        assert said.startswith("fanout: the deadline ")


@pytest.mark.parametrize("watched", WATCHED)
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_is_told(aws, tmp_path, watched, number):
    running = begin(aws, tmp_path, *watched, "--rate", "20")
    taken = requests(aws)
    running.until(lambda: requests(aws) > taken)
    running.signal(number)
    exited = running.wait()
    assert exited.code == 75, exited.stderr
    last = f"fanout: {number.name}: stopped; `fanout resume {tmp_path}/rd` goes on"
    assert exited.stderr.splitlines()[-1] == last


@pytest.mark.parametrize("watched", WATCHED)
def test_rows_that_fail_are_told(aws, tmp_path, watched):
    running = begin(aws, tmp_path, *watched, "--payload-fields", "n")
    assert running.wait().code == 0
    (tmp_path / "in.jsonl").write_text("no\n" * ROWS)
    exited = fanout(
        "run", "in.jsonl", "--endpoint", aws.endpoint, "-o", "some.parquet", "-q", *watched,
        aws=aws, directory=tmp_path,
    )  # fmt: skip
    assert exited.code == 3, exited.stderr


@pytest.mark.parametrize("watched", [{}, {"port": 0}])
def test_python_gets_the_error_itself_and_what_it_came_from(aws, tmp_path, monkeypatch, watched):
    for name, value in aws.env.items():
        monkeypatch.setenv(name, value)
    write_jsonl(tmp_path / "in.jsonl", [{"n": n} for n in range(ROWS)])

    def config(endpoint, **run):
        flags = {
            "input": {"paths": [str(tmp_path / "in.jsonl")]},
            "output": {"path": str(tmp_path / "out.parquet")},
            "endpoint": {"name": endpoint},
            "metrics": watched,
            "pacing": {"rate": 20},
            "run": run,
        }
        return library.load_config(None, environ={}, flags=flags)

    with pytest.raises(RunError, match="endpoint 'nowhere'") as missing:
        library.run(config("nowhere"))
    assert type(missing.value.__cause__).__name__ == "CallError"
    with pytest.raises(DeadlineReached, match=r"^the deadline .*has passed"):
        library.run(config(aws.endpoint, deadline_s=0.5))
