"""Where a name leads in a Parquet file: to a column, to a field of a struct, or to a folder of the path."""

from __future__ import annotations

import pyarrow as pa
import pytest
from support.settings import input_settings

from fanout.errors import InputError
from fanout.source.selection import Selection
from fanout.source.source import open_source

AUDIO = pa.array(
    [{"bytes": b"RIFF", "meta": {"lang": "de", "n": 1}}, None, {"bytes": None, "meta": None}],
    pa.struct([("bytes", pa.binary()), ("meta", pa.struct([("lang", pa.string()), ("n", pa.int8())]))]),
)


@pytest.mark.parametrize("batch_bytes", [1, 8 << 20])
def test_a_field_of_a_struct_is_selected_by_its_path(read, parquet, batch_bytes):
    path = parquet({"audio": AUDIO, "other": [1, 2, 3]})
    selection = Selection(payload_column="audio.bytes", keep=("audio.meta.lang",), id_column="audio.meta.n")
    rows = read(path, selection, batch_bytes=batch_bytes).rows
    assert [getattr(row, "payload", None) for row in rows] == [b"RIFF", None, None]
    assert [(row.id, row.passthrough) for row in rows] == [("1", ("de",)), (None, (None,)), (None, (None,))]
    schema = open_source(input_settings((str(path),)), selection).passthrough_schema
    assert schema == pa.schema([("audio.meta.lang", pa.string())])
    fields = Selection(payload_fields=("audio.meta", "audio.meta.n"))
    assert read(path, fields).payloads[0] == b'{"meta":{"lang":"de","n":1},"n":1}'
    template = Selection(template={"p": "$audio.meta.lang:$audio.meta.n"})
    assert read(path, template, limit=1).payloads == [b'{"p":"de:1"}']


def test_a_column_of_that_very_name_goes_first(read, parquet):
    struct = pa.array([{"b": 1, "c.d": 2}], pa.struct([("b", pa.int8()), ("c.d", pa.int8())]))
    path = parquet({"a": struct, "a.b": ["x"]})
    names = ("a.b", "a.c.d")
    (row,) = read(path, Selection(payload_fields=names, keep=names)).rows
    assert (row.payload, row.passthrough) == (b'{"a.b":"x","d":2}', ("x", 2))


def test_a_path_that_leads_nowhere_names_the_nearest(parquet):
    path = parquet({"audio": AUDIO})
    for name, nearest in (("audio.byte", "audio.bytes"), ("audio.meta.lange", "audio.meta.lang")):
        with pytest.raises(InputError) as caught:
            open_source(input_settings((str(path),)), Selection(payload_column=name))
        assert str(caught.value) == f"{path}: no column {name!r} (did you mean {nearest!r}?)"


@pytest.fixture
def partitioned(parquet, jsonl, tmp_path):
    """Return a function that writes two partitions in either format and returns the folder."""

    def write(kind):
        for folder, text in (
            ("_day=1/city=K%C3%B6ln", "x"),
            ("_day=2/city=__HIVE_DEFAULT_PARTITION__", "y"),
        ):
            if kind == "parquet":
                parquet({"text": [text]}, f"d/{folder}/p.parquet")
            else:
                jsonl([b'{"text":"%s"}' % text.encode()], f"d/{folder}/p.jsonl")
        return tmp_path / "d"

    return write


@pytest.mark.parametrize("kind", ["parquet", "jsonl"])
def test_partition_columns_can_be_kept_and_sent(read, partitioned, kind):
    folder = partitioned(kind)
    assert read(folder).payloads == [b'{"text":"x"}', b'{"text":"y"}']
    selection = Selection(payload_fields=("text", "city"), keep=("city", "_day"), id_column="_day")
    one, two = read(folder, selection).rows
    assert one.payload == '{"text":"x","city":"K\u00f6ln"}'.encode()
    assert two.payload == b'{"text":"y","city":null}'
    quoted = (lambda text: text) if kind == "parquet" else (lambda text: f'"{text}"')
    assert one.passthrough == (quoted("K\u00f6ln"), quoted("1"))
    assert two.passthrough[0] in {None, "null"}
    assert [one.id, two.id] == ["1", "2"]
    alone = Selection(template={"d": "$_day"}, keep=("_day",))
    assert read(folder, alone).payloads == [b'{"d":"1"}', b'{"d":"2"}']


def test_a_column_goes_before_a_partition_of_its_name(read, parquet, jsonl):
    selection = Selection(payload_fields=("day",))
    assert read(parquet({"day": [7]}, "day=1/p.parquet"), selection).payloads == [b'{"day":7}']
    assert read(jsonl([b'{"day":7}', b"{}"], "day=1/p.jsonl"), selection).payloads == [
        b'{"day":7}',
        b'{"day":"1"}',
    ]
