"""The results of shards, put together in the order of the input."""

from __future__ import annotations

from dataclasses import replace

import pytest
from support.parts import KEPT, outcome, to_table
from support.plans import PLAN, UNIT

from fanout.domain.tally import Tally
from fanout.errors import JournalError
from fanout.output.parts import write_part
from fanout.rundir.paths import RunDirectory
from fanout.rundir.shard_plan import PlannedShard
from fanout.rundir.shard_result import ShardResult
from fanout.shards.merging import merged, shifts_of


@pytest.fixture
def shards(tmp_path):
    """Three shards of 4, 0 and 3 rows, each with a result."""
    directories = [RunDirectory(tmp_path).shard(index) for index in range(3)]
    for directory, count in zip(directories, (4, 0, 3), strict=True):
        directory.parts.mkdir(parents=True)
        tally = Tally(rows=count)
        if count:
            write_part(directory.parts, 0, to_table([outcome(row) for row in range(count)], KEPT))
            tally.examples["NotJSON"] = f"s3://b/in.jsonl: byte 9, row {count - 1}: no"
            tally.errors["NotJSON"] = 1
        ShardResult(tally, 2, (f"{count} rows",)).write(directory.subtotal)
    return directories


def plan_of(rows=None):
    units = (replace(UNIT, rows=rows),)
    return replace(PLAN, shards=tuple(PlannedShard(name * 10, units) for name in "abc"))


def test_rows_are_numbered_through_in_parts_and_in_examples(shards):
    found = merged(plan_of(), shards)
    assert [(part.min_row, part.max_row) for part in found.parts] == [(0, 3), (4, 6)]
    assert (found.tally.rows, found.throttles) == (7, 6)
    assert found.tally.errors == {"NotJSON": 2}
    assert found.tally.examples == {"NotJSON": "s3://b/in.jsonl: byte 9, row 3: no"}
    assert found.warnings == ("w", "4 rows", "0 rows", "3 rows")


def test_an_example_of_a_later_shard_has_its_row_in_the_input(shards):
    shards[0].subtotal.unlink()
    ShardResult(Tally(rows=4), 0, ()).write(shards[0].subtotal)
    assert merged(plan_of(), shards).tally.examples == {"NotJSON": "s3://b/in.jsonl: byte 9, row 6: no"}


def test_a_shard_that_has_not_finished_cannot_be_merged(shards):
    shards[1].subtotal.unlink()
    with pytest.raises(JournalError, match=r"001/subtotal\.json cannot be read"):
        merged(plan_of(), shards)


def test_of_an_unfinished_run_each_row_has_a_number_of_its_own(shards):
    shards[0].subtotal.unlink()
    assert [shift.rows_before for shift in shifts_of(plan_of(), shards).values()] == [0, 4, 4]
    # Parquet tells how many rows there will be.
    assert [shift.rows_before for shift in shifts_of(plan_of(rows=50), shards).values()] == [0, 50, 100]
