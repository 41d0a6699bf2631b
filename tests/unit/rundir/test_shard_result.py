"""What a finished share leaves for the run's end: kept in a file, added up."""

from __future__ import annotations

import pytest

from fanout.domain.records import Outcome
from fanout.domain.tally import EXAMPLES_MAX, Tally
from fanout.errors import JournalError
from fanout.rundir.shard_result import ShardResult, read_shard_result, total


def outcome(row, status, **more):
    return Outcome(
        row=row, id=None, passthrough=(), status=status, payload_bytes=3, transport="inline", **more
    )


def test_subtotals_are_kept_and_add_up(tmp_path):
    whole, found = Tally(), []
    for number in range(3):
        tally = Tally()
        for row in range(10):
            each = outcome(row, "failed", error_code=f"Code{number}-{row}", error_message="why")
            tally.add(each)
            whole.add(each)
        each = outcome(99, "succeeded", response=b"four")
        tally.add(each)
        whole.add(each)
        path = tmp_path / f"{number}.json"
        ShardResult(tally, number, ("told by all", f"told by {number}")).write(path)
        found.append(read_shard_result(path))
        assert found[-1] == ShardResult(tally, number, ("told by all", f"told by {number}"))
    summed = total(found)
    assert summed.tally == whole
    assert len(summed.tally.examples) == EXAMPLES_MAX
    assert summed.throttles == 3
    assert summed.warnings == ("told by all", "told by 0", "told by 1", "told by 2")
    (tmp_path / "0.json").write_text("{")
    for name, words in (
        ("0.json", "is damaged: it is not a complete JSON document"),
        ("nowhere.json", "no such file"),
    ):
        with pytest.raises(JournalError, match=words):
            read_shard_result(tmp_path / name)
