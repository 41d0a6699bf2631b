"""What Parquet's own schema tells: UUIDs and intervals, unsigned integers, half floats, and bytes that are text."""

from __future__ import annotations

import json
import uuid

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support.settings import input_settings

from fanout.errors import InputError
from fanout.source.selection import Selection
from fanout.source.source import open_source

IDS = [uuid.UUID(int=number + 1) for number in range(2)]
RAW = pa.array([one.bytes for one in IDS], pa.binary(16))
UUIDS = pa.ExtensionArray.from_storage(pa.uuid(), RAW)


def kept_type_of(path, selection):
    return open_source(input_settings((str(path),)), selection).passthrough_schema.field(0).type


@pytest.mark.parametrize("store_schema", [True, False])
def test_uuids_are_text_in_ids_and_payloads_and_uuids_in_the_output(read, tmp_path, store_schema):
    path = tmp_path / "in.parquet"
    if store_schema:
        nested = pa.StructArray.from_arrays([UUIDS], ["x"]), pa.ListArray.from_arrays([0, 1, 2], UUIDS)
        pq.write_table(pa.table({"u": UUIDS, "s": nested[0], "l": nested[1]}), path)
    else:  # DuckDB writes Parquet's own mark, which pyarrow before 21 leaves out
        values = ", ".join(f"('{one}'::UUID)" for one in IDS)
        duckdb.sql(f"COPY (SELECT u, {{'x': u}} AS s, [u] AS l FROM (VALUES {values}) t(u)) TO '{path}'")
    rows = read(path, Selection(id_column="u", keep=("u", "s", "l"))).rows
    texts = [str(one) for one in IDS]
    assert [row.id for row in rows] == texts
    assert [json.loads(row.payload) for row in rows] == [{"u": t, "s": {"x": t}, "l": [t]} for t in texts]
    assert [row.passthrough for row in rows] == [(one.bytes, {"x": one.bytes}, [one.bytes]) for one in IDS]
    schema = open_source(input_settings((str(path),)), Selection(keep=("u", "s", "l"))).passthrough_schema
    assert schema.types == [
        pa.uuid(),
        pa.struct([("x", pa.uuid())]),
        pa.list_(pa.field("element", pa.uuid())),
    ]
    payloads = read(path, Selection(payload_column="u")).rows
    assert [row.payload.decode() for row in payloads] == texts
    assert payloads[0].options.content_type == "text/plain; charset=utf-8"


def test_sixteen_bytes_without_the_mark_are_no_uuid(parquet):
    path = parquet({"u": RAW})
    assert kept_type_of(path, Selection(payload_column="u", keep=("u",))) == pa.binary(16)
    with pytest.raises(
        InputError, match=r"column 'u' is fixed_size_binary\[16\], which JSON has no text for"
    ):
        open_source(input_settings((str(path),)), Selection())


def test_intervals_are_iso_8601_in_ids_payloads_and_the_output(read, tmp_path):
    path = tmp_path / "in.parquet"
    duckdb.sql(
        "COPY (SELECT INTERVAL '14 months 3 days 4.5 seconds' AS i, [INTERVAL '2 days'] AS l "
        f"UNION ALL SELECT NULL, NULL) TO '{path}'"
    )
    selection = Selection(id_column="i", keep=("i",))
    rows = read(path, selection).rows
    assert [row.payload for row in rows] == [
        b'{"i":"P14M3DT4.500S","l":["P0M2DT0S"]}',
        b'{"i":null,"l":null}',
    ]
    assert [(row.id, row.passthrough) for row in rows] == [
        ("P14M3DT4.500S", ("P14M3DT4.500S",)),
        (None, (None,)),
    ]
    assert kept_type_of(path, selection) == pa.string()


def test_intervals_are_text_within_lists_structs_and_maps_too(read, tmp_path):
    path = tmp_path / "in.parquet"
    days = "INTERVAL '2 days'"
    duckdb.sql(
        f"COPY (SELECT [{days}, NULL] AS l, {{'x': {days}, 'n': 1}} AS s, MAP {{'k': {days}}} AS m, "
        f"[{{'x': [{days}]}}] AS d UNION ALL SELECT NULL, NULL, NULL, NULL) TO '{path}'"
    )
    names = ("l", "s", "m", "d")
    text = "P0M2DT0S"
    rows = read(path, Selection(payload_fields=names, keep=names)).rows
    kept = ([text, None], {"x": text, "n": 1}, [("k", text)], [{"x": [text]}])
    assert [row.passthrough for row in rows] == [kept, (None,) * 4]
    assert json.loads(rows[0].payload) == {"l": [text, None], "s": kept[1], "m": {"k": text}, "d": kept[3]}
    schema = open_source(input_settings((str(path),)), Selection(keep=names)).passthrough_schema
    assert not any("binary" in str(kind) or "interval" in str(kind) for kind in schema.types)
    for place, kind in enumerate(schema.types):
        assert pa.array([row.passthrough[place] for row in rows], type=kind).null_count == 1


def test_the_largest_unsigned_integers_and_half_floats_keep_their_values(read, parquet):
    halves = pa.array([1.5, 65504.0], pa.float32()).cast(pa.float16())
    path = parquet({"n": pa.array([2**64 - 1, 0], pa.uint64()), "h": halves})
    rows = read(path, Selection(id_column="n", keep=("n", "h"))).rows
    assert [row.payload for row in rows] == [b'{"n":18446744073709551615,"h":1.5}', b'{"n":0,"h":65504.0}']
    assert [(row.id, row.passthrough) for row in rows] == [
        ("18446744073709551615", (2**64 - 1, 1.5)),
        ("0", (0, 65504.0)),
    ]


TEXT = {"t": [b"caf\xc3\xa9", b"\xff", None], "n": [1, 2, 3]}


def test_binary_can_be_declared_text(read, parquet):
    path = parquet(TEXT)
    selection = Selection(id_column="t", keep=("t",), content_type_column="t")
    good, bad, none = read(path, selection, text_columns=("t",)).rows
    assert (good.id, good.payload, good.passthrough) == (
        "caf\u00e9",
        '{"t":"caf\u00e9","n":1}'.encode(),
        ("caf\u00e9",),
    )
    assert good.options.content_type == "caf\u00e9"
    assert (bad.code, bad.message) == ("NotJSON", f"{path}: row 1: column 't' is not valid UTF-8")
    assert (none.id, none.payload, none.passthrough) == (None, b'{"t":null,"n":3}', (None,))
    good, bad, _ = read(path, Selection(payload_column="t"), text_columns=("t",)).rows
    assert (good.payload, good.options.content_type) == (b"caf\xc3\xa9", "text/plain; charset=utf-8")
    assert bad.code == "InvalidUTF8"


def test_what_is_declared_text_has_to_be_there_and_binary(parquet):
    path = parquet(TEXT)
    for columns, message in (
        (("tt",), r"no column 'tt' \(did you mean 't'\?\)"),
        (("t", "n"), "column 'n' is int64, not binary: it cannot be read as text"),
    ):
        with pytest.raises(InputError, match=message):
            open_source(input_settings((str(path),), text_columns=columns), Selection())
