"""What one shard came to, before it is merged."""

from __future__ import annotations

import pytest
from support.parts import KEPT, outcome, to_table
from support.plans import PLAN

from fanout.commands.shard_summary import shard_summary
from fanout.domain.tally import Tally
from fanout.output.parts import write_part
from fanout.rundir.paths import RunDirectory
from fanout.rundir.shard_result import ShardResult
from fanout.runtime.place.run_place import run_place

RESULT = ShardResult(Tally(rows=4, resends=1, possible_resends=2), 3, ("w",))


@pytest.fixture
def directory(tmp_path):
    return RunDirectory(tmp_path).shard(1)


def test_of_one_that_has_just_finished_its_parts_are_read(directory):
    directory.parts.mkdir(parents=True)
    write_part(directory.parts, 0, to_table([outcome(row) for row in range(4)], KEPT))
    told = shard_summary(PLAN, directory, RESULT, latency=True)
    assert (told.run_id, told.rows, told.ended_here) == (PLAN.run_id, 4, 4)
    assert (told.resends, told.possible_resends, told.throttles, told.warnings) == (1, 2, 3, ("w",))
    assert (told.output, told.run_dir) == (str(directory.parts), str(directory.path))
    assert told.output_bytes == sum(path.stat().st_size for path in directory.parts.iterdir()) > 0
    assert told.latency


def test_of_one_that_finished_before_nothing_ended_here(directory):
    told = shard_summary(PLAN, directory, RESULT, latency=False)
    assert (told.rows, told.ended_here, told.latency, told.output_bytes) == (4, 0, {}, 0)


def test_of_one_that_is_kept_in_s3_its_place_is_told_and_not_the_scratch(directory):
    place = run_place("s3://b/runs/one").shard(1)
    told = shard_summary(PLAN, directory, RESULT, latency=True, place=place)
    assert (told.output, told.run_dir) == (f"s3://b/{place.parts}", "s3://b/runs/one/shards/001")
    assert told.latency == {}, "no part of it is here"
