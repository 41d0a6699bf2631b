"""Kills the shards of runs that are kept in S3, their hosts, merges and drivers, and counts what that did.

    python tests/crash/shard_campaign.py --kills 300 --workers 8 [--service-s 60] [--rows 300] [--rate 50] [--seed 1]

Two of three runs are arrays: each shard is a command of its own on a host of its own, which is started again as a
scheduler would, half of the time on another host, after the first and its disk are gone; then they are merged. Every
third run is one command that starts all of its shards: it is killed, or one of its shards is, and it is resumed.
Workers wait more than they compute: many run side by side, each with a local AWS of its own. Prints a table in Markdown
and leaves with 1 if a row was lost, doubled, or sent again without being counted.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path

import pyarrow.parquet as pq

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # as pytest's `pythonpath` does

from support.audit import audit, rows_before, run_of, uncounted_resends
from support.cli import LocalAws
from support.outputs_in_s3 import download
from support.processes import KILLED, NEEDLE, Exited, Input, Running, make_input
from support.workers import campaign, slow_aws

from fanout.rundir.shard_plan import parse_plan

SHARDS = 3
MAX_STARTS = 15  # of one command
AGAIN = {KILLED, 5, 75}
"""Exit codes at which a scheduler starts a shard again (`docs/shards.md`)."""
UNHURRIED = {"FANOUT_COLLECT_QUIET_S": "5", "FANOUT_OUTPUT_PART_S": "2"}
PATIENCE_S = 1_200.0


@dataclass
class Found:
    """What kills did.

    Attributes:
        kills: Processes killed, by what they were.
        lost_hosts: How many of them with host and disk.
    """

    kills: dict[str, int] = field(default_factory=dict)
    lost_hosts: int = 0
    runs: int = 0
    rows: int = 0
    lost: int = 0
    doubled: int = 0
    uncounted: int = 0
    resends: int = 0
    accepted_twice: int = 0
    complaints: list[str] = field(default_factory=list)

    @property
    def sound(self) -> bool:
        return not (self.lost or self.doubled or self.uncounted or self.complaints)

    @property
    def killed(self) -> int:
        return sum(self.kills.values())

    def add(self, other: Found) -> None:
        for name, value in asdict(other).items():
            if name == "kills":
                self.kills = dict(Counter(self.kills) + Counter(value))
            else:
                setattr(self, name, getattr(self, name) + value)

    def table(self, *, service_s: float, workers: int) -> str:
        lines = (
            ("kills at random moments", f"{self.killed:,}"),
            *((f"... of {what}", f"{count:,}") for what, count in sorted(self.kills.items())),
            ("... with host and disk", f"{self.lost_hosts:,}"),
            (f"runs of {SHARDS} shards, each merged in the end", f"{self.runs:,}"),
            ("rows", f"{self.rows:,}"),
            ("the endpoint takes", f"{service_s:g} s"),
            ("side by side", f"{workers}"),
            ("rows lost", f"{self.lost:,}"),
            ("rows doubled", f"{self.doubled:,}"),
            ("rows accepted twice and not counted", f"{self.uncounted:,}"),
            ("rows accepted more than once, counted", f"{self.accepted_twice:,}"),
            ("re-sends counted, those that may not have been any included", f"{self.resends:,}"),
            ("runs that failed the audit", f"{len(self.complaints):,}"),
        )
        return "\n".join(["| | |", "|---|---:|", *(f"| {name} | {value} |" for name, value in lines)])


@dataclass(frozen=True)
class Kill:
    """A process is killed so many seconds after its start, and its host with it if `host`."""

    after_s: float
    host: bool = False


class ShardedRun:
    """One run of several shards, whose processes have nothing in common but S3."""

    def __init__(
        self, aws: LocalAws, directory: Path, given: Input, *, rate: float, at_once: int = SHARDS, waits=None
    ) -> None:
        self._aws, self._directory, self._given = aws, directory, given
        self._waits = waits or UNHURRIED
        self._hosts = 0
        self._lock = threading.Lock()
        self.place = f"s3://{aws.bucket}/runs/{directory.name}"
        self.output = f"s3://{aws.bucket}/outputs/{directory.name}.parquet"
        self.found = Found(runs=1, rows=len(given.payloads))
        self._command = (
            *("run", given.path, "--endpoint", aws.endpoint, "-o", self.output, "--run-dir", self.place),
            *("--id-column", "id", "--rate", rate, "-q", "--json"),
        )
        self._at_once = ("--at-once", at_once)

    def array(self, shards: Sequence[Sequence[Kill]], merges: Sequence[Kill]) -> Found:
        """Run each shard as a command of its own, killed as often as said, then merge, likewise."""
        with ThreadPoolExecutor(len(shards)) as pool:
            exits = list(pool.map(self._shard, range(len(shards)), shards))
        if any(each.code != 0 for each in exits):
            self.found.complaints += [
                f"{self.place}: shard {index}: exit {each.code}: {each.stderr[-400:]}"
                for index, each in enumerate(exits)
                if each.code != 0
            ]
            return self.found
        self._judge(self._until_done("merge", ("merge", self.place, "-q", "--json"), merges))
        return self.found

    def driver(self, kills: Sequence[Kill], shards: Sequence[float]) -> Found:
        """Run all shards by one command, which is killed as often as said, and resumed; `shards` are killed in it."""
        start = (*self._command, "--shards", SHARDS, *self._at_once)
        moments = list(shards)
        exits: list[Exited] = []
        planned = list(kills)
        while not exits or exits[-1].code in AGAIN:
            assert len(exits) < MAX_STARTS, f"it does not end: {exits[-1].stderr[-300:]}"
            begun = bool(exits) and self._has_begun()
            command = ("resume", self.place, "-q", "--json") if begun else start
            if exits and not begun and exits[-1].code != KILLED and "holds a run" in exits[-1].stderr:
                command = ("resume", self.place, "-q", "--json")
            process = self._start(command, host := self._new_host())
            stopper = threading.Thread(target=self._kill_shards, args=(host, moments), daemon=True)
            stopper.start()
            exits.append(self._end(process, planned, "driver", host))
        self._judge(exits[-1])
        return self.found

    def _has_begun(self) -> bool:
        """Whether there is a run to resume: a driver may have been killed before there was one."""
        path = self._directory / "run.json"
        download(self._aws, f"{self.place}/run.json", path)
        return path.exists()

    def _kill_shards(self, host: Path, moments: list[float]) -> None:
        while moments:
            time.sleep(moments[0])
            with suppress(OSError, ValueError, IndexError, KeyError):
                found = sorted(host.glob("scratch/fanout-places/run-*/run/shards/*/status.json"))
                os.kill(json.loads(found[-1].read_bytes())["pid"], signal.SIGKILL)
                with self._lock:
                    self.found.kills["a shard under its driver"] = 1 + self.found.kills.get(
                        "a shard under its driver", 0
                    )
                moments.pop(0)
                continue
            return

    def _shard(self, index: int, kills: Sequence[Kill]) -> Exited:
        command = (*self._command, "--shard", f"{index}/{SHARDS}", *self._at_once)
        return self._until_done("shard", command, kills)

    def _until_done(self, what: str, command: Sequence[object], kills: Sequence[Kill]) -> Exited:
        planned, host = list(kills), self._new_host()
        starts = 0
        while True:
            starts += 1
            exited = self._end(self._start(command, host), planned, what, host)
            if not host.exists():
                host = self._new_host()
            if exited.code not in AGAIN or starts == MAX_STARTS:
                return exited

    def _end(self, process: Running, planned: list[Kill], what: str, host: Path) -> Exited:
        """Return how a process ended: by the next of its kills, unless it was faster."""
        kill = planned.pop(0) if planned else None
        exited = process.wait(PATIENCE_S) if kill is None else process.kill_after(kill.after_s)
        with self._lock:
            if kill is not None and exited.code == KILLED:
                self.found.kills[what] = self.found.kills.get(what, 0) + 1
                if kill.host:
                    self.found.lost_hosts += 1
                    shutil.rmtree(host, ignore_errors=True)
        if NEEDLE.decode() in exited.stderr + exited.stdout:
            self.found.complaints.append(f"{self.place}: a payload was printed")
        return exited

    def _new_host(self) -> Path:
        with self._lock:
            self._hosts += 1
            host = self._directory / f"host-{self._hosts}"
        (host / "scratch").mkdir(parents=True)
        return host

    def _start(self, command: Sequence[object], host: Path) -> Running:
        more = {"TMPDIR": str(host / "scratch")}
        return Running(*command, aws=self._aws, directory=host, waits=self._waits, **more)

    def _judge(self, last: Exited) -> None:
        found, given = self.found, self._given
        try:
            assert last.code == 0, f"exit {last.code}: {last.stderr}"
            path = self._directory / "out.parquet"
            download(self._aws, self.output, path)
            table = pq.read_table(path)
            plan = self._directory / "plan.json"
            download(self._aws, f"{self.place}/plan.json", plan)
            names = [shard.run_id for shard in parse_plan(plan.read_bytes(), plan.name).shards]
            log = [line for name in names for line in self._aws.of(name)]
            rows = Counter(table["row"].to_pylist())
            found.lost += sum(row not in rows for row in range(len(given.payloads)))
            found.doubled += sum(count - 1 for count in rows.values())
            before = rows_before(table)
            placed = [
                {**line, "row": int(str(line["row"])) + before[run_of(line["inference_id"])]} for line in log
            ]
            found.uncounted += sum(uncounted_resends(placed, table).values())
            found.resends += sum(table["resends"].to_pylist())
            found.accepted_twice += sum(
                count - 1 for count in Counter(line["row"] for line in placed).values()
            )
            audit(table, given.payloads, accepted=log, exit_code=last.code)
        except (AssertionError, OSError, KeyError) as error:
            found.complaints.append(f"{self.place}: {str(error) or type(error).__name__}"[:600])


def worker(
    *, kills: int, seed: int, rows: int, rate: float, service_s: float, began: Callable[[], object]
) -> Found:
    """Kill `kills` processes, some of each run, one run after another; `began` is called once AWS serves."""
    rng = random.Random(seed)
    total = Found()
    lasts = rows / rate + service_s + 5.0
    with tempfile.TemporaryDirectory(prefix="fanout-shards-") as name, slow_aws(service_s) as aws:
        work = Path(name)
        began()
        given = make_input(work / "in.jsonl", rows, seed=seed, large_share=0.02)
        while total.killed < kills:
            directory = work / f"run-{seed}-{total.runs}"
            directory.mkdir()
            at_once = 2 if total.runs % 4 == 3 else SHARDS
            run = ShardedRun(aws, directory, given, rate=rate, at_once=at_once)
            if (seed + total.runs) % 3 == 2:
                drivers = [Kill(rng.uniform(0.5, lasts)) for _ in range(rng.randint(1, 2))]
                total.add(
                    run.driver(drivers, [rng.uniform(2.0, lasts / 2) for _ in range(rng.randint(0, 2))])
                )
            else:
                shards = [
                    [Kill(rng.uniform(0.5, lasts), rng.random() < 0.5) for _ in range(rng.randint(0, 2))]
                    for _ in range(SHARDS)
                ]
                merges = [Kill(rng.uniform(0.2, 1.5), rng.random() < 0.5) for _ in range(rng.randint(0, 2))]
                total.add(run.array(shards, merges))
            shutil.rmtree(directory, ignore_errors=True)
    return total


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the campaign that the command line asks for."""
    return campaign(arguments, file=__file__, doc=__doc__, rows=300, worker=worker, counts=Found)


if __name__ == "__main__":
    sys.exit(main())
