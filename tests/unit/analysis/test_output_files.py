"""Which files a report takes: each speaks for itself, and what cannot be put together is refused by name."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import duckdb
import pyarrow.parquet as pq
import pytest
from support.outputs import outcome, writer

from fanout.analysis.output_files import facts_of, find_outputs
from fanout.analysis.outputs import open_outputs
from fanout.errors import UsageError
from fanout.output.schema import VERSION_KEY


@pytest.fixture
def make_output(tmp_path):
    return writer(tmp_path)


def rows(*numbers):
    return [outcome(number) for number in numbers]


def rewritten(path, *, version):
    table = pq.read_table(path)
    pq.write_table(table.replace_schema_metadata({**table.schema.metadata, VERSION_KEY: version}), path)


def test_a_directory_of_outputs_is_what_each_of_them_says(make_output, tmp_path):
    """The first one spoke for all: throttles of the others were lost."""
    make_output(rows(0, 1), "a.parquet", throttles="3")
    make_output(rows(0, 1, 2), "sub.parquet", run="bbbbbbbbbb", throttles="4", endpoint="other")
    (tmp_path / "deep").mkdir()
    (tmp_path / "sub.parquet").rename(tmp_path / "deep" / "any.name")
    facts = open_outputs([tmp_path]).files
    assert [(each.path, each.run, each.rows, each.throttles, each.endpoint) for each in facts] == [
        (str(tmp_path / "a.parquet"), "abcdefghij", 2, 3, "e"),
        (str(tmp_path / "deep" / "any.name"), "bbbbbbbbbb", 3, 4, "other"),
    ]


def test_a_dataset_is_one_output_whose_throttles_count_once(make_output, tmp_path):
    dataset = tmp_path / "out"
    dataset.mkdir()
    for number, numbers in enumerate(((0, 1), (2, 3))):
        make_output(rows(*numbers), f"{number}").rename(dataset / f"part-{number:05d}.parquet")
        shutil.rmtree(tmp_path / f".{number}-parts")
    (facts,) = open_outputs([tmp_path]).files
    assert (facts.path, facts.rows, facts.throttles) == (str(dataset), 4, 7)


def test_a_file_that_is_named_twice_counts_once(make_output, tmp_path):
    path = make_output(rows(0, 1))
    (tmp_path / "link.parquet").symlink_to(path)
    os.link(path, tmp_path / "other.parquet")
    assert open_outputs([path, tmp_path, path]).rows == 2


def test_a_copy_is_refused_by_name(make_output, tmp_path):
    shutil.copy(make_output(rows(0, 1, 2)), tmp_path / "copy.parquet")
    with pytest.raises(
        UsageError, match=r"copy\.parquet and .*out\.parquet hold the same rows of run abcdefghij"
    ):
        find_outputs([tmp_path])


def test_files_of_others_are_left_out_by_name_and_refused_if_they_are_named(make_output, tmp_path):
    make_output(rows(0))
    duckdb.sql(f"copy (select 1 as row, 'succeeded' as status) to '{tmp_path}/in.parquet'")
    (tmp_path / "bench.json").write_text("{}")
    (tmp_path / "_note.parquet").write_text("hidden")
    (tmp_path / "out.parquet.abcdefghij.tmp").mkdir()
    (tmp_path / "out.parquet.abcdefghij.tmp" / "output.parquet").write_text("half of it")
    os.mkfifo(tmp_path / "pipe")
    files, left_out = find_outputs([tmp_path])
    assert [Path(file.path).name for file in files] == ["out.parquet"]
    assert [(each.path, each.why.split(":")[0]) for each in left_out] == [
        (str(tmp_path / "in.parquet"), "was not written by fanout")
    ]
    with pytest.raises(UsageError, match=r"in\.parquet: was not written by fanout"):
        find_outputs([tmp_path / "in.parquet"])


def test_a_directory_without_an_output_says_so(tmp_path):
    with pytest.raises(UsageError, match=r"holds no output of fanout$"):
        find_outputs([tmp_path])
    duckdb.sql(f"copy (select 1 as a) to '{tmp_path}/in.parquet'")
    with pytest.raises(
        UsageError, match=r"holds no output of fanout; .*in\.parquet was not written by fanout"
    ):
        find_outputs([tmp_path])


def test_one_file_of_a_later_schema_is_refused_by_name_among_many(make_output, tmp_path):
    """It was read as zeros."""
    make_output(rows(0), "a.parquet")
    rewritten(make_output(rows(0), "b.parquet", run="bbbbbbbbbb"), version=b"3")
    with pytest.raises(UsageError, match=r"b\.parquet: was written by a later version of fanout \(schema 3,"):
        find_outputs([tmp_path])


def test_what_is_simulated_is_not_put_together_with_what_is_not(make_output, tmp_path):
    make_output(rows(0), "a.parquet", simulated="true")
    make_output(rows(0), "b.parquet", run="bbbbbbbbbb")
    with pytest.raises(UsageError, match=r"a\.parquet is simulated and .*b\.parquet is not"):
        find_outputs([tmp_path])


def test_an_experiment_is_reported_alone(make_output, tmp_path):
    """The rows of two were paired with one another."""
    for run in ("aaaaaaaaaa", "bbbbbbbbbb"):
        make_output(rows(0), f"{run}.parquet", run=run, bench='{"closed": null, "late_ms": 10}')
    with pytest.raises(
        UsageError, match=r"aaaaaaaaaa\.parquet is an experiment .*bbbbbbbbbb\.parquet is another"
    ):
        find_outputs([tmp_path])
    files, _ = find_outputs([tmp_path / "aaaaaaaaaa.parquet"])
    assert facts_of(files)[0].plan == {"closed": None, "late_ms": 10}
