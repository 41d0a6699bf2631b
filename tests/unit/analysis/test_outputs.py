"""Which files a report takes, and why it refuses others."""

from __future__ import annotations

import duckdb
import pyarrow.parquet as pq
import pytest
from support.outputs import outcome, writer

from fanout.analysis.outputs import open_outputs
from fanout.errors import UsageError
from fanout.output.schema import VERSION_KEY


def test_what_is_not_an_output_is_refused(tmp_path):
    with pytest.raises(UsageError, match="no such file"):
        open_outputs([tmp_path / "nothing.parquet"])
    (tmp_path / "text.parquet").write_text("hello")
    with pytest.raises(UsageError, match="it is not a Parquet file, or its end is missing"):
        open_outputs([tmp_path / "text.parquet"])
    duckdb.sql(f"copy (select 1 as a) to '{tmp_path}/other.parquet'")
    with pytest.raises(UsageError, match=r"other\.parquet: was not written by fanout"):
        open_outputs([tmp_path / "other.parquet"])


@pytest.fixture
def make_output(tmp_path):
    return writer(tmp_path)


def rewritten(path, *, version, without=()):
    """Return a copy of an output that says to be of `version` and lacks some columns."""
    table = pq.read_table(path).drop_columns(list(without))
    copy = path.with_name(f"version-{version}.parquet")
    pq.write_table(
        table.replace_schema_metadata({**table.schema.metadata, VERSION_KEY: version.encode()}), copy
    )
    return copy


def test_a_later_schema_is_refused_by_name_and_version(make_output):
    later = rewritten(make_output([outcome(0)]), version="3")
    with pytest.raises(UsageError, match=r"version-3\.parquet: .* \(schema 3, known are 1, 2\)"):
        open_outputs([later])


def test_what_version_1_did_not_record_is_null(make_output):
    added = ("possible_attempts", "input_location", "ended_at")
    earlier = open_outputs([rewritten(make_output([outcome(0)]), version="1", without=added)])
    assert [earlier.table([name])[name].to_pylist() for name in ("row", *added)] == [
        [0],
        [None],
        [None],
        [None],
    ]
