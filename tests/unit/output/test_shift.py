"""The rows of a shard get their numbers in the whole input when its parts are merged."""

from __future__ import annotations

import pyarrow.parquet as pq
import pytest
from support.parts import KEPT, NOTHING_KEPT, bulky, outcome, to_table

from fanout.domain.records import Outcome
from fanout.output.finish import finish
from fanout.output.merge import merge, narrow
from fanout.output.parts import write_part
from fanout.output.schema import output_schema
from fanout.output.shift import Shift


def parts_of(directory, counts):
    """Write shards of so many rows, of two parts that overlap; return their parts, shifted, and the number of rows."""
    parts, before = [], 0
    for shard, count in enumerate(counts):
        place = directory / f"{shard:03d}"
        shift = Shift(before, ("in.jsonl",))
        for number in range(2):
            rows = [outcome(row) for row in range(number, count, 2)]
            if rows:
                parts.append(write_part(place, number, to_table(rows, KEPT)).shifted(shift))
        before += count
    return parts, before


@pytest.mark.parametrize("counts", [(7, 0, 5, 1), (1,), (300, 20)])
def test_shards_follow_each_other(tmp_path, counts):
    parts, total = parts_of(tmp_path, counts)
    rows = [row for table in merge(narrow(parts, tmp_path)) for row in table.column("row").to_pylist()]
    assert rows == list(range(total))
    done = finish(
        parts, tmp_path / "out.parquet", run_id="abcdefghij", passthrough_schema=KEPT, expected_rows=total
    )
    assert done.rows == total


def test_parts_that_are_merged_twice_are_renumbered_once(tmp_path):
    parts, before = [], 100
    for number in range(9):
        rows = [outcome(row) for row in range(number, 90, 9)]
        parts.append(write_part(tmp_path / "p", number, to_table(rows, KEPT)).shifted(Shift(before, ())))
    place = tmp_path / "w"
    place.mkdir()
    fewer = narrow(parts, place, fan_in=2)
    assert len(fewer) < len(parts)
    rows = [row for table in merge(fewer) for row in table.column("row").to_pylist()]
    assert rows == list(range(100, 190))


def test_messages_of_rejected_rows_alone_are_changed(tmp_path):
    def ended(row, status, message):
        return Outcome(row=row, id=None, passthrough=(), status=status, error_code="X", error_message=message)

    import pyarrow as pa

    table = to_table(
        [
            ended(0, "rejected", "in.jsonl: byte 7, row 0: not JSON"),
            ended(1, "failed", "in.jsonl: byte 7, row 1: said the model"),
            ended(2, "rejected", None),
            ended(3, "succeeded", None),
        ],
        pa.schema([]),
    )
    (batch,) = table.combine_chunks().to_batches()
    shifted = Shift(1_000, ("in.jsonl",)).apply(batch)
    assert shifted.schema.equals(output_schema(pa.schema([])), check_metadata=True)
    assert shifted.column("row").to_pylist() == [1_000, 1_001, 1_002, 1_003]
    assert shifted.column("error_message").to_pylist() == [
        "in.jsonl: byte 7, row 1000: not JSON",
        "in.jsonl: byte 7, row 1: said the model",
        None,
        None,
    ]
    assert Shift(0, ()).apply(batch) is batch


def test_large_responses_stay_with_their_rows(tmp_path):
    parts = []
    for shard in range(3):
        rows = [bulky(row, 40 << 20) if row == 1 else bulky(row, 100) for row in range(3)]
        part = write_part(tmp_path / f"{shard}", 0, to_table(rows, NOTHING_KEPT))
        parts.append(part.shifted(Shift(3 * shard, ())))
    path = tmp_path / "out.parquet"
    finish(parts, path, run_id="abcdefghij", passthrough_schema=NOTHING_KEPT, expected_rows=9)
    sizes = [len(value.as_py()) for value in pq.read_table(path).column("response")]
    assert sizes == [100, 40 << 20, 100] * 3
