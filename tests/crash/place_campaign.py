"""Kills runs whose state is kept in S3, at random moments, on an endpoint that takes its time; counts what that did.

    python tests/crash/place_campaign.py --kills 300 --workers 8 [--service-s 60] [--rows 400] [--rate 50] [--seed 1]

In every third run the host goes with its process: scratch is removed, and the run goes on from another directory, its
output in S3. Workers wait more than they compute: many run side by side, each with a local AWS of its own. Prints
a table in Markdown and leaves with 1 if a row was lost, doubled, sent again without being counted, or left behind.
"""

from __future__ import annotations

import json
import random
import shutil
import statistics
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import anyio
import pyarrow.parquet as pq

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # as pytest's `pythonpath` does

from support.audit import audit, uncounted_resends
from support.cli import LocalAws
from support.outputs_in_s3 import download
from support.processes import KILLED, NEEDLE, Exited, Input, Running, make_input
from support.settings import aws_settings
from support.workers import campaign, slow_aws

from fanout.aws.session import open_cloud
from fanout.concurrency.clock import SystemClock
from fanout.domain.row_state import RowState
from fanout.failpoints import VARIABLE
from fanout.runtime.place.replay import list_journal, read_object, read_state
from fanout.runtime.place.run_place import run_place
from fanout.runtime.place.segment import decode
from fanout.runtime.place.state import PlaceState

MAX_PROCESSES = 12  # of one run
UNHURRIED = {"FANOUT_COLLECT_QUIET_S": "5", "FANOUT_OUTPUT_PART_S": "2"}
"""What a row in doubt waits for follows the service times, as it does by default."""
PUTS_S = 0.5
"""The time of a PUT and of a group, on a machine that has eight workers to see to."""


@dataclass
class Found:
    """What kills did.

    Attributes:
        kills: Processes killed; `lost_hosts` of them with their host.
        uncertain: At each kill, rows of which the place does not tell whether they were sent.
        beyond: How many of them two groups and one PUT's time of sends do not explain.
        first_activity_s: Seconds from a resume's start to its first request or result.
    """

    kills: int = 0
    lost_hosts: int = 0
    runs: int = 0
    rows: int = 0
    lost: int = 0
    doubled: int = 0
    uncounted: int = 0
    resends: int = 0
    accepted_twice: int = 0
    uncertain: list[int] = field(default_factory=list)
    beyond: int = 0
    first_activity_s: list[float] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    @property
    def sound(self) -> bool:
        return not (self.lost or self.doubled or self.uncounted or self.beyond or self.complaints)

    def add(self, other: Found) -> None:
        for name, value in asdict(other).items():
            setattr(self, name, getattr(self, name) + value)

    def table(self, *, service_s: float, workers: int) -> str:
        uncertain, waits = self.uncertain or [0], self.first_activity_s or [float("nan")]
        lines = (
            ("kills at random moments", f"{self.kills:,}"),
            ("... with host and disk", f"{self.lost_hosts:,}"),
            ("runs, each resumed to its end", f"{self.runs:,}"),
            ("rows", f"{self.rows:,}"),
            ("the endpoint takes", f"{service_s:g} s"),
            ("side by side", f"{workers}"),
            ("rows lost", f"{self.lost:,}"),
            ("rows doubled", f"{self.doubled:,}"),
            ("rows accepted twice and not counted", f"{self.uncounted:,}"),
            ("rows accepted more than once, counted", f"{self.accepted_twice:,}"),
            ("re-sends counted, those that may not have been any included", f"{self.resends:,}"),
            ("uncertain rows at a kill, median", f"{statistics.median(uncertain):g}"),
            ("... most", f"{max(uncertain):,}"),
            ("... beyond two groups and one PUT's time of sends", f"{self.beyond:,}"),
            ("seconds from a resume's start to its first request or result, median", f"{statistics.median(waits):.2f}"),
            ("... most", f"{max(waits):.2f}"),
            ("runs that failed the audit", f"{len(self.complaints):,}"),
        )  # fmt: skip
        return "\n".join(["| | |", "|---|---:|", *(f"| {name} | {value} |" for name, value in lines)])


class KeptRun:
    """One run, whose processes have nothing in common but S3."""

    def __init__(
        self,
        aws: LocalAws,
        directory: Path,
        given: Input,
        *,
        rate: float,
        loses_hosts: bool,
        waits: Mapping[str, str] = UNHURRIED,
    ) -> None:
        self._aws, self._directory, self._given = aws, directory, given
        self._rate, self._waits = rate, waits
        self._loses_hosts = loses_hosts
        self.place = run_place(f"s3://{aws.bucket}/runs/{directory.name}")
        self._output = f"s3://{aws.bucket}/outputs/{directory.name}.parquet" if loses_hosts else "out.parquet"
        self._hosts = 0
        self._uncertain: set[int] = set()
        self.found = Found(runs=1, rows=len(given.payloads))

    def go(self, moments: Sequence[float | str]) -> Found:
        """Kill a process at each of these, in seconds since its start or a fail point; then let the last one finish."""
        found, planned, exits = self.found, list(moments), list[Exited]()
        while not exits or exits[-1].code == KILLED:
            assert len(exits) < MAX_PROCESSES, "it does not end"
            kill = planned.pop(0) if planned else None
            armed = {VARIABLE: kill} if isinstance(kill, str) else {}
            process = self._start(begun=bool(exits) and self._has_begun(), **armed)
            exits.append(process.kill_after(kill) if isinstance(kill, float) else process.wait(1_200.0))
            if exits[-1].code == KILLED:
                found.kills += 1
                self._look()
                if self._loses_hosts:
                    found.lost_hosts += 1
                    shutil.rmtree(self._directory / f"host-{self._hosts}")
                    self._hosts += 1
        try:
            self._judge(exits)
        except (AssertionError, OSError) as error:
            found.complaints.append(f"{self.place}: {str(error) or type(error).__name__}"[:600])
        return found

    def _start(self, *, begun: bool, **variables: str) -> Running:
        host = self._directory / f"host-{self._hosts}"
        (host / "scratch").mkdir(parents=True, exist_ok=True)
        command: tuple[object, ...] = ("resume", self.place.uri, "-q", "--json")
        if not begun:
            command = (
                *("run", self._given.path, "--endpoint", self._aws.endpoint, "-o", self._output, "--run-dir"),
                *(self.place.uri, "--id-column", "id", "--rate", self._rate, "-q", "--json"),
            )
        more = variables | {"TMPDIR": str(host / "scratch")}
        return Running(*command, aws=self._aws, directory=host, waits=self._waits, **more)

    def _has_begun(self) -> bool:
        return (
            self._in_s3(lambda objects, clock: read_object(objects, self.place.manifest, clock=clock))
            is not None
        )

    def _look(self) -> None:
        """Count the rows of which nothing tells whether they were sent, and those of them that have no excuse."""

        async def look(objects, clock):
            state = await read_state(objects, self.place, clock=clock)
            if state is None:
                return set(), set()
            uncertain = {line.row for line in state.open.values() if line.state == RowState.INTENT}
            return uncertain, await self._excused(objects, clock, state)

        uncertain, excused = self._in_s3(look)
        self.found.uncertain.append(len(uncertain))
        # What an owner before left so, and this one has not settled yet, was counted then.
        self.found.beyond += len(uncertain - self._uncertain - excused)
        self._uncertain = uncertain

    async def _excused(self, objects, clock, state: PlaceState) -> set[int]:
        """Return the rows of the owner's last two groups, and those sent while its last segments were stored."""
        listing = await list_journal(objects, self.place, clock=clock)
        if listing.snapshots and listing.snapshots[-1] > state.claims[-1]:
            return set(state.open)  # its groups went with a snapshot: how many rows they had cannot be told
        groups: list[set[int]] = []
        for number in reversed([each for each in listing.segments if each > state.claims[-1]]):
            content = await read_object(objects, self.place.segment(number), clock=clock)
            assert content is not None
            segment = decode(content, str(number))
            rows = {line.row for line in segment.lines if line.state == RowState.INTENT}
            if rows:
                groups.append(rows)
            if len(groups) == 2:
                break
        arrived = [
            (float(str(line["arrived_at"])), int(str(line["row"]))) for line in self._aws.of(state.run_id)
        ]
        newest = max(arrived, default=(0.0, 0))[0]
        return set().union(*groups, {row for at, row in arrived if at >= newest - PUTS_S})

    def _judge(self, exits: Sequence[Exited]) -> None:
        last, found, given = exits[-1], self.found, self._given
        assert last.code == 0, f"exit {last.code}: {last.stderr}"
        assert NEEDLE.decode() not in last.stderr + last.stdout
        path = self._directory / f"host-{self._hosts}" / "out.parquet"
        if self._loses_hosts:
            download(self._aws, self._output, path)
        table = pq.read_table(path)
        run_id = json.loads(last.stdout)["run"]
        log = self._aws.of(run_id)
        rows = Counter(table["row"].to_pylist())
        found.lost += sum(row not in rows for row in range(len(given.payloads)))
        found.doubled += sum(count - 1 for count in rows.values())
        found.uncounted += sum(uncounted_resends(log, table).values())
        found.resends += sum(table["resends"].to_pylist())
        found.accepted_twice += sum(count - 1 for count in Counter(line["row"] for line in log).values())
        active_at = sorted(
            [float(str(line["arrived_at"])) for line in log]
            + [instant.timestamp() for instant in table["fetched_at"].to_pylist() if instant is not None]
        )
        for process in exits[1:]:
            first = next((at for at in active_at if process.began_at <= at < process.ended_at), None)
            if first is not None:
                found.first_activity_s.append(first - process.began_at)
        audit(table, given.payloads, accepted=log, exit_code=last.code)
        left = list((self._directory / f"host-{self._hosts}" / "scratch").rglob("run-*"))
        assert not left, f"scratch is left: {left}"

    def _in_s3(self, call):
        settings = aws_settings(
            region=self._aws.env["AWS_REGION"],
            endpoint_url=self._aws.url,
            access_key_id=self._aws.env["AWS_ACCESS_KEY_ID"],
            secret_access_key=self._aws.env["AWS_SECRET_ACCESS_KEY"],
            session_token=self._aws.env["AWS_SESSION_TOKEN"],
        )

        async def main():
            async with open_cloud(settings) as cloud:
                return await call(cloud.objects, SystemClock())

        return anyio.run(main)


def worker(
    *, kills: int, seed: int, rows: int, rate: float, service_s: float, began: Callable[[], object]
) -> Found:
    """Kill `kills` processes, one to four of each run, one run after another; `began` is called once AWS serves."""
    rng = random.Random(seed)
    total = Found()
    with tempfile.TemporaryDirectory(prefix="fanout-places-") as name, slow_aws(service_s) as aws:
        work = Path(name)
        began()
        given = make_input(work / "in.jsonl", rows, seed=seed, large_share=0.02)
        while total.kills < kills:
            directory = work / f"run-{seed}-{total.runs}"
            run = KeptRun(aws, directory, given, rate=rate, loses_hosts=total.runs % 3 == 2)
            count = min(rng.randint(1, 4), kills - total.kills)
            total.add(run.go([rng.uniform(0.5, rows / rate + service_s + 5.0) for _ in range(count)]))
            shutil.rmtree(directory)
    return total


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the campaign that the command line asks for."""
    return campaign(arguments, file=__file__, doc=__doc__, rows=400, worker=worker, counts=Found)


if __name__ == "__main__":
    sys.exit(main())
