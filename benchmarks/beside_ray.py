"""What Ray adds to a run of several shards on one machine: `--engine ray` beside processes, in rounds that take turns.

Wall time, and CPU and memory of every process that the command started, Ray's own included: they are found by a
variable of their environment. Needs `fanout[ray]`.

    python benchmarks/beside_ray.py --rounds 3
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from contextlib import suppress
from pathlib import Path
from statistics import median
from typing import Any

from aws import local_aws
from inputs import write_rows
from machine import RESULTS, describe, rotated, save

WAYS = ("processes", "ray")
MARK = "BENCHMARK_MARK"
TICK_S = 1.0 / os.sysconf("SC_CLK_TCK")
LOOK_S = 0.2


class Family:
    """All processes with one mark: what each used, as last seen, and the most memory that all had at once."""

    def __init__(self, mark: str) -> None:
        self.mark = f"{MARK}={mark}".encode()
        self.cpu_s: dict[int, float] = {}
        self.peak_bytes = 0
        self._known: dict[int, bool] = {}
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()

    def _watch(self) -> None:
        while not self._ended.wait(LOOK_S):
            self.look()

    def look(self) -> None:
        resident = 0
        for path in Path("/proc").glob("[0-9]*"):
            with suppress(OSError, IndexError, ValueError):
                pid = int(path.name)
                if pid not in self._known:
                    self._known[pid] = self.mark in (path / "environ").read_bytes().split(b"\0")
                if self._known[pid]:
                    fields = (path / "stat").read_text().rpartition(")")[2].split()
                    self.cpu_s[pid] = (int(fields[11]) + int(fields[12])) * TICK_S
                    rollup = (path / "smaps_rollup").read_text()
                    resident += 1024 * int(rollup.partition("\nPss:")[2].split()[0])
        self.peak_bytes = max(self.peak_bytes, resident)

    def end(self) -> None:
        self._ended.set()
        self._thread.join()


def main() -> int:
    asked = _arguments()
    machine = describe()
    samples: list[dict[str, Any]] = []
    settings = {"rounds": asked.rounds, "rows": asked.rows, "shards": asked.shards}
    with tempfile.TemporaryDirectory(prefix="fanout-benchmark-") as directory:
        scratch = Path(directory)
        source = write_rows(scratch / "in.jsonl", rows=asked.rows, payload_bytes=1_000)
        for number in range(asked.rounds):
            with local_aws("instances=1", "concurrency_per_instance=100000") as aws:
                for shards in asked.shards:
                    for way in rotated(WAYS, number):
                        found = _run(
                            aws.env,
                            source,
                            scratch / f"{number}-{shards}-{way}",
                            way=way,
                            shards=shards,
                            aws=aws,
                        )
                        load = round(os.getloadavg()[0], 1)
                        samples.append({"round": number, "way": way, "shards": shards, "load": load} | found)
            save(asked.json, machine=machine, settings=settings, samples=samples)
    print(f"{asked.rows:,} rows | shards | wall s | CPU s | peak MB\n---|---:|---:|---:|---:")
    for way in WAYS:
        for shards in asked.shards:
            mine = [each for each in samples if (each["way"], each["shards"]) == (way, shards)]
            wall, cpu, peak = (spread(mine, name) for name in ("seconds", "cpu_s", "peak_mb"))
            print(f"{way} | {shards} | {wall} | {cpu} | {peak}")
    print(f"raw numbers: {asked.json}")
    return 0


def spread(samples: list[dict[str, Any]], name: str) -> str:
    """Return the median of what all rounds found, and the least and the most."""
    found = sorted(each[name] for each in samples)
    digits = 0 if found[0] >= 100 else 1
    return f"{median(found):.{digits}f} ({found[0]:.{digits}f} to {found[-1]:.{digits}f})"


def _run(env: Any, source: Path, directory: Path, *, way: str, shards: int, aws: Any) -> dict[str, Any]:
    directory.mkdir()
    mark = uuid.uuid4().hex
    more = ("--engine", "ray") if way == "ray" else ()
    command = [
        *(sys.executable, "-m", "fanout.cli", "run", source, "--endpoint", aws.endpoint, "-q"),
        *("-o", directory / "out.parquet", "--run-dir", directory / "rd"),
        *("--shards", shards, "--at-once", shards, *more),
    ]
    began = time.monotonic()
    environ = {**os.environ, **env, MARK: mark, "HOME": str(directory), "RAY_USAGE_STATS_ENABLED": "0"}
    process = subprocess.Popen(list(map(str, command)), env=environ, stderr=subprocess.PIPE)
    family = Family(mark)
    _, said = process.communicate()
    seconds = time.monotonic() - began
    family.end()
    if process.returncode:
        raise SystemExit(f"exit {process.returncode}: {said.decode()[-600:]}")
    return {"seconds": seconds, "cpu_s": sum(family.cpu_s.values()), "peak_mb": family.peak_bytes / 1e6}


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--shards", type=int, nargs="+", default=[1, 2, 4])
    parser.add_argument("--json", type=Path, default=RESULTS / "beside_ray.json")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
