"""A new run, from its configuration to its summary, against an account in memory."""

from __future__ import annotations

import errno
from pathlib import Path

import anyio
import pyarrow.parquet as pq
import pytest
from support.cli import write_jsonl
from support.in_memory import in_memory

from fanout.commands.export import export
from fanout.commands.new_run import start_run
from fanout.commands.resume import resume_job
from fanout.commands.retry import retry_job
from fanout.config.flags import RESUME, from_keywords
from fanout.config.load import load_config
from fanout.config.model import Config
from fanout.errors import StorageError, TooManyFailures, UsageError
from fanout.rundir.manifest import read_manifest
from fanout.rundir.paths import RUNS, RunDirectory
from fanout.simulator.settings import SimulatorSettings


@pytest.fixture
def config(tmp_path):
    write_jsonl(tmp_path / "in.jsonl", [{"n": n} for n in range(10)])

    def make(**sections):
        standard = {
            "endpoint": {"name": "simulated"},
            "input": {"paths": [str(tmp_path / "in.jsonl")]},
            "output": {"path": str(tmp_path / "out" / "out.parquet")},
        }
        return Config.model_validate(standard | sections)

    return make


def start(config, **more):
    async def main():
        return await start_run(config, **more)

    return anyio.run(main)


def test_its_directory_stands_beside_the_output_and_keeps_the_summary(monkeypatch, config, tmp_path):
    in_memory(monkeypatch)
    summary = start(config())
    assert summary.rows == 10
    [directory] = (tmp_path / "out" / RUNS).iterdir()
    assert directory.name == summary.run_id == read_manifest(RunDirectory(directory)).run_id
    assert pq.read_metadata(tmp_path / "out" / "out.parquet").num_rows == 10
    account = in_memory(monkeypatch)
    assert anyio.run(resume_job, directory) == summary
    assert account.log == [], "a finished run is resumed by doing nothing"


def test_its_directory_may_be_named(monkeypatch, config, tmp_path):
    in_memory(monkeypatch)
    summary = start(config(run={"dir": str(tmp_path / "mine")}))
    assert summary.run_dir == str(tmp_path / "mine")
    assert read_manifest(RunDirectory(tmp_path / "mine")).run_id == summary.run_id


@pytest.mark.parametrize(
    ("sections", "words"),
    [
        ({"output": {}}, "no output: name a file with -o"),
        ({"input": {}}, "^no input: name files, directories or globs, or - for standard input$"),
        (
            {"output": {}, "input": {}, "endpoint": {}},
            "^no output: .*\nno input: .*\nno endpoint: .*--local$",
        ),
        ({"run": {"processes": 2}, "pacing": {"window": 1}}, "pacing.window = 1 is less than one for each"),
        ({"output": {"path": "gs://bucket/out.parquet"}}, "outputs are files here or in S3"),
        ({"output": {"path": "in.csv"}}, "in.csv"),
    ],
)
def test_a_wrong_word_is_told_before_anything_is_made_or_opened(
    monkeypatch, config, tmp_path, sections, words
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AWS_REGION", "eu-memory-1")  # what is said without one: test_paths.py
    account = in_memory(monkeypatch)
    before = sorted(tmp_path.iterdir())
    with pytest.raises(UsageError, match=words):
        start(config(**sections))
    assert sorted(tmp_path.iterdir()) == before
    assert account.log == []


@pytest.mark.parametrize("kept", [False, True])
def test_a_start_that_is_refused_leaves_none_of_the_directories_that_it_made(
    monkeypatch, config, tmp_path, kept
):
    in_memory(monkeypatch)
    runs = tmp_path / "nights" / "runs"
    if kept:
        runs.mkdir(parents=True)
    missing = {"paths": [str(tmp_path / "none.jsonl")]}
    with pytest.raises(UsageError, match="no such file"):
        start(config(run={"dir": str(runs / "2026-11-30")}, input=missing))
    assert (runs.exists(), (tmp_path / "nights").exists()) == (kept, kept), "and none that were there go"


def test_a_retry_sends_the_rows_that_failed_alone(monkeypatch, config, tmp_path):
    in_memory(monkeypatch, SimulatorSettings.model_validate({"failure_share": 0.5, "seed": 2}))
    earlier = start(config(retry={"generations": 0}))
    failed = [row["row"] for row in pq.read_table(earlier.output).to_pylist() if row["status"] == "failed"]
    assert 0 < len(failed) < 10
    account = in_memory(monkeypatch)

    async def retry(output):
        return await retry_job(Path(earlier.run_dir), output)

    summary = anyio.run(retry, str(tmp_path / "again.parquet"))
    assert pq.read_table(summary.output)["row"].to_pylist() == failed
    assert sorted(int(line.inference_id.split(".")[1]) for line in account.world.log) == failed
    manifest = read_manifest(RunDirectory(Path(summary.run_dir)))
    assert (manifest.retry_of, manifest.run_id) == (earlier.run_id, summary.run_id)

    link = tmp_path / "link.parquet"
    link.symlink_to(earlier.output)
    with pytest.raises(UsageError, match="is the output of that run"):
        anyio.run(retry, str(link))
    write_jsonl(tmp_path / "in.jsonl", [{"other": "rows"}])
    with pytest.raises(UsageError, match="the input has changed since the earlier run"):
        anyio.run(retry, str(tmp_path / "third.parquet"))


def test_a_run_of_which_too_many_rows_failed_is_exported_and_goes_on_if_more_may_fail(
    monkeypatch, config, tmp_path
):
    in_memory(monkeypatch)
    with (tmp_path / "in.jsonl").open("a") as file:
        file.write("not JSON\n" * 2)
    with pytest.raises(TooManyFailures) as caught:
        start(config(run={"max_failures": 0}))
    [directory] = (path.parent for path in (tmp_path / "out" / RUNS).glob("*/run.json"))
    assert f"`fanout resume {directory} --max-failures N` goes on" in str(caught.value)
    assert "1 row ended without success, more than the 0 of max_failures; the last: " in str(caught.value)

    so_far = str(tmp_path / "so-far.parquet")
    rows = export(directory, so_far, overwrite=False)
    assert pq.read_metadata(so_far).num_rows == rows >= 1
    with pytest.raises(UsageError, match=r"so-far\.parquet exists: choose another name, or replace it"):
        export(directory, so_far, overwrite=False)
    assert export(directory, so_far, overwrite=True) == rows

    async def more():
        flags = from_keywords(RESUME, max_failures=2)
        began = read_manifest(RunDirectory(directory)).config
        return await resume_job(directory, changed=load_config(flags=flags, base=began))

    assert anyio.run(more).by_status == {"succeeded": 10, "rejected": 2}


def test_a_directory_that_a_full_disk_has_no_room_for_is_nothing_to_resume(monkeypatch, config):
    in_memory(monkeypatch)

    def full(*_arguments, **_more):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "mkdir", full)
    given = config(output={"path": "out.parquet"})
    with pytest.raises(StorageError, match=r"free space there, then start it again$"):
        start(given)
