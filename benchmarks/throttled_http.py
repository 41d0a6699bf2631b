"""How much of a service's limit gets through over HTTP: `throttled.py` shows more cases, in simulation.

The local AWS throttles by a token bucket, or refuses at random; a sender of 64 connections meets it for so many
seconds from its first request that is accepted. Beside fanout stands the script for aiobotocore with botocore's
adaptive retry mode, which gives no request up here (AWS_MAX_ATTEMPTS). What could be is the limit; of a share at random
it is the rest of what the same sender gets through in the same round where nothing is refused.

    python benchmarks/throttled_http.py --rounds 3
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from aws import LocalAws, local_aws
from child import run
from contenders import FANOUT, RIVALS, SERVERS
from inputs import write_rows
from machine import RESULTS, describe, rotated, save

from fanout.errors import Exit

LIMITS = (50, 300, 1_000, 2_500)
SHARES = (0.01, 0.05, 0.3)
PAYLOAD_BYTES = 200
SENT_PER_S = 15_000  # rows of the input, for each second: more than any sender gets through here
INTERRUPTED = (Exit.INTERRUPTED, 1, -2, 128 + 9, -9)
"""How senders end that are interrupted: in order, with Python's traceback, killed (`_adaptive`)."""


def main() -> int:
    asked = _arguments()
    machine = describe()
    samples: list[dict[str, Any]] = []
    settings = {"rounds": asked.rounds, "seconds": asked.seconds}
    with tempfile.TemporaryDirectory() as name:
        source = Path(name) / "rows.jsonl"
        write_rows(source, rows=int(asked.seconds * SENT_PER_S), payload_bytes=PAYLOAD_BYTES)
        for number in range(asked.rounds):
            for sender in rotated(SENDERS, number):
                free_per_s = 0.0
                for case, assignments, best in _cases(asked.limits, asked.shares):
                    scratch = Path(name) / f"{number}-{sender}-{len(samples)}"
                    scratch.mkdir()
                    sample = _sample(SENDERS[sender], source, scratch, assignments, seconds=asked.seconds)
                    free_per_s = free_per_s or sample["per_s"]
                    sample["could_be_per_s"] = best(free_per_s)
                    samples.append({"round": number, "rule": sender, "case": case, **sample})
                    print(f"{sender:9} {case:22} {sample}")
                    save(asked.json, machine=machine, settings=settings, samples=samples)
    print(f"raw numbers: {asked.json}")
    return 0


def _cases(
    limits: list[int], shares: list[float]
) -> Iterator[tuple[str, tuple[str, ...], Callable[[float], float]]]:
    """Yield each case's name, its settings, and what could be, given what gets through where nothing is refused."""
    yield "nothing refused", (), lambda free: free
    for limit in limits:
        burst = max(5, limit // 50)
        settings = (f"throttle.rate_per_s={limit}", f"throttle.burst={burst}")
        yield f"{limit:,}, burst {burst:,}", settings, lambda free, limit=limit: min(float(limit), free)
    for share in shares:
        settings = (f"faults.throttle_share={share}",)
        yield f"{share:.0%} refused at random", settings, lambda free, share=share: free * (1.0 - share)


def _sample(
    sender: Sender, source: Path, scratch: Path, settings: tuple[str, ...], *, seconds: float
) -> dict[str, float]:
    with local_aws(*SERVERS["submit"], *settings) as aws:
        began: list[float] = []

        def over() -> bool:
            if not began and aws.accepted():
                began.append(time.monotonic())
            return bool(began) and time.monotonic() - began[0] > seconds

        command, env = sender(source, scratch, aws)
        run(command, env=env, codes=INTERRUPTED, until=over)
        arrivals = aws.arrivals(0)
        refused = aws.throttled()
    first = arrivals[0]
    within = sum(at < first + seconds for at in arrivals)
    early = sum(at < first + seconds / 2 for at in arrivals)
    return {
        "per_s": within / seconds,
        "first_per_s": early / (seconds / 2),
        "after_per_s": (within - early) / (seconds / 2),
        "refused": refused
        / (refused + len(arrivals)),  # by the limit; what is refused at random is not counted
    }


Sender = Callable[[Path, Path, LocalAws], tuple[list[str | Path], Mapping[str, str]]]
"""Returns the command and its environment."""


def _fanout(source: Path, scratch: Path, aws: LocalAws) -> tuple[list[str | Path], Mapping[str, str]]:
    command: list[str | Path] = [*FANOUT, "run", source, "--endpoint", aws.endpoint, "-q"]
    command += ["-o", scratch / "out.parquet", "--content-type", "application/json"]
    command += ["--no-notifications", "--window", "1000000", "--grace", "0"]
    return command, aws.env | {"FANOUT_RETRY_GENERATIONS": "0", "FANOUT_COLLECT_QUIET_S": "3600"}


def _adaptive(source: Path, scratch: Path, aws: LocalAws) -> tuple[list[str | Path], Mapping[str, str]]:  # noqa: ARG001
    # Interrupted while it waits for its rate, it waits on.
    command: list[str | Path] = ["timeout", "--kill-after=2", "1h"]
    command += [sys.executable, RIVALS / "aiobotocore_workers.py", source]
    command += ["--endpoint", aws.endpoint, "--limit", "1000000000"]
    return command, aws.env | {"AWS_RETRY_MODE": "adaptive", "AWS_MAX_ATTEMPTS": "1000000"}


SENDERS: Mapping[str, Sender] = {"fanout": _fanout, "adaptive": _adaptive}


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--limits", type=int, nargs="*", default=list(LIMITS), metavar="PER_S")
    parser.add_argument("--shares", type=float, nargs="*", default=list(SHARES), metavar="0..1")
    parser.add_argument("--seconds", type=float, default=60.0, help="of each case")
    parser.add_argument("--json", type=Path, default=RESULTS / "throttled-http.json")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
