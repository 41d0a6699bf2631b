"""Whatever is cut wherever: the rows of all shards, one after the other, are those of one reader."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import given
from hypothesis import strategies as st
from support.remote import DictRemote
from support.settings import input_settings

from fanout.domain.message_rows import renumbered
from fanout.domain.records import Record, Rejected
from fanout.source.known import known_of
from fanout.source.selection import Selection
from fanout.source.source import open_part, open_source
from fanout.source.units import InputPart, unit_of

LINES = st.one_of(
    st.sampled_from([b"", b" ", b"\t", b"{}", b'{"a":1}', b'{"a":', b"[1]", b"\xff", b"\r", b'{"a":"x\r"}']),
    st.just(b"\xef\xbb\xbf{}"),  # a mark that is none, as it does not begin the file
    st.builds(lambda n: b'{"a":"' + b"y" * n + b'"}', st.integers(0, 40)),
)  # fmt: skip
TEXTS = st.builds(
    lambda bom, lines, ends, last: bom + b"".join(line + end for line, end in zip(lines, ends, strict=False)) + last,
    st.sampled_from([b"", b"\xef\xbb\xbf"]),
    st.lists(LINES, max_size=12),
    st.lists(st.sampled_from([b"\n", b"\r\n"]), min_size=12, max_size=12),
    st.one_of(st.just(b""), LINES),
)  # fmt: skip
SELECTION = Selection(id_column="a?", keep=("a?",))


def rows_of(source):
    return [row for chunk in source.read() for row in chunk]


def by_shards(source, shards, settings, selection, remote=None):
    """Return the rows of all shards, renumbered, each made of what a plan keeps of its units."""
    known = known_of(json.loads(json.dumps(source.known.as_dict())))
    together: list[Record | Rejected] = []
    for share in source.units(shards):
        units = [unit_of(json.loads(json.dumps(unit.as_dict()))) for unit in share]
        part = open_part(InputPart(0, shards, tuple(units), known), settings, selection, remote=remote)
        rows = rows_of(part)
        assert [row.row for row in rows] == list(range(len(rows)))
        assert part.passthrough_schema.equals(source.passthrough_schema, check_metadata=True)
        before = len(together)
        paths = [unit.path for unit in units]
        for row in rows:
            if isinstance(row, Rejected):
                message = renumbered(row.message, paths=paths, rows_before=before)
                together.append(replace(row, row=row.row + before, message=message))
            else:
                together.append(replace(row, row=row.row + before))
    return together


def assert_same(whole, parts, text=None):
    assert len(whole) == len(parts)
    for one, other in zip(whole, parts, strict=True):
        if isinstance(one, Record) or text is None:
            assert one == other
            continue
        assert replace(one, message="") == replace(other, message="")
        path, number, said = re.fullmatch(r"(.*?):(\d+): (.*)", one.message, re.DOTALL).groups()
        found = re.fullmatch(rf"{re.escape(path)}: byte (\d+), row {one.row}: (.*)", other.message, re.DOTALL)
        if found is None:  # a file that was not cut
            assert other.message == one.message
            continue
        assert found[2] == said
        assert text[: int(found[1])].count(b"\n") == int(number) - 1
        assert int(found[1]) == 0 or text[int(found[1]) - 1 : int(found[1])] == b"\n"


@given(text=TEXTS, shards=st.integers(1, 40), block_bytes=st.integers(4, 60), selected=st.booleans())
def test_lines_cut_at_any_byte(text, shards, block_bytes, selected):
    selection = SELECTION if selected else Selection()
    with TemporaryDirectory() as folder:
        path = Path(folder, "in.jsonl")
        path.write_bytes(text)
        settings = input_settings([str(path)], block_bytes=block_bytes, line_cap_bytes=30)
        source = open_source(settings, selection)
        assert_same(rows_of(source), by_shards(source, shards, settings, selection), text)


@given(text=TEXTS, shards=st.integers(1, 20))
def test_in_s3_what_is_read_are_the_bytes_of_the_shards(text, shards):
    remote = DictRemote({("b", "k/in.jsonl"): text})
    settings = input_settings(["s3://b/k/"])
    source = open_source(settings, Selection(), remote=remote)
    whole = rows_of(source)
    remote.reads.clear()
    assert_same(whole, by_shards(source, shards, settings, Selection(), remote), text)
    assert all(start + size <= len(text) for _, start, size in remote.reads)


@given(
    files=st.lists(st.tuples(st.integers(0, 30), st.integers(1, 7)), min_size=1, max_size=5),
    shards=st.integers(1, 12),
)
def test_parquet_cut_at_any_row_group(files, shards):
    with TemporaryDirectory() as folder:
        row = 0
        for index, (rows, group) in enumerate(files):
            values = [None if (row + n) % 5 == 0 else f"v{row + n}" for n in range(rows)]
            numbers = pa.array(range(row, row + rows), pa.int64() if index % 2 else pa.int32())
            table = pa.table({"text": pa.array(values, pa.string()), "n": numbers})
            pq.write_table(table, Path(folder, f"{index}.parquet"), row_group_size=group)
            row += rows
        settings = input_settings([folder])
        selection = Selection(payload_column="text", id_column="n", keep=("n",))
        source = open_source(settings, selection)
        parts = by_shards(source, shards, settings, selection)
        assert_same(rows_of(source), parts)
        assert len(parts) == row == source.total_rows()
        assert sum(unit.rows for share in source.units(shards) for unit in share) == row


@given(
    texts=st.lists(TEXTS, min_size=1, max_size=6),
    shards=st.integers(1, 12),
)
def test_many_files_some_of_them_cut(texts, shards):
    with TemporaryDirectory() as folder:
        for index, text in enumerate(texts):
            Path(folder, f"{index}.jsonl").write_bytes(text)
        settings = input_settings([folder])
        source = open_source(settings, SELECTION)
        whole, parts = rows_of(source), by_shards(source, shards, settings, SELECTION)
        assert [replace(row, message="") if isinstance(row, Rejected) else row for row in whole] == [
            replace(row, message="") if isinstance(row, Rejected) else row for row in parts
        ]
