"""Shards whose input, state and output are in S3, on hosts that share nothing else: the real commands, killed."""

from __future__ import annotations

import json
import shutil
import signal

import pyarrow.parquet as pq
import pytest
from support.audit import audit
from support.cli import local_aws
from support.outputs_in_s3 import download, upload
from support.processes import KILLED, QUICK, Running, make_input

ROWS = 400


@pytest.fixture(scope="module")
def aws():
    with local_aws(*QUICK) as running:
        yield running


class Sharded:
    """One run, each of whose processes has a directory of its own, as a host has a disk of its own."""

    def __init__(self, aws, directory):
        self.aws, self.directory = aws, directory
        self.given = make_input(directory / "in.jsonl", ROWS, seed=4, large_share=0.05)
        name = directory.name
        self.input = f"s3://{aws.bucket}/questions-{name}/"
        half = len(b"".join(line + b"\n" for line in self.given.payloads[: ROWS // 2]))
        body = self.given.path.read_bytes()
        upload(aws, f"{self.input}a.jsonl", body[:half])
        upload(aws, f"{self.input}b.jsonl", body[half:])
        self.place = f"s3://{aws.bucket}/runs/{name}"
        self.output = f"s3://{aws.bucket}/answers/{name}.parquet"
        self.hosts = 0

    def start(self, *words, command="run", rate=150):
        self.hosts += 1
        host = self.directory / f"host-{self.hosts}"
        host.mkdir()
        if command == "run":
            words = (
                self.input, "--endpoint", self.aws.endpoint, "-o", self.output, "--run-dir", self.place,
                "--id-column", "id", "--rate", rate, *words,
            )  # fmt: skip
        else:
            words = (self.place, *words)
        return Running(
            command,
            *words,
            *(() if command == "cancel" else ("--json",) if command == "status" else ("-q", "--json")),
            aws=self.aws,
            directory=host,
            TMPDIR=str(host),
        )

    def accepted(self):
        path = self.directory / "plan.json"
        download(self.aws, f"{self.place}/plan.json", path)
        if not path.exists():
            return []
        return [
            line for shard in json.loads(path.read_bytes())["shards"] for line in self.aws.of(shard["run"])
        ]

    def audited(self):
        download(self.aws, self.output, self.directory / "out.parquet")
        table = pq.read_table(self.directory / "out.parquet")
        audit(table, self.given.payloads, accepted=self.accepted())


@pytest.fixture
def sharded(aws, tmp_path):
    return Sharded(aws, tmp_path)


@pytest.mark.campaign
def test_a_host_is_lost_and_another_goes_on_with_its_shard(sharded):
    shards = [sharded.start("--shard", f"{index}/3") for index in range(3)]
    shards[0].until(lambda: len(sharded.accepted()) > 60)
    shards[0].signal(signal.SIGKILL)
    assert shards[0].wait().code == KILLED
    shutil.rmtree(sharded.directory / "host-1")
    early = sharded.start(command="merge").wait()
    assert early.code == 75
    assert "--shard 0/3" in early.stderr
    again = sharded.start("--shard", "0/3").wait()
    assert [again.code, *(each.wait().code for each in shards[1:])] == [0, 0, 0], again.stderr
    told = json.loads(sharded.start(command="status").wait().stdout)
    assert (told["state"], told["rows"], told["next"]) == ("stopped", ROWS, f"fanout merge {sharded.place}")
    merged = sharded.start(command="merge").wait()
    assert merged.code == 0, merged.stderr
    assert json.loads(merged.stdout)["output"] == sharded.output
    sharded.audited()


def test_of_two_machines_on_one_shard_exactly_one_has_it(sharded):
    both = [sharded.start("--shard", "0/1", rate=50) for _ in range(2)]
    ended = [each.wait() for each in both]
    assert sorted(each.code for each in ended) == [0, 5], [each.stderr for each in ended]
    third = sharded.start("--shard", "0/1", rate=50).wait()
    assert third.code == 0
    assert "was finished by an earlier process: nothing was sent" in third.stderr
    assert sharded.start(command="merge").wait().code == 0
    sharded.audited()


@pytest.mark.campaign
def test_all_shards_by_one_command_which_another_host_finishes(sharded):
    first = sharded.start("--shards", "3", "--at-once", "3", rate=100)
    first.until(lambda: len(sharded.accepted()) > 100)
    first.signal(signal.SIGTERM)
    stopped = first.wait()
    assert stopped.code == 75, stopped.stderr
    assert f"fanout resume {sharded.place}" in stopped.stderr
    shutil.rmtree(sharded.directory / "host-1")
    told = json.loads(sharded.start(command="status").wait().stdout)
    assert (told["state"], len(told["shards"])) == ("stopped", 3)
    finished = sharded.start(command="resume").wait()
    assert finished.code == 0, finished.stderr
    sharded.audited()


@pytest.mark.campaign
def test_a_cancelled_run_starts_no_shard_on_any_host(sharded):
    finished = sharded.start("--shard", "0/2").wait()
    assert finished.code == 0, finished.stderr
    cancelled = sharded.start(command="cancel").wait()
    assert cancelled.code == 0
    assert "0 shards at work stop in order, 1 of 2 had finished" in cancelled.stderr
    refused = sharded.start("--shard", "1/2").wait()
    assert refused.code == 2
    assert f"was cancelled: `fanout resume {sharded.place}` goes on with it" in refused.stderr
