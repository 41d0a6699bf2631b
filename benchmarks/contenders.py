"""Who takes part in the comparison, and the command that each is: one run of a contender enters, a sample leaves.

Every contender is a process of its own that reads the same input and talks to the same server, with its default
settings unless its file says otherwise.
"""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from aws import LocalAws
from child import Usage, run
from environments import Unavailable, environment

from fanout.errors import Exit

Mode = Literal["submit", "end to end"]
SERVERS: dict[Mode, tuple[str, ...]] = {
    # Nothing ends while requests are counted: no slot of the model becomes free within an hour.
    "submit": ("notifications.enabled=false", "service_time.median_s=3600"),
    "end to end": ("instances=1", "concurrency_per_instance=100000"),
}
"""How the local AWS is set up for each mode."""
RIVALS = Path(__file__).with_name("rivals")
FANOUT = (sys.executable, "-m", "fanout.cli")
SAGEMAKER = "sagemaker<3"  # version 3 has no AsyncPredictor
CONNECTIONS = 64  # as many as fanout's default concurrency


@dataclass(frozen=True, slots=True)
class Task:
    """One run to make: the first `rows` lines of `input`, against `aws`, with files of its own under `scratch`."""

    aws: LocalAws
    mode: Mode
    input: Path
    rows: int
    scratch: Path

    @property
    def output(self) -> Path:
        """Where an end-to-end run writes its Parquet."""
        return self.scratch / "out.parquet"


@dataclass(frozen=True, slots=True)
class Contender:
    """One way of doing it.

    Attributes:
        title: How tables call it.
        run: Makes one run; raises Unavailable if it cannot.
        rows: For each payload size class (`small`, `large`), rows of the shorter and of the longer run.
        counted: Whether `rows` says how much is sent; wrk sends for a time instead.
    """

    title: str
    run: Callable[[Task], tuple[Usage, int]]
    rows: dict[str, tuple[int, int]]
    modes: tuple[Mode, ...] = field(default=("submit", "end to end"))
    counted: bool = True


def sample(contender: Contender, task: Task, *, labels: dict[str, Any]) -> dict[str, Any]:
    """Make one run, check it, and return its sample.

    Raises:
        SystemExit: It sent too much or too little, or its output is wrong.
        Unavailable: It cannot run here.
    """
    task.scratch.mkdir()
    accepted, server_s = task.aws.accepted(), task.aws.cpu_s()
    usage, rows = contender.run(task)
    server_s = task.aws.cpu_s() - server_s
    accepted = task.aws.accepted() - accepted
    if accepted < rows or (contender.counted and accepted != rows):
        sys.exit(f"{contender.title}: {accepted} requests were accepted, {rows} were to be")
    if task.mode == "end to end":
        run(
            [sys.executable, RIVALS / "check.py", task.input, str(rows), task.output],
            env=task.aws.env,
        )
    shutil.rmtree(task.scratch)
    return labels | {
        "mode": task.mode,
        "rows": rows,
        "seconds": usage.seconds,
        "cpu_s": usage.cpu_s,
        "peak_bytes": usage.peak_bytes,
        "server_cpu_s": server_s,
    }


def fanout(task: Task, *, processes: int = 1) -> tuple[Usage, int]:
    """Run `fanout run`, its journal on."""
    command = [*FANOUT, "run", task.input, "--endpoint", task.aws.endpoint, "-o", task.output, "-q"]
    command += ["--limit", str(task.rows), "--content-type", "application/json"]
    command += ["--processes", str(processes)]
    if task.mode == "end to end":
        return run(command, env=task.aws.env), task.rows
    # Each process has its share of the window, and takes what rows it can.
    return submit(command, task.aws, rows=task.rows, window=processes * task.rows), task.rows


def submit(command: list[str | Path], aws: LocalAws, *, rows: int, window: int) -> Usage:
    """Run the `fanout run` of `command` on a server that never answers, until its last row is accepted.

    That is everything from reading the input to the journalled acceptance, with the window opened for all rows and,
    since none ends, without holding payloads for another generation; and then an orderly stop.
    """
    command = [*command, "--no-notifications", "--window", str(window), "--grace", "0"]
    wanted = aws.accepted() + rows
    env = aws.env | {"FANOUT_RETRY_GENERATIONS": "0", "FANOUT_COLLECT_QUIET_S": "3600"}
    return run(command, env=env, codes={Exit.INTERRUPTED}, until=lambda: aws.accepted() >= wanted)


def fanout_processes(task: Task) -> tuple[Usage, int]:
    """Run `fanout run` in two processes; its peak memory is that of the largest, not their sum."""
    return fanout(task, processes=2)


def boto3_threads(task: Task) -> tuple[Usage, int]:
    return _script(task, "boto3_threads.py")


def aiobotocore_workers(task: Task) -> tuple[Usage, int]:
    return _script(task, "aiobotocore_workers.py")


def sagemaker_sdk(task: Task) -> tuple[Usage, int]:
    python = environment("sagemaker", SAGEMAKER, "pyarrow") / "python"
    command = [python, RIVALS / "sagemaker_sdk.py", *_common(task), "--bucket", task.aws.bucket]
    if task.mode == "end to end":
        command += ["--output", str(task.output)]
    return run(command, env=task.aws.env), task.rows


def wrk(task: Task) -> tuple[Usage, int]:
    """Post the same signed bytes from C, for as many seconds as `rows` says thousands, one at least."""
    found = shutil.which("wrk")
    if found is None:
        raise Unavailable("wrk is not installed (Debian: apt-get install wrk)")
    script, body = task.scratch / "post.lua", task.scratch / "body"
    source = [sys.executable, RIVALS / "signed_request.py", task.input]
    run([*source, task.aws.endpoint, task.aws.url, script, body], env=task.aws.env)
    url = f"{task.aws.url}/endpoints/{task.aws.endpoint}/async-invocations"
    seconds = max(1, task.rows // 1_000)
    usage = run([found, "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "-s", script, url], env=task.aws.env)
    if "Non-2xx" in usage.said or "Socket errors" in usage.said:
        sys.exit(f"wrk: {usage.said}")
    sent = re.search(r"(\d+) requests in", usage.said)
    assert sent is not None, usage.said
    return usage, int(sent[1])


def _script(task: Task, name: str) -> tuple[Usage, int]:
    command = [sys.executable, RIVALS / name, *_common(task)]
    if task.mode == "submit":
        return run(command, env=task.aws.env), task.rows
    with task.aws.queue(f"benchmark-{task.scratch.name}") as url:
        return run([*command, "--queue", url, "--output", task.output], env=task.aws.env), task.rows


def _common(task: Task) -> list[str]:
    return [str(task.input), "--endpoint", task.aws.endpoint, "--limit", str(task.rows)]


OURS = {"small": (2_000, 40_000), "large": (500, 16_000)}
"""Starts differ by a third of a second from run to run: 6,000 large rows, which take two, were off by a sixth."""

CONTENDERS = {
    "boto3": Contender("boto3, threads", boto3_threads, {"small": (500, 3_000), "large": (200, 1_200)}),
    "aiobotocore": Contender(
        "aiobotocore, workers", aiobotocore_workers, {"small": (500, 4_000), "large": (300, 1_800)}
    ),
    "sagemaker": Contender(
        "SageMaker SDK 2, threads", sagemaker_sdk, {"small": (200, 1_200), "large": (100, 600)}
    ),
    "fanout": Contender("fanout", fanout, OURS),
    "processes": Contender("fanout, 2 processes", fanout_processes, OURS),
    "wrk": Contender(
        "limit: wrk, C, signed before",
        wrk,
        {"small": (3_000, 3_000), "large": (2_000, 2_000)},
        modes=("submit",),
        counted=False,
    ),
}
