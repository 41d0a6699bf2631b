"""A shard of a plan as a run: a new one, or the one that its directory holds."""

from __future__ import annotations

import pytest
from support.plans import PLAN

from fanout.config.model import Config
from fanout.errors import JournalError
from fanout.rundir.paths import RunDirectory
from fanout.runtime.spec import RunSpec
from fanout.shards.one_shard import shard_spec

CONFIG = Config.model_validate({"pacing": {"rate": 3}})


def test_a_shard_has_the_run_that_the_plan_gives_it_and_finds_it_again(tmp_path):
    directory = RunDirectory(tmp_path).shard(1)
    first = shard_spec(PLAN, 1, directory, config=CONFIG)
    assert directory.parts.is_dir()
    assert first == RunSpec(run_id="cdefghijkl", config=CONFIG, directory=directory, part=PLAN.part(1))
    assert (first.is_shard, first.run_path) == (True, tmp_path)
    first.manifest(fingerprint="f", endpoint="e").write(directory.manifest)
    again = shard_spec(PLAN, 1, directory, config=CONFIG)
    assert (again.run_id, again.begun, again.fingerprint, again.part) == (
        "cdefghijkl",
        True,
        "f",
        PLAN.part(1),
    )


def test_another_run_in_its_place_is_refused(tmp_path):
    directory = RunDirectory(tmp_path).shard(0)
    spec = shard_spec(PLAN, 0, directory, config=CONFIG)
    spec.manifest(fingerprint="f", endpoint="e").write(directory.manifest)
    other = RunDirectory(tmp_path).shard(1)
    directory.path.rename(other.path)
    with pytest.raises(JournalError, match="holds run bcdefghijk, and the plan beside it is of another one"):
        shard_spec(PLAN, 1, other, config=CONFIG)
