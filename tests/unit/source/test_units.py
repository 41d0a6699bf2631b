"""The units of an input: what each shard reads of it, and that it is still what was divided."""

from __future__ import annotations

import gzip
import json
import os

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support.remote import DictRemote
from support.settings import input_settings

from fanout.domain.records import Record
from fanout.errors import InputError, UsageError
from fanout.source.selection import Selection
from fanout.source.source import open_part, open_source
from fanout.source.units import InputPart, unit_of


def part_of(source, units):
    return InputPart(0, 1, units, source.known)


def rows_of(source):
    return [row for chunk in source.read() for row in chunk]


def shards_of(paths, shards, *, remote=None, selection=None, **settings):
    given = input_settings([str(path) for path in paths], **settings)
    selection = selection or Selection()
    source = open_source(given, selection, remote=remote)
    return [
        open_part(part_of(source, units), given, selection, remote=remote) for units in source.units(shards)
    ]


def test_a_line_of_70_megabytes_is_one_row_of_the_shard_in_which_it_begins(jsonl):
    short, long = [b'{"n":%d}' % n for n in range(1_000)], b'{"x":"' + b"x" * (70 << 20) + b'"}'
    path = jsonl([*short, long, *short])
    shards = shards_of([path], 4, line_cap_bytes=80 << 20)
    read = [rows_of(shard) for shard in shards]
    assert [len(rows) for rows in read] == [1_001, 0, 0, 1_000]
    assert read[0][-1].payload == long
    assert [row.payload for row in read[3]] == short


def test_a_line_over_the_cap_is_a_rejected_row_of_one_shard(jsonl):
    path = jsonl([b"{}", b'"%s"' % (b"x" * 100_000), b"{}"])
    (bad,) = [row for shard in shards_of([path], 8, line_cap_bytes=1_000) for row in rows_of(shard)
              if not isinstance(row, Record)]  # fmt: skip
    assert (bad.code, bad.payload_bytes) == ("LineTooLong", 100_002)
    assert bad.message.startswith(f"{path}: byte 3, row 1: the line has 100,002 bytes")


def test_a_thousand_small_files_are_read_whole_each_by_one_shard(tmp_path):
    for index in range(1_000):
        (tmp_path / f"{index:04d}.jsonl").write_bytes(b'{"n":%d}\n' % index * (index % 3))
    shards = shards_of([tmp_path], 7)
    assert all(file.span is None for shard in shards for file in shard.inputs)
    payloads = [row.payload for shard in shards for row in rows_of(shard)]
    assert payloads == [b'{"n":%d}' % index for index in range(1_000) for _ in range(index % 3)]
    assert max(len(shard.inputs) for shard in shards) < 110


def test_a_compressed_file_is_one_shards_alone(jsonl):
    import gzip

    path = jsonl(gzip.compress(b"{}\n" * 5_000), "in.jsonl.gz")
    shards = shards_of([path], 8)
    assert [len(rows_of(shard)) for shard in shards].count(0) == 7
    assert sum(len(rows_of(shard)) for shard in shards) == 5_000


@pytest.mark.parametrize("shards", [1, 8, 64])
def test_of_lines_in_s3_all_shards_together_read_hardly_more_than_there_is(shards):
    text = b"".join(b'{"n":%d,"x":"%s"}\n' % (n, b"y" * (n % 997)) for n in range(12_000))
    rows, read, looked = read_from_s3("in.jsonl", text, shards, Selection())
    assert rows == 12_000
    assert sum(size for _, size in looked) <= 3 << 20, "the first look, once"
    assert sum(size for _, size in read) <= 1.02 * len(text)


@pytest.mark.parametrize("shards", [1, 8, 64])
def test_of_parquet_in_s3_all_shards_together_read_hardly_more_than_there_is(shards):
    """Each column of a row group once, and of the footer what says where those are: not 64 KiB a shard."""
    table = pa.table({"n": range(30_000), "x": [os.urandom(20).hex() for _ in range(30_000)]})
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, row_group_size=400)
    text = sink.getvalue().to_pybytes()
    footer_bytes = int.from_bytes(text[-8:-4], "little")
    rows, read, looked = read_from_s3("in.parquet", text, shards, Selection(payload_column="x"))
    assert rows == 30_000
    columns = [(start, size) for start, size in read if start + size < len(text) - footer_bytes]
    assert len(set(columns)) == len(columns) >= 75
    assert sum(size for _, size in read) - sum(size for _, size in columns) <= footer_bytes + shards * (
        400 if shards > 1 else footer_bytes
    )
    assert sum(size for _, size in looked) <= footer_bytes + len(text) // 128
    assert sum(size for _, size in read) <= 1.02 * len(text)


@pytest.mark.parametrize("place", ["s3", "disk"])
def test_a_part_of_a_parquet_file_whose_plan_says_nothing_of_its_footer_is_found_in_the_whole(place, parquet):
    """As plans of before have it, and those of files on a disk."""
    path = parquet({"x": [str(n) for n in range(100)]}, row_group_size=10)
    remote = DictRemote({("b", "in.parquet"): path.read_bytes()}) if place == "s3" else None
    settings, selection = input_settings([str(path) if remote is None else "s3://b/in.parquet"]), Selection()
    source = open_source(settings, selection, remote=remote)
    rows = []
    for units in source.units(3):
        assert (units[0].footer is None) == (place == "disk")
        content = [
            {name: value for name, value in unit.as_dict().items() if name != "footer"} for unit in units
        ]
        part = part_of(source, tuple(map(unit_of, content)))
        rows += [row.payload for row in rows_of(open_part(part, settings, selection, remote=remote))]
    assert rows == [b'{"x":"%d"}' % n for n in range(100)]


def test_a_damaged_part_of_a_parquet_file_in_s3_is_named_as_in_the_whole(parquet):
    path = parquet({"x": [str(n) * 50 for n in range(100)]}, row_group_size=10, write_page_checksum=True)
    body = bytearray(path.read_bytes())
    chunk = pq.read_metadata(path).row_group(7).column(0)
    middle = chunk.data_page_offset - 5  # within what the dictionary holds
    body[middle] ^= 0xFF
    remote = DictRemote({("b", "in.parquet"): bytes(body)})
    settings, selection = input_settings(["s3://b/in.parquet"]), Selection()
    source = open_source(settings, selection, remote=remote)
    part = open_part(part_of(source, source.units(2)[1]), settings, selection, remote=remote)
    with pytest.raises(InputError, match=r"s3://b/in\.parquet: row group 7, after row 20: "):
        rows_of(part)


def test_of_small_parquet_files_in_s3_their_footers_alone_are_read_twice():
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table({"x": [os.urandom(200).hex() for _ in range(100)]}), sink, use_dictionary=False)
    text = sink.getvalue().to_pybytes()
    footer_bytes = int.from_bytes(text[-8:-4], "little")
    objects = {("b", f"k/{number:03d}.parquet"): text for number in range(100)}
    rows, read, looked = read_from_s3("k/", None, 7, Selection(), objects=objects)
    assert rows == 100 * 100
    assert sum(size for _, size in looked) <= 100 * (64 + footer_bytes + footer_bytes // 16 + 8)
    assert sum(size for _, size in read) <= 100 * len(text)
    assert footer_bytes < len(text) // 30


@pytest.mark.parametrize("packed", [False, True])
def test_of_small_files_in_s3_with_fields_that_they_need_the_first_lines_alone_are_read_twice(packed):
    """The look at 256 further files took 64 KiB of each, which was all of them."""
    lines = b"".join(b'{"a":%d,"x":"%s"}\n' % (n, os.urandom(300).hex().encode()) for n in range(80))
    name, body = ("jsonl.gz", gzip.compress(lines)) if packed else ("jsonl", lines)
    objects = {("b", f"k/{number:03d}.{name}"): body for number in range(100)}
    rows, read, looked = read_from_s3("k/", None, 7, Selection(keep=("a",)), objects=objects)
    assert rows == 80 * 100
    assert sum(size for _, size in looked) <= len(body) + 100 * (64 + (2 << 10))
    assert sum(size for _, size in read) == 100 * len(body)


def test_a_field_that_comes_late_in_a_file_in_s3_is_found_all_the_same():
    late = b'{"x":"%s"}\n' % (b"y" * 500) * 90 + b'{"a":1,"x":""}\n'
    objects = {("b", "k/0.jsonl"): b'{"a":1,"x":""}\n', ("b", "k/1.jsonl"): late}
    rows, _, _ = read_from_s3("k/", None, 2, Selection(keep=("a",)), objects=objects)
    assert rows == 92
    objects["b", "k/2.jsonl"] = b'{"x":"%s"}\n' % (b"y" * 500) * 200
    with pytest.raises(InputError, match=r"s3://b/k/2.jsonl: no field 'a' in the first 100 rows"):
        read_from_s3("k/", None, 2, Selection(keep=("a",)), objects=objects)


def read_from_s3(name, text, shards, selection, *, objects=None):
    """Return how many rows all shards have read, the ranges that they read for it, and those of the first look.

    Units are written down and read again, as those of a plan are.
    """
    remote = DictRemote(objects or {("b", name): text})
    settings = input_settings([f"s3://b/{name}"])
    source = open_source(settings, selection, remote=remote)
    divided = [
        tuple(unit_of(json.loads(json.dumps(unit.as_dict()))) for unit in units)
        for units in source.units(shards)
    ]
    looked = [(start, size) for _, start, size in remote.reads]
    remote.reads.clear()
    rows = sum(
        len(rows_of(open_part(part_of(source, units), settings, selection, remote=remote)))
        for units in divided
    )
    return rows, [(start, size) for _, start, size in remote.reads], looked


def test_a_shard_looks_at_no_file_but_its_own():
    remote = DictRemote({("b", f"k/{n}.jsonl"): b'{"a":1}\n' * 100 for n in range(10)})
    settings = input_settings(["s3://b/k/"])
    source = open_source(settings, Selection(keep=("a",)), remote=remote)
    units = source.units(5)[2]
    remote.reads.clear()
    remote.listed.clear()
    part = open_part(part_of(source, units), settings, Selection(keep=("a",)), remote=remote)
    assert len(rows_of(part)) == 200
    assert remote.listed == []
    assert {key for key, _, _ in remote.reads} == {"k/4.jsonl", "k/5.jsonl"}


def test_a_file_that_has_changed_is_refused(jsonl):
    path = jsonl([b"{}"] * 10)
    settings = input_settings([str(path)])
    source = open_source(settings, Selection())
    path.write_bytes(b"{}\n" * 11)
    with pytest.raises(InputError, match="changed since the input was divided among the shards"):
        open_part(part_of(source, source.units(2)[0]), settings, Selection())
    path.unlink()
    with pytest.raises(InputError, match="no such file"):
        open_part(part_of(source, source.units(2)[1]), settings, Selection())


def test_an_object_that_has_changed_is_refused_before_a_row_of_it():
    remote = DictRemote({("b", "in.jsonl"): b'{"a":1}\n' * 10})
    settings = input_settings(["s3://b/in.jsonl"])
    source = open_source(settings, Selection(), remote=remote)
    remote.objects["b", "in.jsonl"] = b'{"a":2}\n' * 10
    part = open_part(part_of(source, source.units(2)[1]), settings, Selection(), remote=remote)
    with pytest.raises(InputError, match="changed while it was being read"):
        rows_of(part)


def test_each_shard_has_a_fingerprint_of_its_own(jsonl):
    path = jsonl([b"{}"] * 100)
    prints = {shard.fingerprint() for shard in shards_of([path], 4)}
    assert len(prints | {open_source(input_settings([str(path)]), Selection()).fingerprint()}) == 5


def test_what_cannot_be_divided(jsonl, tmp_path):
    os.mkfifo(tmp_path / "pipe.jsonl")
    pipe = open_source(input_settings([str(tmp_path / "pipe.jsonl")]), Selection())
    with pytest.raises(UsageError, match=r"pipe\.jsonl can be read once and from its start alone"):
        pipe.units(2)
    limited = open_source(input_settings([str(jsonl([b"{}"]))], limit=5), Selection())
    with pytest.raises(UsageError, match=r"input\.limit counts rows from the first one"):
        limited.units(2)


def test_an_input_without_rows_has_types_all_the_same(parquet):
    path = parquet({"a": pa.array([], pa.int16())})
    settings, selection = input_settings([str(path)]), Selection(keep=("a",), payload_column="a")
    source = open_source(settings, selection)
    for units in source.units(2):
        part = open_part(part_of(source, units), settings, selection)
        assert rows_of(part) == []
        assert part.passthrough_schema.field("a").type == pa.int16()
