"""Which rows of an earlier output are sent again."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from fanout.commands.retry import unsuccessful
from fanout.errors import UsageError
from fanout.output.schema import VERSION_KEY

STATUSES = ["succeeded", "failed", "invalid", "succeeded", "expired", "rejected", "unsettled", "succeeded"]


@pytest.fixture
def output(tmp_path):
    """A dataset of two files; a retry's output has ordinals with gaps."""
    rows = [*range(4), *range(14, 18)]
    table = pa.table({"row": pa.array(rows, pa.int64()), "status": STATUSES, "response": [b"x"] * 8})
    for number in range(2):
        pq.write_table(table.slice(4 * number, 4), tmp_path / f"{number}.parquet")
    return str(tmp_path)


def test_all_that_did_not_succeed(output):
    assert unsuccessful(output) == ((1, 3), (14, 17))


def test_only_those_of_some_statuses(output):
    assert unsuccessful(output, statuses=["expired"]) == ((14, 15),)
    assert unsuccessful(output, statuses=("unsettled", "invalid")) == ((2, 3), (16, 17))
    assert unsuccessful(output, statuses=["cancelled"]) == ()


def test_an_output_of_a_later_schema_is_refused_by_name(tmp_path):
    table = pa.table({"row": [0], "status": ["a new end"]})
    pq.write_table(table.replace_schema_metadata({VERSION_KEY: b"3"}), tmp_path / "out.parquet")
    with pytest.raises(
        UsageError, match=r"out\.parquet: was written by a later version of fanout \(schema 3,"
    ):
        unsuccessful(str(tmp_path / "out.parquet"))
