"""Kills runs at random moments, has `fanout gc` clear away what they left, and counts what is there afterwards.

Every other run keeps its state in S3: its place, its claim on the output and what it noted there are cleared away, too.

    python tests/crash/clean_up.py --kills 50 --seed 1 [--rows 300] [--client wire]

Beside the runs that are killed two live, one in a directory and one at a place, and other programs have queues,
subscriptions, objects and uploads of their own with names like ours. Leaves with 1 if anything of a killed run is left,
if anything of others is gone, or if a run that lives comes to another end than undisturbed.
"""

from __future__ import annotations

import argparse
import random
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import anyio
import orjson
import pyarrow.parquet as pq

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # as pytest's `pythonpath` does

from support.audit import audit
from support.cli import LocalAws, local_aws
from support.outputs_in_s3 import in_s3
from support.processes import KILLED, QUICK, Exited, Input, Running, make_input
from support.settings import aws_settings

from fanout.aws.session import AwsCloud, open_cloud
from fanout.domain.dead_claims import RENEWED_S
from fanout.domain.ids import parse_input_key
from fanout.domain.location import Location
from fanout.failpoints import POINTS, VARIABLE
from fanout.output.object_place import CLAIM_SUFFIX
from fanout.runtime.place.run_place import run_place

PLACES = "runs/"
LOOKS_LIKE = "aaaaaaaaaa"
"""A run id by which other programs call their things."""


class Things(NamedTuple):
    """What is there in the account, by name."""

    queues: frozenset[str]
    subscriptions: frozenset[tuple[str, str]]
    payloads: frozenset[str]
    uploads: frozenset[tuple[str, str]]
    kept: frozenset[str]
    """Objects at places of runs, and claims that runs hold which are kept there."""

    def minus(self, other: Things) -> Things:
        return Things(*(mine - theirs for mine, theirs in zip(self, other, strict=True)))

    @property
    def count(self) -> int:
        return sum(map(len, self))


@dataclass
class Found:
    """What came of it."""

    kills: int = 0
    left_behind: int = 0
    left: list[object] = field(default_factory=list)
    missing: list[object] = field(default_factory=list)
    said: str = ""
    complaint: str | None = None

    @property
    def sound(self) -> bool:
        return not (self.left or self.missing or self.complaint)


def settings_of(aws: LocalAws):
    return aws_settings(
        region=aws.env["AWS_REGION"],
        endpoint_url=aws.url,
        access_key_id=aws.env["AWS_ACCESS_KEY_ID"],
        secret_access_key=aws.env["AWS_SECRET_ACCESS_KEY"],
        session_token=aws.env["AWS_SESSION_TOKEN"],
    )


def in_account(aws: LocalAws, main):
    """Return what `main` returns, given the account."""

    async def opened():
        async with open_cloud(settings_of(aws)) as cloud:
            return await main(cloud)

    return anyio.run(opened)


def things(aws: LocalAws) -> Things:
    """Return what is there now."""

    async def look(cloud: AwsCloud) -> Things:
        finds = cloud.leftovers
        urls, _ = await finds.queues("")
        subscriptions = await finds.subscriptions(None)
        keys = [
            info.location.key async for page in cloud.objects.list(aws.bucket, "inputs/") for info in page
        ]
        uploads = await finds.uploads(aws.bucket, "")
        kept = [info.location.key async for page in cloud.objects.list(aws.bucket, PLACES) for info in page]
        async for page in cloud.objects.list(aws.bucket, "outputs-of-tests/kept-"):
            kept += [info.location.key for info in page if info.location.key.endswith(CLAIM_SUFFIX)]
        return Things(
            frozenset(url.rpartition("/")[2] for url in urls),
            frozenset((each.arn, each.queue) for each in subscriptions),
            frozenset(keys),
            frozenset((each.location.key, each.id) for each in uploads),
            frozenset(kept),
        )

    return in_account(aws, look)


def others(aws: LocalAws) -> None:
    """Have other programs put their things beside ours."""

    async def make(cloud: AwsCloud) -> None:
        sqs, sns = cloud._clients["sqs"], cloud._clients["sns"]
        topic = (await cloud.control.describe(aws.endpoint)).topics[0]
        for name in (f"fanout-{LOOKS_LIKE}", "fanout-dead-letters", "theirs"):
            url = (await sqs.create_queue(QueueName=name))["QueueUrl"]
            names = ["QueueArn"]
            told = await sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)
            await sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=told["Attributes"]["QueueArn"])
        for key in (f"inputs/01/{LOOKS_LIKE}/0", "inputs/00/not-a-run/0", "inputs/readme", "theirs/big"):
            await cloud.objects.put(Location(aws.bucket, key), b"theirs")
            await cloud.objects.begin_upload(Location(aws.bucket, key))
        for key in (
            "theirs/run.json",
            "theirs/journal/latest",
            "theirs/summary.json",
            "readme",
            "living/theirs",
        ):
            await cloud.objects.put(Location(aws.bucket, PLACES + key), b'{"run": "theirs"}')

    in_account(aws, make)


def start(aws: LocalAws, work: Path, given: Input, output: str, *more: object, **variables: str) -> Running:
    """Start a run, whose directory stands in `.fanout` below `work` unless another is named."""
    return Running(
        "run", given.path, "--endpoint", aws.endpoint, "-o", output, "--id-column", "id", "-q", *more,
        aws=aws, directory=work, **variables,
    )  # fmt: skip


def kill_many(aws: LocalAws, work: Path, given: Input, *, kills: int, rng: random.Random) -> int:
    """Kill so many runs, at random moments and at fail points; return how many were."""
    undisturbed = start(aws, work, given, "undisturbed.parquet").wait()
    assert undisturbed.code == 0, undisturbed.stderr
    seconds = undisturbed.ended_at - undisturbed.began_at
    killed, points = 0, sorted(POINTS)
    for number in range(4 * kills):
        if killed == kills:
            break
        kept = number % 2
        name = f"kept-{number}" if kept else f"killed-{number}"
        output = in_s3(aws, name) if number % 4 > 1 else f"{name}.parquet"
        more = ("--run-dir", f"s3://{aws.bucket}/{PLACES}{name}") if kept else ()
        if number % 3:
            exited = start(aws, work, given, output, *more).kill_after(rng.uniform(0.2, 1.1) * seconds)
        else:
            point = points[(number // 3) % len(points)]
            exited = start(aws, work, given, output, *more, **{VARIABLE: point}).wait()
        killed += exited.code == KILLED
    return killed


@dataclass
class Living:
    """A run that lives, so slow that it is at work until it is told to stop."""

    where: str
    output: str
    process: Running
    work: Path
    run: str = ""

    def accepted(self, aws: LocalAws) -> list[dict[str, object]]:
        """Return what the endpoint has accepted of it."""
        self.run = self.run or _run_at(aws, self.where, self.work)
        return aws.of(self.run) if self.run else []


def _run_at(aws: LocalAws, where: str, work: Path) -> str:
    if not where.startswith("s3://"):
        path = work / where / "run.json"
        return str(orjson.loads(path.read_bytes())["run"]) if path.exists() else ""
    manifest = run_place(where).manifest

    async def read(cloud: AwsCloud) -> str:
        if await cloud.objects.head(manifest) is None:
            return ""
        return str(orjson.loads((await cloud.objects.get(manifest)).body)["run"])

    return in_account(aws, read)


def clean_up(aws: LocalAws, work: Path, *, kills: int, rows: int, seed: int) -> Found:
    """Kill runs beside one that lives, clear away what they left, and return what is there afterwards."""
    rng = random.Random(seed)
    given = make_input(work / "in.jsonl", rows, seed=seed)
    others(aws)
    theirs = things(aws)
    slowly = {"FANOUT_PACING_RATE": "0.5", "FANOUT_PACING_BURST": "10"}
    every = []
    for where in ("living", f"s3://{aws.bucket}/{PLACES}living"):
        output = f"living-{len(every)}.parquet"
        process = start(aws, work, given, output, "--run-dir", where, **slowly)
        every.append(Living(where, output, process, work))
    for living in every:
        living.process.until(lambda living=living: len(living.accepted(aws)) > 3)
    found = Found(kills=kill_many(aws, work, given, kills=kills, rng=rng))
    before, runs = things(aws), [living.run for living in every]
    found.left_behind = _not_of(before.minus(theirs), runs).count
    told = _collected(aws, work, found)
    after = things(aws)
    found.left = [each for kind in _not_of(after.minus(theirs), runs) for each in kind]
    found.missing = [each for kind in theirs.minus(after) for each in kind]
    for living in every:
        if not any(living.run in name for name in after.queues):
            found.missing.append(f"the queue of the run that lives in {living.where}")
        if any(each["outcome"] == "removed" for each in told if each["run"] == living.run):
            found.missing.append(f"something of the run that lives in {living.where}")
        living.process.signal(signal.SIGTERM)
        assert living.process.wait().code == 75
        resumed = Running("resume", living.where, "--rate", "1000", "-q", aws=aws, directory=work).wait()
        found.complaint = found.complaint or _complaint(aws, work, given, living, resumed)
    return found


def _collected(aws: LocalAws, work: Path, found: Found) -> list[dict[str, object]]:
    """Collect the garbage, and return all that was told of it.

    The claim of a start that was killed before its run began is found by `-o` alone, as nothing else tells of it, and
    passes for a live one's until its renewals have failed to come: so long, gc is called again.
    """
    told: list[dict[str, object]] = []
    until = time.monotonic() + 2.0 * RENEWED_S
    while True:
        exited = Running(
            "gc", "--delete", "--older-than", "0s", "--unfinished", "--input-prefix", f"s3://{aws.bucket}/inputs",
            "-o", f"s3://{aws.bucket}/outputs-of-tests/", "--run-dir", "living", "--run-dir",
            f"s3://{aws.bucket}/{PLACES}", "--json",
            aws=aws, directory=work,
        ).wait()  # fmt: skip
        found.said += exited.stderr
        if exited.code != 0:
            found.complaint = f"gc: exit {exited.code}: {exited.stderr}"
            return told
        now = orjson.loads(exited.stdout)["found"]
        told += now
        at_work = [each for each in now if each["kind"] == "claim" and "at work" in str(each["reason"])]
        if not any(str(each["name"]).startswith("s3://") for each in at_work) or time.monotonic() > until:
            return told


def discarded(aws: LocalAws, work: Path, *, rows: int, seed: int) -> Things:
    """Kill a run once it has sent something, give it up, and return what is there then that was not before."""
    given = make_input(work / "in.jsonl", rows, seed=seed)
    before = things(aws)
    killed = start(aws, work, given, in_s3(aws, "discarded"), **{VARIABLE: "intent.durable:2"}).wait()
    assert killed.code == KILLED
    assert things(aws).minus(before).count > 3
    (directory,) = (work / ".fanout").iterdir()
    gone = Running("discard", directory, "--yes", "-q", aws=aws, directory=work).wait()
    assert (gone.code, gone.stderr) == (0, "")
    assert not directory.exists()
    return things(aws).minus(before)


def _not_of(these: Things, runs: Sequence[str]) -> Things:
    """Return what is not of the runs that live."""

    def is_of(name: str) -> bool:
        return any(run in name for run in runs)

    payloads = frozenset(
        key for key in these.payloads if (parse_input_key(key, "inputs") or ("",))[0] not in runs
    )
    return Things(
        frozenset(name for name in these.queues if not is_of(name)),
        frozenset(each for each in these.subscriptions if not is_of(each[1])),
        payloads,
        frozenset(each for each in these.uploads if not is_of(each[0])),
        frozenset(key for key in these.kept if not key.startswith(f"{PLACES}living/")),
    )


def _complaint(aws: LocalAws, work: Path, given: Input, living: Living, exited: Exited) -> str | None:
    """Return what is wrong with a run that lived, None if nothing is."""
    if exited.code != 0:
        return f"the run that lived in {living.where}: exit {exited.code}: {exited.stderr}"
    table = pq.read_table(work / living.output)
    try:
        audit(table, given.payloads, accepted=living.accepted(aws), exit_code=0)
    except AssertionError as error:
        return f"the run that lived in {living.where}: {error}"
    return None


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rows", type=int, default=300)
    parser.add_argument("--client", choices=("wire", "aiobotocore"), default="wire")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="fanout-clean-up-") as name, local_aws(*QUICK) as aws:
        aws.env["FANOUT_TRANSPORT_CLIENT"] = options.client
        found = clean_up(aws, Path(name), kills=options.kills, rows=options.rows, seed=options.seed)
    lines = (
        ("client", options.client),
        ("runs killed", f"{found.kills:,}"),
        (
            "queues, subscriptions, payloads, uploads, and objects of places that they left",
            f"{found.left_behind:,}",
        ),
        ("... after `fanout gc --delete --older-than 0s --unfinished -o s3://…`", f"{len(found.left):,}"),
        ("things of others, or of the runs that lived, that are gone", f"{len(found.missing):,}"),
    )
    table = ["| | |", "|---|---:|", *(f"| {name} | {value} |" for name, value in lines)]
    sys.stdout.write("\n".join(table) + "\n")
    if not found.sound:
        sys.stderr.write(f"{found}\n")
    return 0 if found.sound else 1


if __name__ == "__main__":
    sys.exit(main())
