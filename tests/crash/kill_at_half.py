"""Kills one large run at the reply that accepts half of its rows, resumes it as a user would, and says what that took.

    python tests/crash/kill_at_half.py --rows 100000 [--client wire] [--kept]

With the settings and the start-up that a run from a shell has: interpreters of their own, default waits. Prints a table
in Markdown and leaves with 1 if the audit fails, an acceptance is neither a row's nor a counted re-send's, or the
resume sends and collects nothing within 5 s. With `--kept` the run's state and output are in S3, its host and disk go
with the process, and the resume, on a host that has nothing of the run, has 15 s.
"""

from __future__ import annotations

import argparse
import json
import shutil
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
from support.outputs_in_s3 import download
from support.processes import Input, make_input, sent

from fanout.failpoints import VARIABLE

FANOUT = (sys.executable, "-m", "fanout.cli")
SOON_S = 5.0
"""A resume sends or collects within this time of its start."""
SOON_ELSEWHERE_S = 15.0
"""Likewise on a host that has nothing of the run."""
S3 = ("latency.s3.median_s=0.03", "latency.s3.sigma=0.3")
"""How long S3 takes where it keeps the run."""


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
    soon_s: float = SOON_S

    @property
    def sound(self) -> bool:
        return self.accepted <= self.rows + self.resends and self.first_s < self.soon_s

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


def halve(aws: LocalAws, given: Input, directory: Path, *, kept: bool = False) -> Halved:
    """Kill a run of `given` at half, resume it, and audit what came of it.

    Args:
        aws: The local AWS.
        given: The input.
        directory: Holds the run, or its hosts.
        kept: Whether the run's state is in S3, and its host is lost.

    Raises:
        AssertionError: A process ended otherwise than it should, or an invariant does not hold.
    """
    half = len(given.payloads) // 2
    where, output = "rd", "out.parquet"
    if kept:
        where, output = f"s3://{aws.bucket}/runs/half", f"s3://{aws.bucket}/out.parquet"
    # It kills itself: on a busy machine, who watches from outside may look up again when all rows are sent.
    killed = _command(
        aws,
        _host(directory, "first", kept=kept),
        *("run", given.path, "--endpoint", aws.endpoint, "-o", output, "--run-dir", where, "-q"),
        **{VARIABLE: f"send.accepted:{half}"},
    )
    assert killed.returncode == -signal.SIGKILL, f"it ended before it could be killed: {killed.stderr}"
    at_kill = len(_accepted(aws, directory, where))
    if kept:
        shutil.rmtree(_host(directory, "first", kept=kept))
    host = _host(directory, "second", kept=kept)
    began_at = time.time()
    done = _command(aws, host, "resume", where, "-q")
    ended_at = time.time()
    assert done.returncode == 0, done.stderr
    log = _accepted(aws, directory, where)
    if kept:
        download(aws, output, host / "out.parquet")
    table = pq.read_table(host / "out.parquet")
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
        soon_s=SOON_ELSEWHERE_S if kept else SOON_S,
    )


def _host(directory: Path, name: str, *, kept: bool) -> Path:
    """Return where processes of one host are: of a run that is kept there, the same for both."""
    host = directory / name if kept else directory
    (host / "scratch").mkdir(parents=True, exist_ok=True)
    return host


def _command(aws: LocalAws, host: Path, *words: object, **variables: str) -> subprocess.CompletedProcess[str]:
    env = environment(**aws.env) | {"TMPDIR": str(host / "scratch")} | variables
    return subprocess.run(
        [*FANOUT, *map(str, words)], env=env, cwd=host, capture_output=True, text=True, check=False
    )


def _accepted(aws: LocalAws, directory: Path, where: str) -> list[dict[str, object]]:
    """Return what the endpoint accepted of the run."""
    if "://" not in where:
        return sent(aws, directory)
    download(aws, f"{where}/run.json", directory / "run.json")
    return aws.of(json.loads((directory / "run.json").read_bytes())["run"])


def main(arguments: Sequence[str] | None = None) -> int:
    """Do it once."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--client", choices=("wire", "aiobotocore"), default="wire")
    parser.add_argument("--kept", action="store_true", help="the run's state is in S3, and its host is lost")
    options = parser.parse_args(arguments)
    with (
        tempfile.TemporaryDirectory(prefix="fanout-half-") as name,
        local_aws("instances=1", "concurrency_per_instance=100000", *(S3 if options.kept else ())) as aws,
    ):
        aws.env["FANOUT_TRANSPORT_CLIENT"] = options.client
        given = make_input(Path(name, "in.jsonl"), options.rows, seed=1, large_share=0.0)
        found = halve(aws, given, Path(name), kept=options.kept)
    sys.stdout.write(found.table() + "\n")
    return 0 if found.sound else 1


if __name__ == "__main__":
    sys.exit(main())
