"""Kills runs at random moments and at every fail point, resumes each to its end, and counts what that did.

    python tests/crash/campaign.py --kills 300 --seed 1 [--rows 5000] [--client wire] [--points 2] [--keep DIR]

Everything goes through the real command line and a local AWS that survives. Prints tables in Markdown and leaves
with 1 if a row was lost, doubled, sent again without being counted, or came out otherwise than undisturbed.
"""

from __future__ import annotations

import argparse
import random
import shutil
import statistics
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # as pytest's `pythonpath` does

from support.audit import audit, audit_place, audit_silence, uncounted_resends
from support.cli import LocalAws, local_aws
from support.leftovers import Leftovers, leftovers
from support.outputs_in_s3 import download, in_s3
from support.processes import (
    KILLED,
    NEEDLE,
    OUTPUT,
    QUICK,
    RESUME,
    Exited,
    Input,
    Running,
    make_input,
    run_command,
    sent,
)

from fanout.failpoints import POINTS, VARIABLE

OFTEN = frozenset({"upload.stored", "intent.durable", "send.accepted", "ack.deleted"})
"""Points that any run passes several times, however fast it is."""
KEPT = frozenset({"place.claimed", "segment.stored", "part.stored", "snapshot.stored"})
"""Points that a run passes whose state is kept in S3: `place_campaign.py` has them."""
PLACING = frozenset({"output.uploaded", "output.published"})
"""Points that a run with an output in S3 passes."""
SLOW_S = 5.0
"""A resume is to send or collect within this time."""
FORGED = (
    "faults.forged_ends=0.3",
    "forgery.delay.median_s=0.05",
    "forgery.delay.sigma=1",
    "forgery.copies=2",
)
"""Three rows of ten are said to have failed, expired or been completed, before and after they are."""
MAX_PROCESSES = 12  # of one run: none is killed more than three times

Kill = float | str
"""Seconds after the start of the process, or a fail point (`name[:count]`) that it is to die at."""
Content = list[tuple[object, ...]]


@dataclass
class Disturbed:
    """A run that was killed and resumed to its end."""

    kills: list[str] = field(default_factory=list)
    first_activity_s: list[float] = field(default_factory=list)
    rows: int = 0
    lost: int = 0
    doubled: int = 0
    uncounted: int = 0
    resends: int = 0
    differing: int = 0
    complaint: str | None = None

    @property
    def sound(self) -> bool:
        return not (self.lost or self.doubled or self.uncounted or self.differing or self.complaint)


def undisturbed(aws: LocalAws, directory: Path, given: Input) -> tuple[Content, float]:
    """Return what an undisturbed run makes of the input, and how long its process takes."""
    exited = _start(aws, directory, given).wait()
    assert exited.code == 0, exited.stderr
    return content(pq.read_table(directory / OUTPUT)), exited.ended_at - exited.began_at


def disturbed(
    aws: LocalAws,
    directory: Path,
    given: Input,
    *,
    kills: Iterable[Kill],
    expected: Content | None = None,
    output: str = OUTPUT,
    **variables: str,
) -> Disturbed:
    """Run in `directory`, kill each process in turn as `kills` says, resume to the end, and count what came of it.

    An `output` in S3 is looked at as one on this machine is: after each process it is absent or complete.
    """
    found = Disturbed(rows=len(given.payloads))
    exits: list[Exited] = []
    reported: list[pa.Table] = []
    planned = iter(kills)
    while not exits or exits[-1].code == KILLED:
        assert len(exits) < MAX_PROCESSES, "it does not end"
        kill = next(planned, None)
        armed = {VARIABLE: kill} if isinstance(kill, str) else {}
        process = _start(aws, directory, given, output=output, **armed, **variables)
        exits.append(process.kill_after(kill) if isinstance(kill, float) else process.wait())
        left = leftovers(directory / "rd")
        if output != OUTPUT:
            download(aws, output, directory / OUTPUT)
        audit_place(directory / OUTPUT, len(given.payloads))
        _audit_silence(aws, directory, exits[-1])
        if exits[-1].code == KILLED:
            found.kills.append(_moment(left, len(given.payloads)))
            if left.reported is not None:
                reported.append(left.reported)
    try:
        _judge(found, aws, directory, given, exits, reported=reported, expected=expected)
    except (AssertionError, OSError) as error:
        found.complaint = str(error) or type(error).__name__
    return found


def content(table: pa.Table) -> Content:
    """Return what must not depend on how often a run was killed: row, id, status, and the answer's digest and size."""
    lines = table.select(["row", "id", "status", "response"]).to_pylist()
    answers = [orjson.loads(line["response"] or b"{}") for line in lines]
    return [
        (line["row"], line["id"], line["status"], answer.get("sha256"), answer.get("bytes"))
        for line, answer in zip(lines, answers, strict=True)
    ]


def _start(
    aws: LocalAws, directory: Path, given: Input, *, output: str = OUTPUT, **variables: str
) -> Running:
    """Start the run, or resume it if it has come so far that it can be."""
    begun = (directory / "rd" / "run.json").exists()
    command = RESUME if begun else run_command(given, aws, output=output)
    return Running(*command, aws=aws, directory=directory, **variables)


def _judge(
    found: Disturbed,
    aws: LocalAws,
    directory: Path,
    given: Input,
    exits: Sequence[Exited],
    *,
    reported: Sequence[pa.Table],
    expected: Content | None,
) -> None:
    last = exits[-1]
    assert last.code == 0, f"exit {last.code}: {last.stderr}"
    table = pq.read_table(directory / OUTPUT)
    log = sent(aws, directory)
    rows = Counter(table["row"].to_pylist())
    found.lost = sum(row not in rows for row in range(len(given.payloads)))
    found.doubled = sum(count - 1 for count in rows.values())
    found.uncounted = sum(uncounted_resends(log, table).values())
    found.resends = sum(table["resends"].to_pylist())
    if expected is not None:
        found.differing = sum(one != other for one, other in zip(content(table), expected, strict=True))
    active_at = sorted(
        [float(str(line["arrived_at"])) for line in log]
        + [instant.timestamp() for instant in table["fetched_at"].to_pylist() if instant is not None]
    )
    for process in exits[1:]:
        first = next((at for at in active_at if process.began_at <= at < process.ended_at), None)
        if first is not None:
            found.first_activity_s.append(first - process.began_at)
    audit(table, given.payloads, accepted=log, reported=reported, exit_code=last.code)


def _audit_silence(aws: LocalAws, directory: Path, exited: Exited) -> None:
    files = [path for path in (directory / "rd").glob("*") if path.is_file()]
    texts = [(path.name, path.read_bytes()) for path in files]
    texts += [("stdout", exited.stdout.encode()), ("stderr", exited.stderr.encode())]
    secrets = [aws.env[name].encode() for name in ("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")]
    audit_silence(texts, [NEEDLE, *secrets])


def _moment(left: Leftovers, rows: int) -> str:
    """Return where a run stood when it was killed."""
    if not left.known:
        return "before the first row"
    return "finishing" if left.durable == rows else "under way"


def random_kills(
    aws: LocalAws, work: Path, given: Input, *, kills: int, seed: int, keep: Path | None
) -> list[Disturbed]:
    """Kill runs one to three times each at moments drawn from `seed`, until `kills` processes have died."""
    rng = random.Random(seed)
    (work / "undisturbed").mkdir()
    expected, seconds = undisturbed(aws, work / "undisturbed", given)
    found: list[Disturbed] = []
    while (done := sum(len(run.kills) for run in found)) < kills:
        directory = work / f"run-{len(found)}"
        directory.mkdir()
        moments = [rng.uniform(0.0, 1.1 * seconds) for _ in range(min(rng.randint(1, 3), kills - done))]
        found.append(disturbed(aws, directory, given, kills=moments, expected=expected))
        _report(found[-1], directory, f"seed {seed}, run {len(found) - 1}, kills at {moments}", keep)
        shutil.rmtree(directory)
        sys.stderr.write(f"\r{sum(len(run.kills) for run in found)} of {kills} kills")
    sys.stderr.write("\n")
    return found


def every_point(
    aws: LocalAws, work: Path, given: Input, *, times: int, seed: int, keep: Path | None
) -> dict[str, Disturbed]:
    """Kill `times` runs at each fail point, at its first pass, then at later ones; each once more in its resume."""
    rng = random.Random(seed)
    found: dict[str, Disturbed] = {}
    for name in sorted(POINTS - KEPT):
        total = found[name] = Disturbed()
        for turn in range(times):
            directory = work / f"{name}-{turn}"
            directory.mkdir()
            count = rng.randint(2, 5) if turn and name in OFTEN else 1
            output = in_s3(aws, directory.name) if name in PLACING else OUTPUT
            run = disturbed(aws, directory, given, kills=[f"{name}:{count}", name], output=output)
            if not run.kills:
                run.complaint = f"{name}:{count} was never passed"
            _report(run, directory, f"{name}:{count}", keep)
            _add(total, run)
            shutil.rmtree(directory)
    return found


def _report(run: Disturbed, directory: Path, how: str, keep: Path | None) -> None:
    """Say what is wrong with a run, and keep its directory if that is wanted."""
    if run.sound and max(run.first_activity_s, default=0.0) < SLOW_S:
        return
    sys.stderr.write(f"\n{how}: {run}\n")
    if keep is not None:
        shutil.copytree(directory, keep / directory.name, dirs_exist_ok=True)


def _add(total: Disturbed, run: Disturbed) -> None:
    for name in ("rows", "lost", "doubled", "uncounted", "resends", "differing"):
        setattr(total, name, getattr(total, name) + getattr(run, name))
    total.kills += run.kills
    total.first_activity_s += run.first_activity_s
    total.complaint = total.complaint or run.complaint


def kills_table(found: Sequence[Disturbed], *, client: str) -> str:
    """Return the outcome of random kills as a Markdown table."""
    total = Disturbed()
    for run in found:
        _add(total, run)
    moments = Counter(total.kills)
    waits = total.first_activity_s or [float("nan")]
    lines = (
        ("client", client),
        ("kills at random moments", f"{len(total.kills):,}"),
        *((f"... {moment}", f"{moments[moment]:,}") for moment in ("before the first row", "under way", "finishing")),
        ("runs, each resumed to its end", f"{len(found):,}"),
        ("rows", f"{total.rows:,}"),
        ("rows lost", f"{total.lost:,}"),
        ("rows doubled", f"{total.doubled:,}"),
        ("re-sends not counted", f"{total.uncounted:,}"),
        ("rows with another content than undisturbed", f"{total.differing:,}"),
        ("re-sends, counted", f"{total.resends:,}"),
        ("seconds from a resume's start to its first request or result, median", f"{statistics.median(waits):.2f}"),
        ("... most", f"{max(waits):.2f}"),
        ("runs that failed the audit", f"{sum(not run.sound for run in found):,}"),
    )  # fmt: skip
    return "\n".join(["| | |", "|---|---:|", *(f"| {name} | {value} |" for name, value in lines)])


def points_table(found: dict[str, Disturbed]) -> str:
    """Return the outcome of every fail point as a Markdown table."""
    head = "| fail point | kills | rows | lost | doubled | uncounted | re-sends | audit |"
    lines = [
        f"| `{name}` | {len(run.kills)} | {run.rows:,} | {run.lost} | {run.doubled} | {run.uncounted} "
        f"| {run.resends} | {'passed' if run.sound else 'FAILED'} |"
        for name, run in found.items()
    ]
    return "\n".join([head, "|---|---:|---:|---:|---:|---:|---:|---|", *lines])


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the campaign that the command line asks for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kills", type=int, default=30)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rows", type=int, default=5_000)
    parser.add_argument("--client", choices=("wire", "aiobotocore"), default="wire")
    parser.add_argument("--points", type=int, default=0, help="runs to kill at each fail point, of 300 rows")
    parser.add_argument(
        "--keep", type=Path, help="where to keep the directories of runs that failed the audit"
    )
    options = parser.parse_args(arguments)
    sound = True
    with tempfile.TemporaryDirectory(prefix="fanout-campaign-") as name, local_aws(*QUICK, *FORGED) as aws:
        aws.env["FANOUT_TRANSPORT_CLIENT"] = options.client
        work = Path(name)
        if options.kills:
            given = make_input(work / "in.jsonl", options.rows, seed=options.seed)
            found = random_kills(aws, work, given, kills=options.kills, seed=options.seed, keep=options.keep)
            sound &= all(run.sound for run in found)
            sys.stdout.write(kills_table(found, client=options.client) + "\n\n")
        if options.points:
            given = make_input(work / "few.jsonl", 300, seed=options.seed)
            points = every_point(aws, work, given, times=options.points, seed=options.seed, keep=options.keep)
            sound &= all(run.sound for run in points.values())
            sys.stdout.write(points_table(points) + "\n")
    return 0 if sound else 1


if __name__ == "__main__":
    sys.exit(main())
