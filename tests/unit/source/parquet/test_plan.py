"""Several Parquet files as one dataset: which of them have a say in columns and types, and which are refused."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pyarrow as pa
import pytest
from support.settings import input_settings

from fanout.errors import InputError
from fanout.source.selection import Selection
from fanout.source.source import open_source

NOTHING = {
    "no columns": pa.table({}),
    "no rows": pa.table({"z": pa.array([], pa.int8())}),
    "other types": pa.table({"text": pa.array([], pa.int8()), "k": pa.array([], pa.date32())}),
}


@pytest.mark.parametrize("empty", NOTHING)
@pytest.mark.parametrize("place", ["0.parquet", "9.parquet"])
@pytest.mark.parametrize(
    ("selection", "payloads"),
    [
        (Selection(), [b'{"text":"x","k":1}', b'{"text":"y","k":2}']),
        (Selection(payload_column="text", keep=("k",), id_column="k"), [b"x", b"y"]),
        (Selection(payload_fields=("k",)), [b'{"k":1}', b'{"k":2}']),
    ],
)
def test_a_file_without_rows_has_no_say(read, parquet, tmp_path, empty, place, selection, payloads):
    parquet({"text": ["x", "y"], "k": [1, 2]}, "d/1.parquet")
    parquet(NOTHING[empty], f"d/{place}")
    assert read(tmp_path / "d", selection).payloads == payloads
    source = open_source(input_settings((str(tmp_path / "d"),)), selection)
    assert source.total_rows() == 2
    assert [str(field.type) for field in source.passthrough_schema] == ["int64"] * len(selection.keep)
    assert list(source.read())
    assert source.statistics().share == 1.0


@pytest.mark.parametrize("empty", NOTHING)
def test_an_input_without_rows_ends_at_once_whatever_is_selected(read, parquet, empty):
    path = parquet(NOTHING[empty])
    selection = Selection(payload_column="text", keep=("k",))
    assert read(path) == read(path, selection) == ([], None)
    kind = open_source(input_settings((str(path),)), selection).passthrough_schema.field("k").type
    assert kind == (pa.date32() if empty == "other types" else pa.null())


def test_rows_without_a_column_are_not_sent_as_empty_objects(tmp_path, parquet):
    path = parquet({"__index_level_0__": [1, 2]})
    with pytest.raises(InputError) as caught:
        open_source(input_settings((str(path),)), Selection())
    assert str(caught.value) == f"{path}: has 2 rows and no column to send; name the payload's columns"


def test_the_index_of_pandas_is_sent_only_where_it_is_asked_for(read, parquet, tmp_path):
    parquet({"text": ["x"], "__index_level_0__": [7], "__index_level_x__": [8]}, "d/0.parquet")
    parquet({"text": ["y"], "__index_level_x__": [9]}, "d/1.parquet")
    whole = [b'{"text":"x","__index_level_x__":8}', b'{"text":"y","__index_level_x__":9}']
    assert read(tmp_path / "d").payloads == whole
    asked = Selection(payload_fields=("__index_level_0__",), keep=("__index_level_0__",))
    (row,) = read(tmp_path / "d/0.parquet", asked).rows
    assert (row.payload, row.passthrough) == (b'{"__index_level_0__":7}', (7,))


def day(number):
    return datetime(9999, 12, number, tzinfo=UTC)


SAME = {
    "string": (pa.array(["a"]), pa.array(["b"], pa.large_string())),
    "dictionary": (pa.array(["a"]).dictionary_encode(), pa.array(["b"])),
    "null": (pa.nulls(1), pa.array(["b"])),
    "integer": (pa.array([1], pa.int32()), pa.array([2**40])),
    "sign": (pa.array([200], pa.uint8()), pa.array([-1], pa.int8())),
    "float": (pa.array([1.5], pa.float32()), pa.array([0.1])),
    "decimal": (
        pa.array([Decimal("1.00")], pa.decimal128(10, 2)),
        pa.array([Decimal("2.500")], pa.decimal128(12, 3)),
    ),
    "instant": (pa.array([day(1)], pa.timestamp("ms", "UTC")), pa.array([day(2)], pa.timestamp("us", "UTC"))),
    "list": (pa.array([[1]], pa.list_(pa.int64())), pa.array([[2]], pa.large_list(pa.int8()))),
    "item": (
        pa.array([[1]], pa.list_(pa.field("element", pa.int64(), nullable=False))),
        pa.array([[2, None]], pa.list_(pa.int64())),
    ),
    "fixed size": (pa.array([[1, 2]], pa.list_(pa.int8(), 2)), pa.array([[3]], pa.list_(pa.int8()))),
    "struct": (
        pa.array([{"a": 1, "t": day(1)}], pa.struct([("a", pa.int8()), ("t", pa.timestamp("ms", "UTC"))])),
        pa.array([{"t": day(2), "a": 2}], pa.struct([("t", pa.timestamp("us", "UTC")), ("a", pa.int64())])),
    ),
    "map": (
        pa.array([[("k", 1)]], pa.map_(pa.string(), pa.int8())),
        pa.array([[("l", 2)]], pa.map_(pa.large_string(), pa.int64())),
    ),
}


@pytest.mark.parametrize("swapped", [False, True])
@pytest.mark.parametrize("case", SAME)
def test_one_column_under_types_that_mean_the_same_is_one_column(read, parquet, tmp_path, case, swapped):
    columns = SAME[case][::-1] if swapped else SAME[case]
    for number, column in enumerate(columns):
        parquet({"text": ["x"], "k": column}, f"d/{number}.parquet")
    selection = Selection(payload_column="text", keep=("k",), id_column="k")
    outcome = read(tmp_path / "d", selection)
    assert outcome.payloads == [b"x", b"x"]
    kind = open_source(input_settings((str(tmp_path / "d"),)), selection).passthrough_schema.field("k").type
    kept = pa.array([row.passthrough[0] for row in outcome.rows], kind)
    assert kept.to_pylist() == [column.to_pylist()[0] for column in columns]
    (alone,) = read(tmp_path / "d/0.parquet", selection).rows
    assert outcome.rows[0].id == alone.id


@pytest.mark.parametrize(
    ("one", "other", "kinds"),
    [
        (pa.array([2**53 + 1]), pa.array([0.5]), "double, but int64"),
        (
            pa.array([2**60], pa.timestamp("us")),
            pa.array([1], pa.timestamp("ns")),
            r"timestamp\[ns\], but timestamp\[us\]",
        ),
        (pa.array([b"\xff"]), pa.array(["x"]), "string, but binary"),
    ],
)
def test_a_column_that_would_lose_is_refused_with_both_files_named(parquet, tmp_path, one, other, kinds):
    parquet({"text": ["x"], "k": pa.nulls(1)}, "d/0.parquet")
    first = parquet({"text": ["x"], "k": one}, "d/1.parquet")
    second = parquet({"text": ["x"], "k": other}, "d/2.parquet")
    with pytest.raises(
        InputError, match=f"^{second}: passthrough column 'k' is {kinds} in {first}; no type holds both"
    ):
        open_source(input_settings((str(tmp_path / "d"),)), Selection(payload_column="text", keep=("k",)))


def test_an_instant_that_does_not_fit_the_finer_unit_rejects_its_row_alone(read, parquet, tmp_path):
    parquet({"text": ["a", "b"], "k": pa.array([2**62, 1], pa.timestamp("ms"))}, "d/0.parquet")
    parquet({"text": ["c"], "k": pa.array([5], pa.timestamp("us"))}, "d/1.parquet")
    bad, *good = read(tmp_path / "d", Selection(payload_column="text", keep=("k",))).rows
    assert (bad.code, bad.passthrough) == ("OutOfRange", (None,))
    assert [row.passthrough for row in good] == [(1_000,), (5,)]


def test_a_payload_that_is_null_throughout_one_file_rejects_its_rows(read, parquet, tmp_path):
    parquet({"text": ["x"]}, "d/0.parquet")
    parquet({"text": pa.nulls(2)}, "d/1.parquet")
    rows = read(tmp_path / "d", Selection(payload_column="text")).rows
    assert [getattr(row, "code", None) for row in rows] == [None, "NullPayload", "NullPayload"]


def test_a_column_that_a_file_lacks_is_null_where_its_name_says_so(read, parquet, tmp_path):
    parquet({"text": ["x"]}, "d/0.parquet")
    parquet({"text": ["y"], "label": [b"\xff"], "n": [7], "ttl": [60]}, "d/1.parquet")
    selection = Selection(payload_fields=("text", "n?"), keep=("label?",), id_column="n?", ttl_column="ttl?")
    rows = read(tmp_path / "d", selection).rows
    assert [row.payload for row in rows] == [b'{"text":"x","n":null}', b'{"text":"y","n":7}']
    assert [(row.id, row.passthrough, row.options.ttl_s) for row in rows] == [
        (None, (None,), None),
        ("7", (b"\xff",), 60),
    ]
    with pytest.raises(InputError, match=r"0\.parquet: no column 'label'"):
        read(tmp_path / "d", Selection(payload_fields=("text",), keep=("label",)))


def test_whole_floats_as_ids_are_whole(read, parquet):
    path = parquet({"id": [1.0, None, 12345678901.0, 0.5, 1e300], "text": ["a", "b", "c", "d", "e"]})
    rows = read(path, Selection(payload_column="text", id_column="id")).rows
    assert [row.id for row in rows[:4]] == ["1", None, "12345678901", "0.5"]
    assert (float(rows[4].id), len(rows[4].id) < 10) == (
        1e300,
        True,
    )  # no 301 digits of which 285 are made up


@pytest.mark.parametrize("unit", ["ms", "us"])
def test_instants_that_all_fit_become_nanoseconds(read, parquet, tmp_path, unit):
    coarse = pa.array([-5, None, 2**33], pa.timestamp(unit, "UTC"))
    nested = pa.StructArray.from_arrays([coarse, coarse], ["t", "n"])
    parquet(
        {"text": ["x"] * 3, "k": coarse, "s": nested, "z": coarse[1:2].take([0, 0, 0])},
        "d/0.parquet",
        row_group_size=1,
    )
    fine = pa.array([2**62 + 1], pa.timestamp("ns", "UTC"))
    struct = pa.StructArray.from_arrays([fine, pa.array([1], pa.timestamp("us", "UTC"))], ["t", "n"])
    parquet({"text": ["y"], "k": fine, "s": struct, "z": fine}, "d/1.parquet")
    selection = Selection(payload_column="text", keep=("k", "s.t", "z"))
    rows = read(tmp_path / "d", selection).rows
    per = {"ms": 10**6, "us": 10**3}[unit]
    assert [row.passthrough for row in rows] == [
        (-5 * per, -5 * per, None),
        (None, None, None),
        (2**33 * per, 2**33 * per, None),
        (2**62 + 1, 2**62 + 1, 2**62 + 1),
    ]
    schema = open_source(input_settings((str(tmp_path / "d"),)), selection).passthrough_schema
    assert schema.types == [pa.timestamp("ns", "UTC")] * 3


def test_without_statistics_nothing_proves_that_instants_fit(parquet, tmp_path):
    parquet({"text": ["x"], "k": pa.array([1], pa.timestamp("us"))}, "d/0.parquet", write_statistics=False)
    parquet({"text": ["x"], "k": pa.array([1], pa.timestamp("ns"))}, "d/1.parquet")
    with pytest.raises(InputError, match="no type holds both without loss"):
        open_source(input_settings((str(tmp_path / "d"),)), Selection(payload_column="text", keep=("k",)))
