"""Rows that earlier processes brought to their end are counted and not read: a resume waits for those behind them."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support.settings import input_settings

from fanout.domain.records import Record
from fanout.source.parquet.columns import Columns
from fanout.source.selection import Selection
from fanout.source.settled import all_settled
from fanout.source.source import open_part, open_source
from fanout.source.units import InputPart

ROWS = 30


@pytest.fixture
def lines(tmp_path):
    """Two files of 15 rows, blank lines and rows that are none among them."""
    rows = [b'{"n":%d}' % number for number in range(ROWS)]
    rows[3] = rows[20] = b"not JSON"
    (tmp_path / "a.jsonl").write_bytes(b"\n\n".join(rows[:15]) + b"\n")
    (tmp_path / "b.jsonl").write_bytes(b"\n".join(rows[15:]) + b"\n")
    return [str(tmp_path / name) for name in ("a.jsonl", "b.jsonl")]


def read(source, settled):
    source.pass_over(lambda row: row in settled)
    items = [item for chunk in source.read() for item in chunk]
    assert source.total_rows() == ROWS
    assert source.statistics().rows == ROWS
    return items


@pytest.mark.parametrize("block_bytes", [16, 1 << 20])
@pytest.mark.parametrize(
    "settled", [range(0), range(10), range(20), range(12, 18), {0, 2, 3, 14, 15, 29}, range(ROWS)]
)
def test_what_is_not_settled_is_read_as_it_would_be_otherwise(lines, settled, block_bytes):
    settings = input_settings(lines, block_bytes=block_bytes)
    whole = [item for chunk in open_source(settings, Selection()).read() for item in chunk]
    items = read(open_source(settings, Selection()), settled)
    assert [item for item in items if item.row not in settled] == [
        item for item in whole if item.row not in settled
    ]
    stand_ins = [item for item in items if item.row in settled]
    assert all(isinstance(item, Record) and not item.payload for item in stand_ins), "its line was not read"
    assert [item.row for item in items] == sorted({item.row for item in items})
    assert len(stand_ins) <= (len(settled) if block_bytes == 16 else 5), "one stands for several"


@pytest.mark.parametrize("of_a_shard", [False, True])
def test_row_groups_of_settled_rows_are_not_read(tmp_path, monkeypatch, of_a_shard):
    path = tmp_path / "in.parquet"
    pq.write_table(pa.table({"n": list(range(ROWS))}), path, row_group_size=5)
    found = []
    rows = Columns.rows
    monkeypatch.setattr(
        Columns, "rows", lambda self, batch: found.append(batch.column("n").to_pylist()) or rows(self, batch)
    )
    settings = input_settings([str(path)])
    source = open_source(settings, Selection())
    if of_a_shard:
        source = open_part(InputPart(0, 1, source.units(1)[0], source.known), settings, Selection())
    items = read(source, range(12))
    assert [item.row for item in items] == [4, 9, *range(10, ROWS)]
    assert [number for batch in found for number in batch] == list(range(10, ROWS))


def test_no_rows_are_not_settled():
    assert all_settled(3, 2, {3, 4}.__contains__)
    assert not all_settled(3, 3, {3, 4}.__contains__)
    assert not all_settled(3, 0, {3, 4}.__contains__)
