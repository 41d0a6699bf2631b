"""Kills one large run at the reply that accepts half of its rows, resumes it as a user would, and says what that took.

    python tests/crash/kill_at_half.py --rows 100000 [--client wire]

With the settings and the start-up that a run from a shell has: interpreters of their own, default waits. Prints a table
in Markdown and leaves with 1 if the audit fails, an acceptance is neither a row's nor a counted re-send's, or the
resume sends and collects nothing within 5 s.
"""

from __future__ import annotations

import argparse
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet as pq

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # as pytest's `pythonpath` does

from support.audit import audit
from support.cli import LocalAws, environment, local_aws
from support.processes import Input, make_input, sent

from fanout.failpoints import VARIABLE

FANOUT = (sys.executable, "-m", "fanout.cli")
SOON_S = 5.0
"""A resume sends or collects within this time of its start."""


@dataclass(frozen=True, slots=True)
class Halved:
    """What came of it; seconds count from the start of the resume."""

    rows: int
    at_kill: int
    accepted: int
    resends: int
    first_s: float
    first_sent_s: float
    whole_s: float

    @property
    def sound(self) -> bool:
        return self.accepted <= self.rows + self.resends and self.first_s < SOON_S

    def table(self) -> str:
        """Return it in Markdown."""
        lines = (
            ("rows", f"{self.rows:,}"),
            ("accepted when it was killed", f"{self.at_kill:,}"),
            ("accepted in all", f"{self.accepted:,}"),
            ("re-sends, counted", f"{self.resends:,}"),
            ("seconds from the resume's start to its first request or result", f"{self.first_s:.2f}"),
            ("... to its first request", f"{self.first_sent_s:.2f}"),
            ("... to its end", f"{self.whole_s:.1f}"),
        )
        return "\n".join(["| | |", "|---|---:|", *(f"| {name} | {value} |" for name, value in lines)])


def halve(aws: LocalAws, given: Input, directory: Path) -> Halved:
    """Kill a run of `given` at half, resume it, and audit what came of it.

    Raises:
        AssertionError: A process ended otherwise than it should, or an invariant does not hold.
    """
    env = environment(**aws.env)
    half = len(given.payloads) // 2
    command = [
        *FANOUT,
        "run",
        given.path,
        "--endpoint",
        aws.endpoint,
        "-o",
        "out.parquet",
        "--run-dir",
        "rd",
        "-q",
    ]
    # It kills itself: on a busy machine, who watches from outside may look up again when all rows are sent.
    killed = subprocess.run(
        list(map(str, command)), env=env | {VARIABLE: f"send.accepted:{half}"}, cwd=directory, check=False
    )
    assert killed.returncode == -signal.SIGKILL, "it ended before it could be killed"
    at_kill = len(sent(aws, directory))
    began_at = time.time()
    done = subprocess.run(
        [*FANOUT, "resume", "rd", "-q"], env=env, cwd=directory, capture_output=True, text=True, check=False
    )
    ended_at = time.time()
    assert done.returncode == 0, done.stderr
    table, log = pq.read_table(directory / "out.parquet"), sent(aws, directory)
    audit(table, given.payloads, accepted=log, exit_code=done.returncode)
    requests = [float(str(line["arrived_at"])) - began_at for line in log]
    results = [at.timestamp() - began_at for at in table["fetched_at"].to_pylist() if at is not None]
    return Halved(
        rows=len(given.payloads),
        at_kill=at_kill,
        accepted=len(log),
        resends=sum(table["resends"].to_pylist()),
        first_s=min(second for second in requests + results if second >= 0),
        first_sent_s=min(second for second in requests if second >= 0),
        whole_s=ended_at - began_at,
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Do it once."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--client", choices=("wire", "aiobotocore"), default="wire")
    options = parser.parse_args(arguments)
    with (
        tempfile.TemporaryDirectory(prefix="fanout-half-") as name,
        local_aws("instances=1", "concurrency_per_instance=100000") as aws,
    ):
        aws.env["FANOUT_TRANSPORT_CLIENT"] = options.client
        given = make_input(Path(name, "in.jsonl"), options.rows, seed=1, large_share=0.0)
        found = halve(aws, given, Path(name))
    sys.stdout.write(found.table() + "\n")
    return 0 if found.sound else 1


if __name__ == "__main__":
    sys.exit(main())
