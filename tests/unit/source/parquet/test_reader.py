"""Parquet: what a good row becomes, for every type, and which columns are refused before the first row."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support.settings import input_settings

from fanout.domain.records import Options, Record, Rejected
from fanout.errors import InputError
from fanout.source.selection import Selection
from fanout.source.source import open_source

WHEN = datetime(2022, 1, 25, 22, 46, 0, 608000, tzinfo=UTC)
NS = 1_643_150_760_608_000_001  # the same instant and a nanosecond

PAYLOADS = [
    pa.array([b"\x00\xff", b"", b"x" * 2_000]),
    pa.array([b"\x00\xff", b"", b"x" * 2_000], pa.large_binary()),
    pa.array([b"\x00\xff", b"", b"x" * 2_000], pa.binary_view()),
    pa.array([b"\x00\xff", b"", b"x" * 2_000]).dictionary_encode(),
]
TEXTS = [
    pa.array(["caf\u00e9", "", "x" * 2_000]),
    pa.array(["caf\u00e9", "", "x" * 2_000], pa.large_string()),
    pa.array(["caf\u00e9", "", "x" * 2_000], pa.string_view()),
    pa.array(["caf\u00e9", "", "x" * 2_000]).dictionary_encode(),
]


@pytest.mark.parametrize("column", PAYLOADS, ids=lambda column: str(column.type))
def test_bytes_are_sent_verbatim(read, parquet, column):
    rows = read(parquet({"p": column, "other": [1, 2, 3]}), Selection(payload_column="p")).rows
    assert [row.payload for row in rows] == [b"\x00\xff", b"", b"x" * 2_000]
    assert {row.options for row in rows} == {Options(content_type="application/octet-stream")}


@pytest.mark.parametrize("column", TEXTS, ids=lambda column: str(column.type))
def test_text_is_sent_as_utf8(read, parquet, column):
    rows = read(parquet({"p": column}), Selection(payload_column="p", id_column="p")).rows
    assert [row.payload for row in rows] == ["caf\u00e9".encode(), b"", b"x" * 2_000]
    assert [row.id for row in rows] == ["caf\u00e9", "", "x" * 2_000]
    assert {row.options for row in rows} == {Options(content_type="text/plain; charset=utf-8")}


def test_fixed_size_bytes_are_sent_verbatim(read, parquet):
    column = pa.array([b"ab", b"\x00\x01"], pa.binary(2))
    assert read(parquet({"p": column}), Selection(payload_column="p")).payloads == [b"ab", b"\x00\x01"]


def test_a_null_payload_is_a_rejected_row_that_keeps_its_columns(read, parquet):
    path = parquet({"p": [b"x", None], "i": [7, 8], "k": ["a", "b"]})
    rows = read(path, Selection(payload_column="p", id_column="i", keep=("k",))).rows
    assert rows[1] == Rejected(1, "8", "NullPayload", f"{path}: row 1: column 'p' is null", ("b",))


JSON_CASES = [
    (pa.array([1, None], pa.int8()), [1, None]),
    (pa.array([2**64 - 1], pa.uint64()), [2**64 - 1]),
    (pa.array([0.1, None]), [0.1, None]),
    (pa.array([1.5], pa.float32()).cast(pa.float16()), [1.5]),
    (pa.array([0.25], pa.float32()), [0.25]),
    (pa.array([True, False, None]), [True, False, None]),
    (pa.array(["caf\u00e9", None], pa.string_view()), ["caf\u00e9", None]),
    (pa.array(["a", None, "a"]).dictionary_encode(), ["a", None, "a"]),
    (pa.array([Decimal("-1.250"), None], pa.decimal128(10, 3)), ["-1.250", None]),
    (pa.array([Decimal("1E+2")], pa.decimal128(5, 0)), ["100"]),
    (pa.array([Decimal("9" * 60)], pa.decimal256(60, 0)), ["9" * 60]),
    (pa.array([WHEN], pa.timestamp("us", "America/New_York")), ["2022-01-25T22:46:00.608000Z"]),
    (pa.array([WHEN, None], pa.timestamp("ms")), ["2022-01-25T22:46:00.608", None]),
    (pa.array([NS], pa.timestamp("ns", "UTC")), ["2022-01-25T22:46:00.608000001Z"]),
    (pa.array([-1, 0], pa.timestamp("us")), ["1969-12-31T23:59:59.999999", "1970-01-01T00:00:00"]),
    (pa.array([19017, -1], pa.date32()), ["2022-01-25", "1969-12-31"]),
    (pa.array([86_400_000], pa.date64()), ["1970-01-02"]),
    (pa.array([3_661_000], pa.time32("ms")), ["01:01:01"]),
    (pa.array([1], pa.time64("ns")), ["00:00:00.000000001"]),
    (pa.array([-1_500, 61_000], pa.duration("ms")), ["-PT1.500S", "PT61S"]),
    (pa.array([[1, None], [], None]), [[1, None], [], None]),
    (pa.array([[Decimal("1.5")]], pa.large_list(pa.decimal128(3, 1))), [["1.5"]]),
    (pa.array([[1, 2]], pa.list_(pa.date32(), 2)), [["1970-01-02", "1970-01-03"]]),
    (pa.array([{"a": {"t": NS, "n": 1}}, None], pa.struct({"a": pa.struct({"t": pa.timestamp("ns"), "n": pa.int8()})})),
     [{"a": {"t": "2022-01-25T22:46:00.608000001", "n": 1}}, None]),
    (pa.array([[("k", 1), ("l", None)], None], pa.map_(pa.string(), pa.int8())), [{"k": 1, "l": None}, None]),
    (pa.array([[("k", Decimal("1.0"))]], pa.map_(pa.string(), pa.decimal128(3, 1))), [{"k": "1.0"}]),
    (pa.array([[(1, "x")]], pa.map_(pa.date32(), pa.string())), [[["1970-01-02", "x"]]]),
    (pa.nulls(2), [None, None]),
]  # fmt: skip


@pytest.mark.parametrize(("column", "values"), JSON_CASES, ids=lambda case: str(getattr(case, "type", "")))
def test_a_row_as_json(read, parquet, column, values):
    payloads = read(parquet({"x": column, "n": range(len(values))})).payloads
    assert [json.loads(payload) for payload in payloads] == [
        {"x": value, "n": index} for index, value in enumerate(values)
    ]


@pytest.mark.parametrize(
    ("column", "reason"),
    [
        (pa.array([float("nan")]), "is NaN or infinite, which JSON has no text for"),
        (pa.array([float("-inf")], pa.float32()), "is NaN or infinite, which JSON has no text for"),
        (pa.array([[1.0, float("inf")]]), "is NaN or infinite, which JSON has no text for"),
        (pa.array([{"a": float("nan")}]), "is NaN or infinite, which JSON has no text for"),
        (pa.array([2**62], pa.timestamp("ms")), "is outside the years 1 to 9999"),
        (pa.array([-(2**31)], pa.date32()), "is outside the years 1 to 9999"),
    ],
    ids=lambda case: str(getattr(case, "type", "")),
)
def test_what_json_has_no_text_for_rejects_the_row(read, parquet, column, reason):
    path = parquet({"x": column, "id": ["i"]})
    bad = read(path, Selection(id_column="id")).rejected
    assert (bad.id, bad.code, bad.message) == ("i", "NotJSON", f"{path}: row 0: column 'x' {reason}")


KEPT_CASES = [
    *(column for column, _ in JSON_CASES),
    pa.array([float("nan"), None]),
    pa.array([2**62, None], pa.timestamp("ms")),
    pa.array([[NS, None], None], pa.list_(pa.timestamp("ns", "Asia/Tokyo"))),
    pa.array([{"d": 5, "b": b"\xff"}], pa.struct({"d": pa.duration("ns"), "b": pa.binary()})),
    pa.array([[("k", NS)]], pa.map_(pa.string(), pa.time64("ns"))),
    pa.array([b"\xff", None], pa.binary_view()),
    pa.array([b"ab", None], pa.binary(2)),
]


@pytest.mark.parametrize("column", KEPT_CASES, ids=lambda column: str(column.type))
def test_kept_values_restore_the_column_exactly(read, parquet, column):
    path = parquet({"p": ["x"] * len(column), "k": column})
    selection = Selection(payload_column="p", keep=("k",))
    rows = read(path, selection).rows
    kind = open_source(input_settings((str(path),)), selection).passthrough_schema.field("k").type
    restored = pa.array([row.passthrough[0] for row in rows], type=kind)
    stored = pq.read_table(path)["k"].combine_chunks()
    plain = {pa.string_view(): pa.string(), pa.binary_view(): pa.binary(), pa.float16(): pa.float32()}
    plain_kind = stored.type.value_type if pa.types.is_dictionary(stored.type) else stored.type
    plain_kind = plain.get(plain_kind, plain_kind)
    assert kind == plain_kind
    # Compared as text too, as NaN equals nothing.
    assert restored.equals(stored.cast(kind)) or str(restored) == str(stored)


def test_an_extension_column_is_its_storage(read, parquet):
    raw = pa.array([b"0123456789abcdef"], pa.binary(16))
    path = parquet({"p": ["x"], "u": pa.ExtensionArray.from_storage(pa.uuid(), raw)})
    (row,) = read(path, Selection(payload_column="p", keep=("u",))).rows
    assert row.passthrough == (b"0123456789abcdef",)


def test_columns_are_chosen_by_name_in_the_order_asked_for(read, parquet):
    path = parquet({"a": [1], "b.c": ["x"], "b": [{"c": 2}]})
    assert read(path, Selection(payload_fields=("b", "a"))).payloads == [b'{"b":{"c":2},"a":1}']
    assert read(path, Selection(template={"t": "$b.c"})).payloads == [b'{"t":"x"}']
    assert read(path, Selection(template={"t": 1, "a": "$a"})).payloads == [b'{"t":1,"a":1}']
    assert read(path).payloads == [b'{"a":1,"b.c":"x","b":{"c":2}}']


def test_invalid_utf8_in_a_string_column_rejects_only_its_row(read, parquet):
    raw = pa.array([b"good", b"\xff", b"fine"])
    text = pa.Array.from_buffers(pa.string(), 3, raw.buffers())
    path = parquet({"s": text, "p": ["x", "y", "z"]})
    rows = read(path, Selection(payload_column="p", keep=("s",))).rows
    assert rows[1] == Rejected(
        1, None, "InvalidUTF8", f"{path}: row 1: column 's' is not valid UTF-8", (None,)
    )
    assert [row.passthrough for row in (rows[0], rows[2])] == [("good",), ("fine",)]
    rows = read(path, Selection(payload_fields=("s",))).rows
    assert (rows[1].code, rows[1].message) == ("NotJSON", f"{path}: row 1: column 's' is not valid UTF-8")
    (_, bad, _) = read(path, Selection(payload_column="s")).rows
    assert (bad.code, bad.message) == ("InvalidUTF8", f"{path}: row 1: column 's' is not valid UTF-8")


def test_options_and_location_from_columns(read, parquet):
    path = parquet(
        {
            "ct": pa.array(["a/b", None]).dictionary_encode(),
            "ttl": [60.0, None],
            "u": ["s3://b/k", None],
            "p": [b"x", b"y"],
            "none": pa.nulls(2),
        }
    )
    selection = Selection(
        payload_column="p",
        content_type_column="ct",
        ttl_column="ttl",
        location_column="u",
        accept_column="none",
    )
    rows = read(path, selection).rows
    assert rows == [
        Record(0, None, b"", Options("a/b", ttl_s=60), (), "s3://b/k"),
        Record(1, None, b"y", Options("application/octet-stream"), ()),
    ]


def test_a_fraction_of_a_second_rejects_the_row(read, parquet):
    path = parquet({"p": ["x"], "ttl": [1.5]})
    bad = read(path, Selection(payload_column="p", ttl_column="ttl")).rejected
    assert (bad.code, bad.message) == (
        "InvalidOption",
        f"{path}: row 0: column 'ttl' is a fraction, not a whole number of seconds",
    )


def test_objects_alone_need_no_payload(read, parquet):
    path = parquet({"u": ["s3://b/k", None], "image": [b"\xff", b"\xff"]})
    rows = read(path, Selection(location_column="u")).rows
    assert (rows[0].location, rows[1].code) == ("s3://b/k", "NoPayload")


TABLE = {"question": ["q"], "image": [b"x"], "nested": [[1]], "ids": [1]}


@pytest.mark.parametrize(
    ("selection", "message"),
    [
        (Selection(payload_column="quesion"), "no column 'quesion' (did you mean 'question'?)"),
        (Selection(payload_fields=("question", "zzz")),
         "no column 'zzz' (known are 'question', 'image', 'nested', 'ids')"),
        (Selection(template={"x": ["$id"]}), "no column 'id' (did you mean 'ids'?)"),
        (Selection(payload_column="image", keep=("nest",)), "no column 'nest' (did you mean 'nested'?)"),
        (Selection(payload_column="image", id_column="id"), "no column 'id' (did you mean 'ids'?)"),
        (Selection(payload_column="image", ttl_column="id"), "no column 'id' (did you mean 'ids'?)"),
        (Selection(),
         ("column 'image' is binary, which JSON has no text for: send it alone (--payload-column image), or say "
          "which columns are sent (--payload-fields a,b), or name it in input.text_columns if its bytes are text")),
        *((Selection(**payload, id_column="image"),
           ("id column 'image' is binary, which cannot be an id: choose a column of text or numbers, or name it in "
            "input.text_columns if its bytes are text"))
          for payload in ({"payload_column": "question"}, {})),
        (Selection(payload_column="nested"),
         ("payload column 'nested' is list<element: int64>, not bytes or text: "
          "select it as a payload field, or by a template, to send it as JSON")),
        (Selection(payload_column="image", accept_column="ids"), "column 'ids' is int64, not text"),
        (Selection(payload_column="image", location_column="ids"), "column 'ids' is int64, not text"),
        (Selection(payload_column="image", ttl_column="question"), "column 'question' is string, not a number"),
    ],
)  # fmt: skip
def test_columns_are_checked_before_the_first_row(parquet, selection, message):
    path = parquet(TABLE)
    with pytest.raises(InputError) as caught:
        open_source(input_settings((str(path),)), selection)
    assert str(caught.value) == f"{path}: {message}"


def test_a_column_that_is_there_twice_is_refused_only_if_it_is_needed(read, parquet):
    path = parquet(pa.table([[1], [2], ["x"]], names=["a", "a", "b"]))
    assert read(path, Selection(payload_column="b")).payloads == [b"x"]
    with pytest.raises(InputError, match="column 'a' is there 2 times; rename one"):
        read(path, Selection(payload_fields=("a",)))


def test_files_of_a_directory_may_order_their_columns_differently(read, parquet, tmp_path):
    parquet({"a": [1], "b": ["x"]}, "d/1.parquet")
    parquet({"b": ["y"], "a": [2]}, "d/2.parquet")
    assert read(tmp_path / "d").payloads == [b'{"a":1,"b":"x"}', b'{"a":2,"b":"y"}']


@pytest.mark.parametrize(
    ("columns", "selection", "message"),
    [
        ({"a": [1]}, Selection(), "no column 'b' (known are 'a')"),
        ({"a": [1], "b": ["x"], "c": [1]}, Selection(),
         "column 'c' is not in {first} (known are 'a', 'b'); choose the payload's columns, or run the files apart"),
        ({"a": ["1"], "b": ["x"]}, Selection(payload_column="b", keep=("a",)),
         ("passthrough column 'a' is string, but int64 in {first}; no type holds both without loss: "
          "cast one of them, or run the files apart")),
    ],
)  # fmt: skip
def test_a_file_that_differs_from_the_first_is_named(parquet, tmp_path, columns, selection, message):
    first = parquet({"a": [1], "b": ["x"]}, "d/1.parquet")
    second = parquet(columns, "d/2.parquet")
    with pytest.raises(InputError) as caught:
        open_source(input_settings((str(tmp_path / "d"),)), selection)
    assert str(caught.value) == f"{second}: {message.format(first=first)}"


def test_no_rows_are_fine(read, parquet):
    path = parquet({"a": pa.array([], pa.string())})
    source = open_source(input_settings((str(path),)), Selection())
    assert (read(path), source.total_rows()) == (([], None), 0)


@pytest.mark.parametrize("selection", [Selection(), Selection(payload_column="audio")])
def test_bytes_in_a_field_are_named_as_what_can_be_sent(parquet, selection):
    """A column of Hugging Face's Audio or Image: each of two messages named what the other one refused."""
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    path = parquet({"audio": pa.array([{"bytes": b"RIFF", "path": "a.wav"}], kind)})
    with pytest.raises(InputError, match=r"send the bytes in it \(--payload-column audio\.bytes\)"):
        open_source(input_settings((str(path),)), selection)
    source = open_source(input_settings((str(path),)), Selection(payload_column="audio.bytes"))
    assert [record.payload for chunk in source.read() for record in chunk] == [b"RIFF"]
