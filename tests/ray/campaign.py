"""Kills shards of runs on Ray, their nodes with all disk, and the drivers, and counts what that did.

    python tests/ray/campaign.py --kills 40 [--service-s 60] [--rows 300] [--rate 50] [--seed 1]

A cluster of two nodes that share nothing but S3 does one run of three shards after another, each as one command; a node
that is lost is followed by a new one. The driver holds the leases of the rate: who kills it kills their holder. Needs
`fanout[ray]`. Prints a table in Markdown and leaves with 1 if a row was lost, doubled, or sent again uncounted.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # as pytest's `pythonpath` does

from crash.shard_campaign import SHARDS, UNHURRIED, Found, Kill, ShardedRun
from support.processes import Running, make_input
from support.ray_nodes import Nodes
from support.workers import slow_aws

QUIET = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_worker_niceness": "0", "RAY_raylet_start_wait_time_s": "180"}


class RayRun(ShardedRun):
    """One run of several shards, which are actors of a cluster."""

    def __init__(self, *arguments: object, nodes: Nodes, home: Path, **more: object) -> None:
        super().__init__(*arguments, **more)
        self._nodes, self._home = nodes, home
        self._command = (*self._command, "--engine", "ray", "--ray-address", nodes.cluster.address)

    def on_nodes(self, kills: Sequence[Kill], shards: Sequence[float], nodes: Sequence[float]) -> Found:
        """Do what `driver` does, and lose a node at each of `nodes`, in seconds after the one before."""
        with ThreadPoolExecutor(1) as pool:
            driver = pool.submit(self.driver, kills, shards)
            for moment in nodes:  # Ray starts nodes in the main thread alone
                wait([driver], timeout=moment)
                if driver.done():
                    break
                self._nodes.lose(self._nodes.alive[0])
                with self._lock:
                    self.found.kills["a node"] = self.found.kills.get("a node", 0) + 1
                    self.found.lost_hosts += 1
                self._nodes.add()
            return driver.result()

    def _start(self, command: Sequence[object], host: Path) -> Running:
        more = {"TMPDIR": str(host / "scratch"), "HOME": str(self._home), "PATH": os.environ["PATH"], **QUIET}
        return Running(*command, aws=self._aws, directory=host, waits=self._waits, **more)


def campaign(*, kills: int, seed: int, rows: int, rate: float, service_s: float) -> Found:
    """Kill so many, some of each run, one run after another."""
    rng, total = random.Random(seed), Found()
    lasts = rows / rate + service_s + 5.0
    with tempfile.TemporaryDirectory(prefix="fanout-ray-") as name, slow_aws(service_s) as aws:
        work = Path(name)
        os.environ.update(QUIET, HOME=name)  # Ray writes its token there
        given = make_input(work / "in.jsonl", rows, seed=seed, large_share=0.02)
        nodes = Nodes(work, aws.env, cores=SHARDS)
        try:
            nodes.add()
            nodes.add()
            while total.killed < kills:
                began = time.monotonic()
                directory = work / f"run-{seed}-{total.runs}"
                directory.mkdir()
                run = RayRun(aws, directory, given, rate=rate, waits=UNHURRIED, nodes=nodes, home=work)
                drivers = [Kill(rng.uniform(10.0, 10.0 + lasts)) for _ in range(rng.randint(0, 1))]
                shards = [rng.uniform(15.0, lasts) for _ in range(rng.randint(0, 2))]
                lost = [rng.uniform(15.0, lasts) for _ in range(rng.randint(0, 2))]
                found = run.on_nodes(drivers, shards, lost)
                total.add(found)
                sys.stderr.write(
                    f"run {total.runs}: {found.kills}, {len(found.complaints)} complaints, "
                    f"{time.monotonic() - began:.0f} s, {total.killed} kills\n"
                )
                shutil.rmtree(directory, ignore_errors=True)
        finally:
            nodes.cluster.shutdown()
    return total


def main() -> int:
    """Run the campaign that the command line asks for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kills", type=int, default=40)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rows", type=int, default=300)
    parser.add_argument("--rate", type=float, default=50.0)
    parser.add_argument("--service-s", type=float, default=60.0)
    asked = parser.parse_args()
    found = campaign(
        kills=asked.kills, seed=asked.seed, rows=asked.rows, rate=asked.rate, service_s=asked.service_s
    )
    sys.stdout.write(found.table(service_s=asked.service_s, workers=1) + "\n")
    for complaint in found.complaints:
        sys.stdout.write(f"{complaint}\n")
    return 0 if found.sound else 1


if __name__ == "__main__":
    sys.exit(main())
