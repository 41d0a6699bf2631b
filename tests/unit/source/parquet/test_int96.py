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


FINE = 1_700_000_000_000_000_001  # nanoseconds since the epoch
NANOS = pa.timestamp("ns")
FINE_SHAPES = {
    "column": (pa.array([FINE - 1, None, FINE], NANOS), "'t'"),
    "struct": (pa.array([{"x": {"y": FINE}}], pa.struct({"x": pa.struct({"y": NANOS})})), "'t'"),
    "list": (pa.array([None, [], [FINE]], pa.list_(NANOS)), "'t'"),
    "map": (pa.array([[("k", FINE)]], pa.map_(pa.string(), NANOS)), "'t'"),
}


@pytest.mark.parametrize("shape", FINE_SHAPES)
def test_instants_that_are_cut_are_named(parquet, shape):
    column, name = FINE_SHAPES[shape]
    whole = pa.nulls(len(column), pa.int64())
    path = parquet({"t": column, "n": whole}, use_deprecated_int96_timestamps=True)
    said = f"{path}: {name}: INT96 with instants finer than a microsecond, which are cut to it"
    assert open_source(input_settings((str(path),)), Selection()).warnings == (said,)
    unread = Selection(payload_fields=("n",))
    assert open_source(input_settings((str(path),)), unread).warnings == ()


def test_instants_that_are_not_cut_are_not(parquet):
    path = parquet({"t": pa.array([*YEARS, None], STAMP)}, use_deprecated_int96_timestamps=True)
    assert open_source(input_settings((str(path),)), Selection()).warnings == ()
