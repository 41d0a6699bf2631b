"""The real command line in processes of its own, to be signalled and killed, against a local AWS that outlives them."""

from __future__ import annotations

import os
import random
import select
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
from support.audit import audit
from support.cli import LocalAws, environment
from support.fork_server import Started

QUICK = (
    "instances=4",
    "concurrency_per_instance=64",
    "service_time.median_s=0.05",
    "service_time.sigma=0.5",
    "verify_signatures=true",
)
"""Settings of a local AWS that is seldom waited for."""

IMPATIENT = {
    "FANOUT_COLLECT_QUIET_S": "1",
    "FANOUT_COLLECT_UNKNOWN_WAIT_S": "0.5",
    "FANOUT_OUTPUT_PART_S": "0.3",
}
"""Waits of a second instead of ten: what is tested is the order of things, not the defaults."""

KILLED = -signal.SIGKILL
PATIENCE_S = 100.0  # for one process; pytest's own time-out is 120

NEEDLE = b"payload-needle"
"""Stands in every payload and must stand in no log and no journal."""


@dataclass
class Exited:
    """A process that has ended: its exit code (`KILLED` after SIGKILL), what it printed, when it began and ended."""

    code: int
    stdout: str
    stderr: str
    began_at: float
    ended_at: float

    def __post_init__(self) -> None:
        assert "Traceback" not in self.stderr, self.stderr


class Running:
    """A `fanout` command under way in `directory`.

    What it prints goes to files without names: it never waits for a reader, and a kill leaves nothing behind.
    """

    def __init__(
        self,
        *arguments: object,
        aws: LocalAws,
        directory: Path,
        waits: Mapping[str, str] = IMPATIENT,
        **variables: str,
    ) -> None:
        prefix = {"FANOUT_TRANSPORT_INPUT_PREFIX": f"s3://{aws.bucket}/inputs"}
        self._files = [tempfile.TemporaryFile(), tempfile.TemporaryFile()]  # noqa: SIM115 - closed by `wait`
        self.began_at = time.time()
        self.process = Started(
            *arguments,
            env=environment(**(aws.env | prefix | dict(waits) | variables)),
            cwd=directory,
            stdout=self._files[0],
            stderr=self._files[1],
        )

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def stderr(self) -> str:
        """Return what it has said so far; `pread`, as the child writes at the offset that a seek would move."""
        return os.pread(self._files[1].fileno(), 1 << 20, 0).decode()

    def kill_after(self, seconds: float) -> Exited:
        """Kill it after so many seconds, unless it ends before."""
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
        return self.wait()

    def wait(self, timeout_s: float = PATIENCE_S) -> Exited:
        code = self.process.wait(timeout_s)
        texts = []
        for file in self._files:
            file.seek(0)
            texts.append(file.read().decode())
            file.close()
        return Exited(code, *texts, began_at=self.began_at, ended_at=time.time())

    def until(self, happened: Callable[[], bool], *, timeout_s: float = 30.0) -> None:
        """Return once `happened`; another process's progress has no event to wait for."""
        ends = time.monotonic() + timeout_s
        while not happened():
            assert self.process.poll() is None, f"it ended before: {self.wait()}"
            assert time.monotonic() < ends, f"it did not happen within {timeout_s} s"
            select.select([], [], [], 0.005)


@dataclass
class Input:
    """What a run sends: a file, and the payload of each of its rows."""

    path: Path
    payloads: list[bytes]


OUTPUT = "out.parquet"


def run_command(given: Input, aws: LocalAws, *more: object, output: str = OUTPUT) -> tuple[object, ...]:
    """Return the arguments of `fanout` that begin a run of `given` in `rd`, to `output`."""
    return (
        "run", given.path, "--endpoint", aws.endpoint, "-o", output, "--run-dir", "rd",
        "--id-column", "id", "-q", "--json", *more,
    )  # fmt: skip


RESUME = ("resume", "rd", "-q", "--json")


def fanout(*arguments: object, aws: LocalAws, directory: Path, **variables: str) -> Exited:
    """Run a `fanout` command to its end."""
    return Running(*arguments, aws=aws, directory=directory, **variables).wait()


def make_input(path: Path, rows: int, *, seed: int, large_share: float = 0.1) -> Input:
    """Write JSON Lines of `rows` rows, a share of them over the inline limit; the payloads are the lines."""
    rng = random.Random(seed)
    payloads = []
    with path.open("wb") as file:
        for row in range(rows):
            size = rng.randint(128_001, 131_000) if rng.random() < large_share else rng.randint(20, 600)
            text = f"{NEEDLE.decode()}-{rng.getrandbits(64):016x}-".ljust(size, "x")
            payloads.append(orjson.dumps({"id": f"id-{row}", "text": text}))
            file.write(payloads[-1] + b"\n")
    return Input(path, payloads)


def finished(given: Input, aws: LocalAws, directory: Path, exited: Exited, *, exit_code: int = 0) -> pa.Table:
    """Audit a run that has ended in `directory`, and return its output."""
    assert exited.code == exit_code, exited.stderr
    table = pq.read_table(directory / "out.parquet")
    audit(table, given.payloads, accepted=sent(aws, directory), exit_code=exit_code)
    return table


def sent(aws: LocalAws, directory: Path) -> list[dict[str, object]]:
    """Return what the endpoint accepted of the run in `directory`."""
    return aws.of(orjson.loads((directory / "rd" / "run.json").read_bytes())["run"])
