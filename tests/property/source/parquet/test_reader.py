"""Any table, any row groups and batch sizes: payloads and passthrough columns are what the table holds."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import given, settings
from hypothesis import strategies as st
from support.examples import examples
from support.settings import input_settings

from fanout.domain.records import Record
from fanout.source.selection import Selection
from fanout.source.source import open_source

int64 = st.integers(-(2**63), 2**63 - 1)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
COLUMNS = {
    "bytes": (pa.binary(), st.binary(max_size=40)),
    "text": (pa.string(), texts),
    "tag": (pa.dictionary(pa.int32(), pa.string()), st.sampled_from(["a", "bb"])),
    "number": (pa.float64(), st.floats(allow_nan=False, allow_infinity=False)),
    "instant": (pa.timestamp("ns", "UTC"), int64),
    "list": (pa.list_(pa.struct({"n": pa.int64(), "d": pa.duration("ns")})),
             st.lists(st.fixed_dictionaries({"n": int64, "d": st.none() | int64}), max_size=3)),
}  # fmt: skip
rows_of_columns = st.lists(
    st.fixed_dictionaries({name: st.none() | values for name, (_, values) in COLUMNS.items()}),
    min_size=1,
    max_size=30,
)


def table_of(rows: list[dict[str, object]]) -> pa.Table:
    plain = {
        name: pa.array([row[name] for row in rows], kind.value_type if name == "tag" else kind)
        for name, (kind, _) in COLUMNS.items()
    }
    return pa.table(plain | {"tag": plain["tag"].dictionary_encode()})


@settings(max_examples=examples(60), deadline=None)
@given(rows=rows_of_columns, group=st.integers(1, 12), batch_bytes=st.sampled_from([1, 200, 2_000, 8 << 20]))
def test_rows_come_in_order_whatever_the_batches(rows, group, batch_bytes):
    table = table_of(rows)
    selection = Selection(
        payload_fields=("text", "number", "list", "tag"), keep=tuple(COLUMNS), id_column="tag"
    )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "rows.parquet")
        pq.write_table(table, path, row_group_size=group)
        stored = pq.read_table(path)
        source = open_source(input_settings((str(path),), batch_bytes=batch_bytes), selection)
        seen = [row for chunk in source.read() for row in chunk]
    assert [(type(row), row.row, row.id) for row in seen] == [
        (Record, index, row["tag"]) for index, row in enumerate(rows)
    ]
    for row, record in zip(rows, seen, strict=True):
        payload = json.loads(record.payload)
        assert list(payload) == ["text", "number", "list", "tag"]
        assert (payload["text"], payload["number"], payload["tag"]) == (
            row["text"],
            row["number"],
            row["tag"],
        )
        if row["list"] is None:
            assert payload["list"] is None
        else:
            assert [one["n"] for one in payload["list"]] == [one["n"] for one in row["list"]]
    passthrough = pa.table(
        [pa.array([record.passthrough[index] for record in seen], field.type)
         for index, field in enumerate(source.passthrough_schema)],
        schema=source.passthrough_schema,
    )  # fmt: skip
    assert passthrough.cast(stored.schema).equals(stored)
