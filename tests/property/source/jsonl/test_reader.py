"""Whatever the line ends, compression and block size: the payloads are the lines, byte for byte, in order."""

from __future__ import annotations

import gzip
import json
import tempfile
from pathlib import Path

import orjson
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st
from support.examples import examples
from support.settings import input_settings

from fanout.domain.records import Record
from fanout.source import exact_json as exact
from fanout.source.jsonl.lines import LongLine, split_lines
from fanout.source.jsonl.validity import Validity
from fanout.source.selection import Selection
from fanout.source.source import open_source

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(10**300), 10**300)
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts
)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3)
)
objects = st.dictionaries(texts, values, max_size=5)
PIECES = [
    b"{",
    b"}",
    b"[",
    b"]",
    b",",
    b":",
    b'"',
    b"\\",
    b"\\u",
    b"\\ud800",
    b"-",
    b".",
    b"e",
    b"0",
    b"1e999",
    b"\xff",
]
"""What JSON is broken with, and sometimes made of."""


def pack(text: bytes, kind: str, *, cut: int) -> bytes:
    """Compress `text` as two members, cut anywhere."""
    parts = (text[:cut], text[cut:])
    if kind == "gzip":
        return b"".join(gzip.compress(part, 1) for part in parts)
    if kind == "zstd":
        return b"".join(zstandard.ZstdCompressor(write_checksum=True).compress(part) for part in parts)
    return text


def payloads(content: bytes, selection: Selection, **options: int) -> list[bytes]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "rows.jsonl")
        path.write_bytes(content)
        rows = [
            row
            for chunk in open_source(input_settings((str(path),), **options), selection).read()
            for row in chunk
        ]
    assert all(isinstance(row, Record) for row in rows), rows
    assert [row.row for row in rows] == list(range(len(rows)))
    return [row.payload for row in rows]


@settings(max_examples=examples(60), deadline=None)
@given(
    rows=st.lists(objects, max_size=20),
    ascii_only=st.booleans(),
    ends=st.lists(st.sampled_from([b"\n", b"\r\n", b"\n\n", b"\r\n \t\r\n"]), min_size=20, max_size=20),
    mark=st.sampled_from([b"", b"\xef\xbb\xbf"]),
    last=st.booleans(),
    kind=st.sampled_from(["none", "gzip", "zstd"]),
    cut=st.integers(0, 500),
    block=st.integers(1, 64) | st.just(1 << 18),
)
def test_whole_rows_are_the_lines_own_bytes(rows, ascii_only, ends, mark, last, kind, cut, block):
    lines = [json.dumps(row, ensure_ascii=ascii_only).encode() for row in rows]
    text = mark + b"".join(line + end for line, end in zip(lines, ends, strict=False))
    if lines and not last:
        text = text.rstrip(b"\r\n \t")
    assert payloads(pack(text, kind, cut=cut), Selection(), block_bytes=block) == lines


@settings(max_examples=examples(60), deadline=None)
@given(row=objects.filter(bool))
def test_selected_fields_keep_their_values_exactly(row):
    (payload,) = payloads(json.dumps(row).encode(), Selection(payload_fields=tuple(reversed(row))))
    backwards = {name: row[name] for name in reversed(row)}
    # As text, so that 1 and 1.0, or the order of the fields, are not the same.
    assert json.dumps(json.loads(payload)) == json.dumps(backwards)


@given(value=values)
def test_every_json_value_survives_being_parsed_and_written(value):
    parsed = exact.parse_exact(json.dumps(value).encode())
    assert json.dumps(json.loads(exact.dumps(parsed))) == json.dumps(value)


@given(
    text=st.lists(
        st.sampled_from([b"a", b"bc" * 5, b"\r", b"\n", b"\r\n", b"\xef\xbb\xbf"]), max_size=40
    ).map(b"".join),
    sizes=st.lists(st.integers(1, 7), min_size=1),
    cap=st.integers(1, 12),
)
def test_lines_do_not_depend_on_where_blocks_end(text, sizes, cap):
    def numbered(blocks):
        return [
            (first + index, line)
            for first, lines in split_lines(blocks, cap_bytes=cap)
            for index, line in enumerate(lines)
        ]

    blocks, start, turn = [], 0, 0
    while start < len(text):
        size = sizes[turn % len(sizes)]
        blocks.append(text[start : start + size])
        start, turn = start + size, turn + 1
    parts = text.removeprefix(b"\xef\xbb\xbf").split(b"\n")
    expected = [part.removesuffix(b"\r") for part in (parts if parts[-1] else parts[:-1])]
    seen = numbered(blocks)
    assert seen == numbered([text] if text else [])
    assert seen == [
        (number, line if len(line) <= cap else LongLine(len(line))) for number, line in enumerate(expected, 1)
    ]


@settings(max_examples=examples(400), deadline=None)
@given(
    value=objects,
    ascii_only=st.booleans(),
    changes=st.lists(
        st.tuples(st.integers(0, 10_000), st.integers(0, 3), st.binary(max_size=2) | st.sampled_from(PIECES)),
        max_size=3,
    ),
)
def test_a_line_that_is_judged_without_being_read_is_judged_as_if_it_were(value, ascii_only, changes):
    line = bytearray(json.dumps(value, ensure_ascii=ascii_only).encode())
    for place, removed, piece in changes:
        start = place % (len(line) + 1)
        line[start : start + removed] = piece
    try:
        expected = type(orjson.loads(bytes(line))) is dict
    except orjson.JSONDecodeError:
        expected = None
    try:
        judged = Validity().is_object(bytes(line))
    except orjson.JSONDecodeError:
        judged = None
    assert judged == expected
