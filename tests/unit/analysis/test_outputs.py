"""Which files a report takes, and why it refuses others."""

from __future__ import annotations

import duckdb
import pytest

from fanout.analysis.outputs import open_outputs
from fanout.errors import UsageError


def test_what_is_not_an_output_is_refused(tmp_path):
    with pytest.raises(UsageError, match="no such file"):
        open_outputs([tmp_path / "nothing.parquet"])
    (tmp_path / "text.parquet").write_text("hello")
    with pytest.raises(UsageError, match="is not a Parquet file"):
        open_outputs([tmp_path / "text.parquet"])
    duckdb.sql(f"copy (select 1 as a) to '{tmp_path}/other.parquet'")
    with pytest.raises(UsageError, match="was not written by this version of fanout"):
        open_outputs([tmp_path / "other.parquet"])
