"""What is read of a run's `run.json`, and what is said where there is none."""

from __future__ import annotations

import pytest

from fanout.errors import UsageError
from fanout.rundir.manifest import read_manifest
from fanout.rundir.paths import RunDirectory
from fanout.rundir.shard_plan import read_plan


@pytest.mark.parametrize("read", [read_manifest, read_plan])
def test_a_name_that_means_nothing_is_no_run_that_lost_its_file(tmp_path, read):
    with pytest.raises(UsageError) as missing:
        read(RunDirectory(tmp_path / "missing.parquet"))
    assert str(missing.value) == (
        f"{tmp_path / 'missing.parquet'}: no such file or directory. Name a run by its directory or by its output: "
        "`fanout runs` lists those that are here"
    )
    with pytest.raises(UsageError, match=rf"{tmp_path}: holds no run.*: there is no (run|plan)\.json\. Name"):
        read(RunDirectory(tmp_path))


def test_a_file_that_is_no_run_of_here_is_told_from_a_directory(tmp_path):
    (tmp_path / "copied.parquet").touch()
    with pytest.raises(UsageError, match=r"copied\.parquet is a file: name the run's directory"):
        read_manifest(RunDirectory(tmp_path / "copied.parquet"))
