"""A shard of a plan as a run: a new one, or the one that its directory holds."""

from __future__ import annotations

from dataclasses import replace

import pytest
from support.plans import PLAN

from fanout.config.model import Config
from fanout.errors import JournalError
from fanout.rundir.paths import RunDirectory
from fanout.rundir.shard_plan import planned
from fanout.runtime.spec import RunSpec
from fanout.shards.one_shard import shard_spec
from fanout.shards.plan_footers import write_footers
from fanout.source.files import InputFile
from fanout.source.kept_footers import KeptFooters
from fanout.source.shard_footers import packed

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


def test_a_shard_has_the_footers_that_stand_beside_its_plan(tmp_path):
    whole = RunDirectory(tmp_path)
    file = InputFile("s3://b/a", 300, None, footer=((100, 190),))
    units = (
        replace(PLAN.shards[0].units[0], path=file.path, rows=4, footer=file.footer, start=None, end=None),
    )
    kept = KeptFooters()
    kept.put(file.path, b"f" * 90)
    packs = packed([units], [file], kept)
    plan = replace(PLAN, shards=planned([units], packs.places))
    assert shard_spec(plan, 0, whole.shard(0), config=CONFIG).part.footers is None
    write_footers(whole, packs.body)
    footers = shard_spec(plan, 0, whole.shard(0), config=CONFIG).part.footers
    assert footers.get(file.path) == b"f" * 90
