"""What RUN means on a command line: a run directory, an output by its claim or by what made it, or `last`."""

from __future__ import annotations

import os
from pathlib import Path

import anyio
import pytest
from support.cli import write_jsonl
from support.in_memory import in_memory

from fanout.commands.find_run import find_run, output_of
from fanout.commands.new_run import start_run
from fanout.config.model import Config
from fanout.errors import JournalError, TooManyFailures, UsageError
from fanout.rundir.claim import claim_path, read_claim
from fanout.rundir.paths import RUNS


@pytest.fixture
def start(monkeypatch, tmp_path):
    """Run three rows to `name`, here; two more that are none stop it if `max_failures` is 0."""
    in_memory(monkeypatch)
    monkeypatch.chdir(tmp_path)

    def run(name, *, bad=0, overwrite=False, **section):
        write_jsonl(tmp_path / "in.jsonl", [{"n": n} for n in range(3)])
        with (tmp_path / "in.jsonl").open("a") as file:
            file.write("not JSON\n" * bad)
        config = Config.model_validate(
            {
                "endpoint": {"name": "simulated"},
                "input": {"paths": [str(tmp_path / "in.jsonl")]},
                "output": {"path": str(tmp_path / name) + "/" * name.endswith("/"), "overwrite": overwrite},
                "run": {"max_failures": 0, **section},
            }
        )

        async def main():
            return await start_run(config)

        if bad:
            with pytest.raises(TooManyFailures):
                anyio.run(main)
            owner = read_claim(str(tmp_path / name))
            assert owner is not None
            return Path(owner.run_dir)
        return Path(anyio.run(main).run_dir)

    return run


def test_a_run_directory_is_itself(start):
    made = start("out.parquet")
    assert find_run(made) == made
    relative = os.path.relpath(made)
    assert find_run(relative) == Path(relative)


def test_what_is_nothing_is_left_for_its_reader_to_name(start):
    assert find_run("typed/wrong") == Path("typed/wrong")


def test_an_output_is_the_run_that_made_it(start):
    first, second = start("one.parquet"), start("two.parquet")
    assert (find_run("one.parquet"), find_run("two.parquet")) == (first, second)
    again = start("one.parquet", overwrite=True)
    assert find_run("one.parquet") == again


def test_a_dataset_is_an_output_too(start):
    made = start("many/")
    assert find_run("many/") == find_run("many") == made


def test_an_output_with_a_claim_is_the_run_that_has_it(start):
    start("out.parquet")
    unfinished = start("out.parquet", bad=1, overwrite=True)
    assert find_run("out.parquet") == unfinished


def test_the_claim_leads_to_a_directory_elsewhere(start, tmp_path):
    made = start("out.parquet", bad=1, dir=str(tmp_path / "far" / "away"))
    assert made == tmp_path / "far" / "away"
    assert find_run("out.parquet") == made


def test_without_a_claim_an_unfinished_run_is_found_beside_its_output(start):
    start("out.parquet", bad=1)
    claim_path("out.parquet").unlink()
    later = start("out.parquet", bad=1)
    claim_path("out.parquet").unlink()
    os.utime(later / "run.json", (4e9, 4e9))
    assert find_run("out.parquet") == later


def test_last_is_the_run_that_started_last(start, tmp_path):
    with pytest.raises(UsageError, match=r"there is no last run: `fanout runs` lists none in "):
        find_run("last")
    first, second = start("one.parquet"), start("two.parquet", bad=1)
    os.utime(first / "run.json", (1e9, 1e9))
    os.utime(second / "run.json", (2e9, 2e9))
    assert find_run("last") == second
    os.utime(first / "run.json", (3e9, 3e9))
    assert find_run("last") == first


def test_an_output_in_s3_is_a_run_that_is_listed_here(start, tmp_path):
    made = start("out.parquet")
    manifest = made / "run.json"
    manifest.write_text(manifest.read_text().replace(str(tmp_path / "out.parquet"), "s3://lake/out.parquet"))
    assert find_run("s3://lake/out.parquet").absolute() == made
    with pytest.raises(
        UsageError, match=r"no run of s3://lake/other\.parquet is listed by `fanout runs` here"
    ):
        find_run("s3://lake/other.parquet")


def test_a_damaged_claim_is_said(start):
    start("out.parquet", bad=1)
    claim_path("out.parquet").write_bytes(b"{")
    with pytest.raises(JournalError, match="is damaged"):
        find_run("out.parquet")


def test_a_report_takes_the_output_of_a_run(start, tmp_path):
    made = start("out.parquet")
    for run in (made, "last"):
        assert output_of(run) == str(tmp_path / "out.parquet")
    for output in ("out.parquet", "nowhere.parquet", "s3://lake/out.parquet", str(tmp_path / RUNS)):
        assert output_of(output) == output
