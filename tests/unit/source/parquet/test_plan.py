"""Several Parquet files as one dataset: which of them have a say in columns and types, and which are refused."""

from __future__ import annotations

import pyarrow as pa
import pytest

from fanout.errors import InputError
from fanout.source.selection import Selection
from fanout.source.settings import InputSettings
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
    source = open_source(InputSettings((str(tmp_path / "d"),)), selection)
    assert source.total_rows() == 2
    assert [str(field.type) for field in source.passthrough_schema] == ["int64"] * len(selection.keep)
    assert list(source.read())
    assert source.statistics().share == 1.0


@pytest.mark.parametrize("empty", NOTHING)
def test_an_input_without_rows_ends_at_once_whatever_is_selected(read, parquet, empty):
    path = parquet(NOTHING[empty])
    selection = Selection(payload_column="text", keep=("k",))
    assert read(path) == read(path, selection) == ([], None)
    kind = open_source(InputSettings((str(path),)), selection).passthrough_schema.field("k").type
    assert kind == (pa.date32() if empty == "other types" else pa.null())


def test_rows_without_a_column_are_not_sent_as_empty_objects(tmp_path, parquet):
    path = parquet({"__index_level_0__": [1, 2]})
    with pytest.raises(InputError) as caught:
        open_source(InputSettings((str(path),)), Selection())
    assert str(caught.value) == f"{path}: has 2 rows and no column to send; name the payload's columns"


def test_the_index_of_pandas_is_sent_only_where_it_is_asked_for(read, parquet, tmp_path):
    parquet({"text": ["x"], "__index_level_0__": [7], "__index_level_x__": [8]}, "d/0.parquet")
    parquet({"text": ["y"], "__index_level_x__": [9]}, "d/1.parquet")
    whole = [b'{"text":"x","__index_level_x__":8}', b'{"text":"y","__index_level_x__":9}']
    assert read(tmp_path / "d").payloads == whole
    asked = Selection(payload_fields=("__index_level_0__",), keep=("__index_level_0__",))
    (row,) = read(tmp_path / "d/0.parquet", asked).rows
    assert (row.payload, row.passthrough) == (b'{"__index_level_0__":7}', (7,))
