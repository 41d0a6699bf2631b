"""Batches: near their number of bytes whatever the rows are, and what of pyarrow that relies on."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from fanout.source.files import local_file
from fanout.source.parquet.batches import GroupReader
from fanout.source.parquet.footers import opened
from fanout.source.selection import Selection

BUDGET = 64 << 10


def batches(path, *columns):
    file = local_file(str(path))
    with opened(file) as parquet, GroupReader(parquet, file, columns=columns, batch_bytes=BUDGET) as groups:
        return list(groups.batches(0))


def test_pyarrow_reads_the_batch_size_anew_before_every_batch(parquet):
    """`set_batch_size` is not documented; without it batches would keep the size that they begin with."""
    with pq.ParquetFile(parquet({"a": range(100)})) as file:
        rows = file.iter_batches(batch_size=10)
        assert next(rows).num_rows == 10
        file.reader.set_batch_size(3)
        assert [batch.num_rows for batch in rows][:2] == [3, 3]


def test_batches_shrink_where_rows_grow_and_grow_again(parquet):
    rows = ["x" * 10] * 5_000 + ["y" * 10_000] * 200 + ["x" * 10] * 5_000
    seen = batches(parquet({"p": rows}, use_dictionary=False), "p")
    assert sum(batch.num_rows for batch in seen) == 10_200
    large = [batch for batch in seen if batch.nbytes > 2 * BUDGET]
    assert len(large) <= 1
    sizes = [batch.num_rows for batch in seen]
    assert min(sizes) <= 8
    assert sizes[-2] == sizes[0] > 100


@pytest.mark.parametrize(
    "column",
    [
        pa.array(["x"] * 3_000 + ["y" * 10_000] * 50),
        pa.array([["x"]] * 3_000 + [["y" * 10_000]] * 50),
        pa.array([{"s": "x"}] * 3_000 + [{"s": "y" * 10_000}] * 50),
        pa.array([[("k", "x")]] * 3_000 + [[("k", "y" * 10_000)]] * 50, pa.map_(pa.string(), pa.string())),
    ],
    ids=lambda column: str(column.type),
)
def test_no_batch_of_dictionary_entries_exceeds_its_bytes(parquet, column):
    """The widest entry is known before the first batch, so that not even one grows too far."""
    seen = batches(parquet({"p": column}), "p")
    assert sum(batch.num_rows for batch in seen) == 3_050
    assert max(batch.nbytes for batch in seen) < 2 * BUDGET


def test_only_the_columns_asked_for_are_decoded(parquet):
    path = parquet({"a": [1], "a.b": [2], "b": [{"a": 3}]})
    assert {name for batch in batches(path, "b") for name in batch.schema.names} == {"b"}


def test_a_row_of_many_numbers_is_as_large_as_its_numbers(read, parquet):
    path = parquet({"audio": pa.array([[0.5] * 1_200_000], pa.list_(pa.float32()))})
    (payload,) = read(path, Selection(), line_cap_bytes=4_810_000).payloads
    assert payload == b'{"audio":[' + b",".join([b"0.5"] * 1_200_000) + b"]}"
    bad = read(path, Selection(), line_cap_bytes=4_799_999).rejected
    assert (bad.code, bad.message) == (
        "RowTooLarge",
        (
            f"{path}: row 0: rows of row group 0 unfold to 4,800,000 bytes each, more than input.line_max_bytes "
            "(4,799,999) allows; raise it, or select fewer columns"
        ),
    )
