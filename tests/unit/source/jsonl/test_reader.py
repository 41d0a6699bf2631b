"""JSON Lines: what a good line becomes, and that every bad one is a row with its place and position."""

from __future__ import annotations

import gzip
import json

import pytest
from support.remote import DictRemote
from support.settings import input_settings

from fanout.domain.records import Options, Record, Rejected
from fanout.errors import InputError
from fanout.source.jsonl import reader
from fanout.source.jsonl.lines import split_lines
from fanout.source.jsonl.reader import JSON_TEXT
from fanout.source.selection import Selection
from fanout.source.source import open_source

GOOD = b'{"a":1}'


@pytest.mark.parametrize(
    ("line", "code", "message"),
    [
        (b"null", "NotAnObject", "the line is not a JSON object"),
        (b"3", "NotAnObject", "the line is not a JSON object"),
        (b"[1]", "NotAnObject", "the line is not a JSON object"),
        (b'{"a":1}{"b":2}', "InvalidJSON", "at column 8; one JSON value on a line"),
        (b'{"a":1} {"b":2}', "InvalidJSON", "at column 9; one JSON value on a line"),
        (b'{"a":"\x00"}', "InvalidJSON", "at column 7"),
        (b"\x00", "InvalidJSON", "at column 1"),
        (b'{"a":"\xc3\xa9\xff"}', "InvalidUTF8", "not valid UTF-8 at byte 9"),
        (b'{"a":"\xed\xa0\x80"}', "InvalidUTF8", "not valid UTF-8 at byte 7"),
        (b'{"a":"\\ud800"}', "InvalidJSON", "surrogate"),
        (b'{"a":NaN}', "InvalidJSON", "at column 6"),
        (b'{"a":1e999}', "InvalidJSON", "infinity"),
        (b'{"a":1', "InvalidJSON", "at column 7"),
        (b"[" * 20_000, "InvalidJSON", "depth limit"),
        (b'{"a":' * 20_000, "InvalidJSON", "depth limit"),
    ],
)
def test_a_bad_line_is_a_row_with_file_line_and_position(read, jsonl, line, code, message):
    path = jsonl([GOOD, b"", line, GOOD])
    rows = read(path).rows
    assert [type(row) for row in rows] == [Record, Rejected, Record]
    assert [row.row for row in rows] == [0, 1, 2]
    bad = rows[1]
    assert bad.code == code
    assert bad.message.startswith(f"{path}:3: ")
    assert message in bad.message
    assert bad.payload_bytes == len(line)


@pytest.mark.parametrize("line", [b"null", b"3", b"[1]", b'"text"'])
def test_any_json_takes_every_value(read, jsonl, line):
    assert read(jsonl([line]), any_json=True).payloads == [line]


def test_any_json_with_fields_misses_them(read, jsonl):
    bad = read(jsonl([b"[1]"]), Selection(payload_fields=("a",), id_column="id"), any_json=True).rejected
    assert (bad.code, bad.id) == ("MissingField", None)


@pytest.mark.parametrize("content", [b"", b"\n", b"\n \t\r\n\r\n  ", b"\xef\xbb\xbf", b"\xef\xbb\xbf\n"])
def test_nothing_but_blank_lines_is_no_row(read, jsonl, content):
    assert read(jsonl(content)) == ([], None)


def test_the_payload_is_the_lines_own_bytes(read, jsonl):
    lines = [
        b' {"b" : 1.10, "a":1e2,"a":2 } ',
        b'{"n":123456789012345678901234567890}',
        b'{"\\u00e9":"\xc3\xa9"}',
    ]
    assert read(jsonl(lines)).payloads == lines


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
@pytest.mark.parametrize("last", [True, False])
@pytest.mark.parametrize("block", [1, 2, 3, 5, 64])
def test_marks_and_line_ends_are_no_part_of_the_payload(read, jsonl, mark, end, last, block):
    content = mark + GOOD + end + end + GOOD + (end if last else b"")
    assert read(jsonl(content), block_bytes=block).payloads == [GOOD, GOOD]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be"])
def test_wide_encodings_are_named_with_the_command_that_converts_them(read, jsonl, encoding):
    path = jsonl('{"a":1}\n'.encode(encoding))
    name = encoding.upper()[:6]
    assert read(path) == ([], f"{path}: is {name}, not UTF-8; convert it with: iconv -f {name} -t UTF-8")


@pytest.mark.parametrize("block", [7, 100, 10_000])
def test_a_line_over_the_cap_is_counted_and_skipped(read, jsonl, block):
    long = b'{"a":"' + b"x" * 5_000 + b'"}'
    path = jsonl([GOOD, long, GOOD])
    rows = read(path, line_cap_bytes=100, block_bytes=block).rows
    assert [type(row) for row in rows] == [Record, Rejected, Record]
    assert (rows[1].code, rows[1].payload_bytes) == ("LineTooLong", len(long))
    assert (
        rows[1].message
        == f"{path}:2: the line has {len(long):,} bytes, more than input.line_max_bytes (100) allows; raise it"
    )


def test_fields_are_written_in_the_order_asked_for(read, jsonl):
    selection = Selection(payload_fields=("b", "a"))
    assert read(jsonl([b'{"a":1,"c":3,"b":"\xc3\xa9"}']), selection).payloads == [b'{"b":"\xc3\xa9","a":1}']


def test_of_repeated_fields_the_last_wins(read, jsonl):
    assert read(jsonl([b'{"a":1,"a":2}']), Selection(payload_fields=("a",))).payloads == [b'{"a":2}']


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("123456789012345678901234567890", "123456789012345678901234567890"),
        ("[18446744073709551616,-9223372036854775809]", "[18446744073709551616,-9223372036854775809]"),
        ("18446744073709551615", "18446744073709551615"),
        ("1.10", "1.1"),
        ("0.1234567890123456789", "0.12345678901234568"),
        ('"1234567890123456789012"', '"1234567890123456789012"'),
        ('{"x":"\u00e9","y":98765432109876543210}', '{"x":"\u00e9","y":98765432109876543210}'),
    ],
)
def test_rewritten_numbers_keep_their_value(read, jsonl, text, written):
    payload = read(jsonl([b'{"a":' + text.encode() + b"}"]), Selection(payload_fields=("a",))).payloads[0]
    assert payload == b'{"a":' + written.encode() + b"}"


@pytest.mark.parametrize("selection", [Selection(), Selection(payload_fields=("a",))])
def test_a_number_beyond_a_double_is_a_rejected_row(read, jsonl, selection):
    assert len(read(jsonl([b'{"a":' + b"9" * 308 + b"}"]), selection).payloads[0]) == 314
    for digits in (310, 5_000):
        bad = read(jsonl([b'{"a":' + b"9" * digits + b"}"]), selection).rejected
        assert (bad.code, "infinity" in bad.message) == ("InvalidJSON", True)


def test_deep_values_are_written_again_or_rejected_but_never_crash(read, jsonl):
    for depth in (250, 300, 1_000):
        value = b"[" * depth + b"]" * depth
        (row,) = read(jsonl([b'{"a":' + value + b"}"]), Selection(payload_fields=("a",))).rows
        assert row.payload == b'{"a":' + value + b"}" if isinstance(row, Record) else row.code == "NotJSON"
        assert isinstance(row, Record) or depth == 1_000


def test_a_payload_column_is_a_string_verbatim(read, jsonl):
    (row,) = read(jsonl([b'{"q":"caf\xc3\xa9\\n"}']), Selection(payload_column="q")).rows
    assert row.payload == "caf\u00e9\n".encode()
    assert row.options.content_type == "text/plain; charset=utf-8"


@pytest.mark.parametrize(
    ("value", "code", "message"),
    [
        (b'{"q":null}', "NullPayload", "column 'q' is null"),
        (b'{"q":{"x":1}}', "InvalidPayload", "column 'q' is an object, not a string: use template \"$q\""),
        (b'{"q":true}', "InvalidPayload", "is a boolean"),
        (b'{"p":"x"}', "MissingField", "no field 'q' (known are 'p')"),
    ],
)
def test_a_payload_column_without_text_rejects_the_row(read, jsonl, value, code, message):
    path = jsonl([b'{"q":"good"}', value])
    bad = read(path, Selection(payload_column="q")).rows[1]
    assert (bad.code, bad.payload_bytes) == (code, len(value))
    assert bad.message.startswith(f"{path}:2: ")
    assert message in bad.message


@pytest.mark.parametrize(
    ("text", "ident"),
    [("1.0", "1"), ("-0.0", "0"), ("12345678901.0", "12345678901"),
     ("\"a/b\\u0007\"", "a/b\x07"), ("7", "7"), ("1.50", "1.5"), ("[1, 2]", "[1,2]"), ("null", None),
     ("98765432109876543210", "98765432109876543210"), ('"' + "x" * 300 + '"', "x" * 300)],
)  # fmt: skip
def test_ids_are_strings_as_they_are_and_all_else_as_json(read, jsonl, text, ident):
    (row,) = read(jsonl([b'{"id":' + text.encode() + b"}"]), Selection(id_column="id")).rows
    assert row.id == ident
    assert row.payload == b'{"id":' + text.encode() + b"}"


def test_a_missing_id_is_none_and_ids_may_repeat(read, jsonl):
    rows = read(jsonl([b'{"id":"x"}', b"{}", b'{"id":"x"}']), Selection(id_column="id")).rows
    assert [row.id for row in rows] == ["x", None, "x"]


def test_kept_fields_are_json_texts_and_survive_rejection(read, jsonl, tmp_path):
    selection = Selection(keep=("n", "s"), id_column="id", payload_column="q")
    path = jsonl(
        [
            b'{"q":"x","n":12345678901234567890123,"s":"t"}',
            b'{"q":"x","s":null}',
            b'{"q":null,"id":5,"n":[1,{}]}',
            b"oops",
        ]
    )
    rows = read(path, selection).rows
    assert [row.passthrough for row in rows] == [
        ("12345678901234567890123", '"t"'),
        (None, "null"),
        ("[1,{}]", None),
        (None, None),
    ]
    assert rows[2].id == "5"
    schema = open_source(input_settings((str(path),)), selection).passthrough_schema
    assert schema.names == ["n", "s"]
    assert all(field.metadata == JSON_TEXT and str(field.type) == "string" for field in schema)


def test_options_come_from_columns_and_equal_ones_are_one_object(read, jsonl):
    selection = Selection(
        content_type_column="ct", accept_column="ac", custom_attributes_column="ca",
        ttl_column="ttl", invocation_timeout_column="to", defaults=Options(accept="a/b", ttl_s=60),
    )  # fmt: skip
    line = b'{"ct":"text/csv","ac":null,"ca":"k=v","ttl":100.0,"to":9}'
    rows = read(jsonl([line, line, b"{}"]), selection).rows
    assert rows[0].options == Options("text/csv", "a/b", "k=v", 100, 9)
    assert rows[1].options is rows[0].options
    assert rows[2].options == Options("application/json", "a/b", None, 60, None)


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("ct", "5", "column 'ct' is a number, not a string"),
        ("ct", "[]", "column 'ct' is an array, not a string"),
        ("ttl", '"60"', "column 'ttl' is a string, not a whole number of seconds"),
        ("ttl", "true", "column 'ttl' is a boolean, not a whole number of seconds"),
        ("ttl", "1.5", "column 'ttl' is a fraction, not a whole number of seconds"),
        ("ttl", "{}", "column 'ttl' is an object, not a whole number of seconds"),
    ],
)
def test_an_option_of_the_wrong_type_rejects_the_row(read, jsonl, field, value, message):
    path = jsonl([f'{{"id":"i","{field}":{value}}}'.encode()])
    bad = read(path, Selection(id_column="id", content_type_column="ct?", ttl_column="ttl?")).rejected
    assert (bad.code, bad.message, bad.id) == ("InvalidOption", f"{path}:1: {message}", "i")


def test_a_range_is_not_the_sources_business(read, jsonl):
    (row,) = read(jsonl([b'{"ttl":-5}']), Selection(ttl_column="ttl")).rows
    assert row.options.ttl_s == -5


def test_an_object_in_s3_takes_the_place_of_the_payload(read, jsonl):
    path = jsonl([b'{"u":"s3://b/k","q":"x"}', b'{"u":null,"q":"y"}', b'{"q":"z"}'])
    rows = read(path, Selection(location_column="u", payload_column="q")).rows
    assert [(row.location, row.payload) for row in rows] == [("s3://b/k", b""), (None, b"y"), (None, b"z")]


@pytest.mark.parametrize(
    ("line", "code", "message"),
    [
        (b'{"u":null}', "NoPayload", "column 'u' is null and no payload is selected"),
        (b"{}", "NoPayload", "column 'u' is null and no payload is selected"),
        (b'{"u":5}', "InvalidLocation", "column 'u' is a number, not an s3:// uri"),
        (b'{"u":"s3://only-a-bucket"}', "InvalidLocation", "column 'u' is not of the form s3://bucket/key"),
        (b'{"u":"/etc/passwd"}', "InvalidLocation", "column 'u' is not of the form s3://bucket/key"),
    ],
)
def test_a_row_without_object_and_payload_is_rejected(read, jsonl, line, code, message):
    path = jsonl([line])
    bad = read(path, Selection(location_column="u?")).rejected
    assert (bad.code, bad.message) == (code, f"{path}:1: {message}")


def test_the_content_type_of_lines_is_json_unless_the_run_says_otherwise(read, jsonl):
    path = jsonl([GOOD])
    assert read(path).rows[0].options == Options(content_type="application/json")
    said = Selection(defaults=Options(content_type="application/jsonlines"))
    assert read(path, said).rows[0].options.content_type == "application/jsonlines"


@pytest.mark.parametrize(
    "selection",
    [
        Selection(payload_column="quesion"),
        Selection(payload_fields=("quesion",)),
        Selection(template=["$quesion"]),
        Selection(id_column="quesion"),
        Selection(keep=("quesion",)),
    ],
)
def test_a_misspelt_field_is_found_before_the_first_row(jsonl, selection):
    path = jsonl([json.dumps({"question": "q", "other": 1}).encode()])
    with pytest.raises(InputError) as caught:
        open_source(input_settings((str(path),)), selection)
    assert str(caught.value) == (
        f"{path}: no field 'quesion' in the first 100 rows (did you mean 'question'?); "
        "if rows may lack it, write 'quesion?'"
    )


OTHERS = [
    Selection(id_column="uuid"),
    Selection(keep=("a", "remarks")),
    Selection(template="on ${remarks}"),
    Selection(content_type_column="kind"),
    Selection(accept_column="kind"),
    Selection(custom_attributes_column="kind"),
    Selection(ttl_column="kind"),
    Selection(invocation_timeout_column="kind"),
    Selection(location_column="kind"),
]


@pytest.mark.parametrize("selection", OTHERS)
def test_a_field_that_is_like_no_other_is_missed_too(jsonl, selection):
    path = jsonl([GOOD])
    with pytest.raises(InputError, match=r"no field '\w+' in the first 100 rows \(known are 'a'\)"):
        open_source(input_settings((str(path),)), selection)


def test_a_field_that_is_marked_as_rare_may_be_missing(read, jsonl):
    path = jsonl([GOOD] * 150 + [b'{"a":2,"remarks":"z","uuid":7,"b":60}'])
    rows = read(path, Selection(keep=("remarks?",), id_column="uuid?", ttl_column="b?")).rows
    assert {(row.id, row.passthrough, row.options.ttl_s) for row in rows[:150]} == {(None, (None,), None)}
    assert (rows[150].id, rows[150].passthrough, rows[150].options.ttl_s) == ("7", ('"z"',), 60)
    names = open_source(input_settings((str(path),)), Selection(keep=("remarks?",))).passthrough_schema.names
    assert names == ["remarks"]
    assert read(path, Selection(payload_fields=("a", "remarks?"))).payloads[149:] == [
        b'{"a":1,"remarks":null}',
        b'{"a":2,"remarks":"z"}',
    ]


def test_a_field_whose_name_ends_in_the_mark_is_that_field(read, jsonl):
    (row,) = read(jsonl([b'{"done?":1,"done":2}']), Selection(keep=("done?",), payload_fields=("done",))).rows
    assert (row.payload, row.passthrough) == (b'{"done":2}', ("1",))


def test_an_empty_first_file_hides_no_mistake(jsonl, tmp_path):
    jsonl(b"", "d/0.jsonl")
    jsonl(b"\n", "d/1.jsonl")
    second = jsonl([GOOD], "d/2.jsonl")
    with pytest.raises(InputError) as caught:
        open_source(input_settings((str(tmp_path / "d"),)), Selection(keep=("b",)))
    assert str(caught.value).startswith(f"{second}: no field 'b'")


NESTED = b'{"id":1,"data":{"text":"hi","a":{"b":[1]}},"meta.lang":"de","meta":{"lang":"en","x":null}}'


def test_a_field_of_an_object_is_selected_by_its_path(read, jsonl):
    path = jsonl([NESTED, b'{"data":null,"meta":{}}'])
    keep = ("meta.lang", "data.a.b", "meta.x")
    rows = read(path, Selection(payload_column="data.text", keep=keep, id_column="data.a.b")).rows
    assert (rows[0].payload, rows[0].id, rows[0].passthrough) == (b"hi", "[1]", ('"de"', "[1]", "null"))
    assert (rows[1].code, rows[1].passthrough) == ("NullPayload", (None, "null", None))
    whole, none = read(path, Selection(payload_fields=("data.text", "meta.lang", "data"))).rows
    assert whole.payload == b'{"text":"hi","meta.lang":"de","data":{"text":"hi","a":{"b":[1]}}}'
    assert none.code == "MissingField"


def test_a_misspelt_path_names_the_nearest(jsonl):
    path = jsonl([NESTED])
    with pytest.raises(
        InputError, match=r"no field 'data\.txt' in the first 100 rows \(did you mean 'data\.text'\?\)"
    ):
        open_source(input_settings((str(path),)), Selection(payload_column="data.txt"))


def test_a_broken_first_line_hides_no_field(read, jsonl):
    rows = read(jsonl([b"oops", b'{"q":"x"}']), Selection(payload_column="q")).rows
    assert [type(row) for row in rows] == [Rejected, Record]


@pytest.mark.parametrize(
    "selection",
    [
        Selection(id_column="id"),
        Selection(keep=("label", "id")),
        Selection(payload_fields=("id",)),
        Selection(template={"in": "about $id"}),
    ],
    ids=["id", "keep", "fields", "template"],
)
def test_a_further_file_that_lacks_what_the_first_has_is_named_before_the_first_row(jsonl, selection):
    first = jsonl([b'{"id": 1, "label": 2}'], "d/1.jsonl")
    second = jsonl([b'{"ident": 1, "label": 2}'] * 3, "d/2.jsonl")
    third = jsonl([b""], "d/3.jsonl")
    paths = tuple(map(str, (first, second, third)))
    with pytest.raises(InputError) as caught:
        open_source(input_settings(paths), selection)
    assert str(caught.value).startswith(f"{second}: no field 'id' in the first 100 rows ")


def test_a_field_that_rows_may_lack_may_be_missing_from_a_whole_file(read, jsonl):
    jsonl([b'{"id": "a"}'], "d/1.jsonl")
    folder = jsonl([b'{"x": 1}'], "d/2.jsonl").parent
    assert [row.id for row in read(folder, Selection(id_column="id?")).rows] == ["a", None]


@pytest.mark.parametrize(("suffix", "whole"), [("", True), (".gz", False)])
def test_a_block_of_s3_is_cut_into_lines_as_it_came(monkeypatch, suffix, whole):
    """Cut into smaller ones first, all of it was copied once more; what is compressed unfolds step by step."""
    text = b'{"a":1}\n' * 1_000
    body = gzip.compress(text) if suffix else text
    remote = DictRemote({("lake", f"in.jsonl{suffix}"): body})
    blocks = []

    def noting(texts, *, cap_bytes):
        return split_lines((blocks.append(len(block)) or block for block in texts), cap_bytes=cap_bytes)

    monkeypatch.setattr(reader, "split_lines", noting)
    settings = input_settings([f"s3://lake/in.jsonl{suffix}"], block_bytes=1_000)
    source = open_source(settings, Selection(), remote=remote)
    assert sum(len(chunk) for chunk in source.read()) == 1_000
    assert (blocks == [len(text)]) is whole
    assert max(blocks) <= (len(text) if whole else 1_000)
