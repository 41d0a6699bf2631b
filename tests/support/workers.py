"""Runs the workers of a campaign side by side, each with a local AWS of its own: they wait more than they compute."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any, Protocol

from support.cli import LocalAws, local_aws

_SERVING = "serving\n"
"""What a worker prints once its local AWS serves."""


class Counts(Protocol):
    """What a campaign counts: a dataclass, whose fields make another one of it."""

    complaints: list[str]

    @property
    def sound(self) -> bool: ...

    def add(self, other: Any) -> None: ...

    def table(self, *, service_s: float, workers: int) -> str: ...


class Worker(Protocol):
    """Kills `kills` processes, one run after another; `began` is called once its AWS serves."""

    def __call__(
        self, *, kills: int, seed: int, rows: int, rate: float, service_s: float, began: Callable[[], object]
    ) -> Counts: ...


@contextmanager
def slow_aws(service_s: float) -> Iterator[LocalAws]:
    """A local AWS whose model takes `service_s`, and whose S3 takes its time."""
    settings = (
        *("instances=4", "concurrency_per_instance=1000", "verify_signatures=true"),
        *(f"service_time.median_s={service_s}", "service_time.sigma=0.05"),
        *("latency.s3.median_s=0.03", "latency.s3.sigma=0.3"),
    )
    with local_aws(*settings) as aws:
        yield aws


def campaign(
    arguments: Sequence[str] | None, *, file: str, doc: str | None, rows: int, worker: Worker, counts: Any
) -> int:
    """Run the campaign that a command line asks for, print its table, and return the exit code.

    Args:
        arguments: The command line's; None for this process's own.
        file: The campaign's script, which starts itself once for each worker.
        doc: What it says of itself.
        rows: Of a run, where the command line does not say.
        worker: Does a share of it.
        counts: The class of what a worker returns.
    """
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=16)
    parser.add_argument("--workers", type=int, default=8)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rows", type=int, default=rows)
    parser.add_argument("--rate", type=float, default=50.0)
    parser.add_argument("--service-s", type=float, default=60.0)
    parser.add_argument(
        "--worker", action="store_true", help="one worker alone, which prints its counts as JSON"
    )
    asked = parser.parse_args(arguments)
    if asked.worker:
        found = worker(
            kills=asked.kills,
            seed=asked.seed,
            rows=asked.rows,
            rate=asked.rate,
            service_s=asked.service_s,
            began=_say_serving,
        )
        sys.stdout.write(json.dumps(asdict(found)))
        return 0 if found.sound else 1
    shares = [
        asked.kills // asked.workers + (each < asked.kills % asked.workers) for each in range(asked.workers)
    ]
    workers = []
    for number, share in enumerate(share for share in shares if share):
        words = ["--worker", "--kills", share, "--seed", asked.seed * 1000 + number, "--rows", asked.rows]
        words += ["--rate", asked.rate, "--service-s", asked.service_s]
        started = subprocess.Popen(
            [sys.executable, file, *map(str, words)], stdout=subprocess.PIPE, text=True
        )
        workers.append(started)
        assert started.stdout is not None
        assert started.stdout.readline() == _SERVING, "it did not start"  # starts cost most: one at a time
    total, sound = counts(), True
    for each in workers:
        text, _ = each.communicate()
        sound &= each.returncode == 0
        if text:
            total.add(counts(**json.loads(text)))
    sys.stdout.write(total.table(service_s=asked.service_s, workers=len(workers)) + "\n")
    for complaint in total.complaints:
        sys.stdout.write(f"{complaint}\n")
    return 0 if sound else 1


def _say_serving() -> None:
    sys.stdout.write(_SERVING)
    sys.stdout.flush()
