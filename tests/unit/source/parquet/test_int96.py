"""INT96, the timestamps of Spark, Hive and Impala: the dates that were written, whatever the year and the nesting."""

from __future__ import annotations

import json
from datetime import datetime

import pyarrow as pa
import pytest
from support.settings import input_settings

from fanout.source.selection import Selection
from fanout.source.source import open_source

# Naive, as INT96 is; 9999-12-31 is the "for ever" of warehouses, 1677 and 2262 are where nanoseconds wrap.
YEARS = [datetime(year, 12, 31, 23, 59, 59, 999_999) for year in (1, 1000, 1676, 2024, 2263, 9999)]  # noqa: DTZ001
TEXTS = [f"{year.isoformat()}" for year in YEARS]
STAMP = pa.timestamp("us")
SHAPES = {
    "column": (pa.array(YEARS, STAMP), TEXTS),
    "struct": (pa.array([{"t": year} for year in YEARS], pa.struct({"t": STAMP})), [{"t": t} for t in TEXTS]),
    "list": (pa.array([[year] for year in YEARS], pa.list_(STAMP)), [[t] for t in TEXTS]),
    "map": (
        pa.array([[("k", year)] for year in YEARS], pa.map_(pa.string(), STAMP)),
        [{"k": t} for t in TEXTS],
    ),
}


@pytest.mark.skipif(
    pa.__version__.startswith("18."), reason="pyarrow 18 reads these dates, but writes others"
)
@pytest.mark.parametrize("store_schema", [True, False])
@pytest.mark.parametrize("shape", SHAPES)
def test_an_int96_instant_is_sent_and_kept_as_the_date_that_it_is(read, parquet, shape, store_schema):
    column, texts = SHAPES[shape]
    path = parquet({"t": column}, use_deprecated_int96_timestamps=True, store_schema=store_schema)
    selection = Selection(keep=("t",), id_column="t" if shape == "column" else None)
    rows = read(path, selection).rows
    assert [json.loads(row.payload)["t"] for row in rows] == texts
    if shape == "column":
        assert [row.id for row in rows] == texts
    kind = open_source(input_settings((str(path),)), selection).passthrough_schema.field("t").type
    assert pa.array([row.passthrough[0] for row in rows], kind).to_pylist() == column.to_pylist()
