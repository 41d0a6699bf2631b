"""What reads and writes outputs in S3 beside a run: report, retry and export, on an account in memory."""

from __future__ import annotations

import functools
import io
from pathlib import Path

import anyio
import pyarrow.parquet as pq
import pytest
from support.cli import write_jsonl
from support.in_memory import in_memory

from fanout.commands.export import export
from fanout.commands.new_run import start_run
from fanout.commands.report import report_with_s3
from fanout.commands.retry import retry_job
from fanout.config.model import Config
from fanout.errors import Exit, RunError, TooManyFailures, UsageError
from fanout.output.object_place import RUN
from fanout.report.build import Asked
from fanout.rundir.paths import RUNS
from fanout.simulator.settings import SimulatorSettings

BUCKET = "simulated"


class Place:
    """A directory to work in, and an account."""

    def __init__(self, monkeypatch, folder):
        self.monkeypatch = monkeypatch
        self.folder = folder
        monkeypatch.chdir(folder)
        write_jsonl(folder / "in.jsonl", [{"n": n} for n in range(20)])
        self.account = in_memory(monkeypatch, settings(failure_share=0.5, seed=2))

    def start(self, path, **sections):
        standard = {
            "endpoint": {"name": "simulated"},
            "input": {"paths": [str(self.folder / "in.jsonl")]},
            "output": {"path": path},
            "retry": {"generations": 0},
        }
        return anyio.run(functools.partial(start_run, Config.model_validate(standard | sections)))

    def rows(self, key):
        return pq.read_table(io.BytesIO(self.object(key).body)).to_pylist()

    def object(self, key):
        return self.account.world.objects.find(BUCKET, key)

    def put(self, key, body=b"x"):
        self.account.world.objects.put(BUCKET, key, body, content_type=None, now=0.0)

    def names(self):
        return [key for key, _ in self.account.world.objects.list(BUCKET, "k/").entries]


def settings(**more):
    return SimulatorSettings.model_validate(more)


@pytest.fixture
def place(monkeypatch, tmp_path):
    return Place(monkeypatch, tmp_path)


@pytest.mark.parametrize("key", ["k/out.parquet", "k/ds/"])
def test_a_run_is_reported_on_and_retried_from_its_output_in_s3(place, key):
    earlier = place.start(f"s3://{BUCKET}/{key}")
    report = report_with_s3([earlier.output], Config(), Asked())
    assert report.counts.rows == 20
    part = key if key.endswith("t") else f"{key}part-00000.parquet"
    failed = [row["row"] for row in place.rows(part) if row["status"] == "failed"]
    assert 0 < len(failed) < 20
    summary = anyio.run(retry_job, Path(earlier.run_dir), f"s3://{BUCKET}/k/again.parquet")
    assert [row["row"] for row in place.rows("k/again.parquet")] == failed
    assert summary.rows == len(failed)


def test_a_retry_never_replaces_the_output_of_its_run(place):
    earlier = place.start(f"s3://{BUCKET}/k/out.parquet")
    changed = Config.model_validate(
        {
            "endpoint": {"name": "simulated"},
            "input": {"paths": [str(place.folder / "in.jsonl")]},
            "output": {"path": earlier.output, "overwrite": True},
        }
    )
    for output in (earlier.output, earlier.output.replace("s3://", "S3://")):
        call = functools.partial(retry_job, Path(earlier.run_dir), output, changed=changed)
        with pytest.raises(UsageError, match="is the output of that run, with rows that succeeded"):
            anyio.run(call)
    assert len(place.rows("k/out.parquet")) == 20


@pytest.mark.parametrize("output", [f"s3://{BUCKET}/k/out.parquet", "out.parquet"])
def test_an_output_that_another_run_has_replaced_is_not_retried(place, output):
    earlier = place.start(output)
    later = place.start(output, output={"path": output, "overwrite": True})
    said = f"is no longer the output of run {earlier.run_id}, but of {later.run_id}: its rows are others"
    with pytest.raises(UsageError, match=said):
        anyio.run(retry_job, Path(earlier.run_dir), "again.parquet")


def test_a_report_of_nothing_or_of_what_is_denied_says_which(monkeypatch, tmp_path, place):
    with pytest.raises(UsageError, match="no such object or prefix"):
        report_with_s3([f"s3://{BUCKET}/k/nothing.parquet"], Config(), Asked())
    with pytest.raises(UsageError, match="there is no bucket of this name"):
        report_with_s3(["s3://missing-bucket/k/nothing.parquet"], Config(), Asked())
    denied = in_memory(monkeypatch, settings(faults={"denied": ["GetObject"]}))
    denied.world.objects.put(BUCKET, "k/out.parquet", b"x" * 99, content_type=None, now=0.0)
    with pytest.raises(RunError, match="Grant s3:GetObject") as caught:
        report_with_s3([f"s3://{BUCKET}/k/out.parquet"], Config(), Asked())
    assert caught.value.exit is Exit.PRECONDITION


@pytest.fixture
def unfinished(place):
    """A run that broke off, and how many of its rows are durable."""
    with pytest.raises(TooManyFailures):
        place.start("out/out.parquet", run={"max_failures": 0})
    [directory] = (path.parent for path in (place.folder / "out" / RUNS).glob("*/run.json"))
    rows = export(directory, str(place.folder / "here.parquet"), overwrite=False)
    assert rows > 0
    return directory, rows


@pytest.mark.parametrize("key", ["k/far.parquet", "k/far/"])
def test_an_export_into_s3_is_that_on_this_machine(place, unfinished, key):
    directory, rows = unfinished
    before = sorted(path.name for path in directory.iterdir())
    assert export(directory, f"s3://{BUCKET}/{key}", overwrite=False) == rows
    part = key if key.endswith("t") else f"{key}part-00000.parquet"
    assert place.rows(part) == pq.read_table(place.folder / "here.parquet").to_pylist()
    assert sorted(path.name for path in directory.iterdir()) == before, "the run is left as it is"
    assert report_with_s3([f"s3://{BUCKET}/{key}"], Config(), Asked()).counts.rows == rows
    with pytest.raises(UsageError, match=r"exists|holds an output"):  # an export is of no run
        export(directory, f"s3://{BUCKET}/{key}", overwrite=False)
    assert export(directory, f"s3://{BUCKET}/{key}", overwrite=True) == rows
    assert dict(place.object(part).metadata)[RUN].startswith("export-")


def test_an_export_replaces_nothing_that_is_not_an_output(place, unfinished):
    place.put("k/far/notes.txt")
    with pytest.raises(UsageError, match="holds more than an earlier output"):
        export(unfinished[0], f"s3://{BUCKET}/k/far/", overwrite=True)
    assert place.names() == ["k/far/notes.txt"]
