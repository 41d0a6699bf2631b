"""Footers beside a plan: with them no shard reads a footer of the files, and without them each finds its own there."""

from __future__ import annotations

import os

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support.remote import DictRemote
from support.settings import input_settings

from fanout.errors import InputError
from fanout.source import kept_footers, shard_footers
from fanout.source.selection import Selection
from fanout.source.shard_footers import footer_bytes, own_pack
from fanout.source.source import open_part, open_source
from fanout.source.units import InputPart

SETTINGS = input_settings(["s3://b/in/"])


def body_of(number=0, *, rows=4, groups=1, size=1_250, columns=1, of_texts=()):
    names = {f"c{index}": [number + row for row in range(rows * groups)] for index in range(columns)}
    sink = pa.BufferOutputStream()
    table = pa.table({**names, "x": [os.urandom(size).hex() for _ in range(rows * groups)]})
    pq.write_table(
        table,
        sink,
        row_group_size=rows,
        use_dictionary=False,
        compression="none",
        write_statistics=[*names, *of_texts],
    )
    return sink.getvalue().to_pybytes()


def many(count=60, **shape):
    return {("b", f"in/{number:03d}.parquet"): body_of(number, **shape) for number in range(count)}


def asked(remote):
    return sum(min(size, len(remote.objects["b", key]) - start) for key, start, size in remote.reads)


class Divided:
    """An input that was looked at and divided; `packs` stands beside its plan."""

    def __init__(self, objects, shards, selection=None):
        self.selection = selection or Selection()
        self.remote = DictRemote(objects)
        self.source = open_source(SETTINGS, self.selection, remote=self.remote)
        self.units = self.source.units(shards)
        self.packs = self.source.packs(self.units)

    def rows(self, index, *, packed=True):
        place = self.packs.places[index] if packed else None
        footers = None
        if place is not None:
            body = self.packs.body[place.start : place.start + place.size_bytes]
            footers = own_pack(body, place, self.units[index])
            assert footers is not None
        part = InputPart(index, len(self.units), self.units[index], self.source.known, footers)
        opened = open_part(part, SETTINGS, self.selection, remote=self.remote)
        return [row for chunk in opened.read() for row in chunk]


@pytest.mark.parametrize("shards", [1, 4])
def test_of_many_small_files_all_shards_together_read_each_byte_once(shards):
    """With their footers read again it was 1.09 times, and 1.11 with looks of 1 KiB at least at the end of each."""
    given = many(columns=3)
    divided = Divided(given, shards)
    rows = sum(len(divided.rows(index)) for index in range(shards))
    size = sum(map(len, given.values()))
    assert rows == 60 * 4
    footers = sum(footer_bytes(unit) for own in divided.units for unit in own)
    assert footers > 0.03 * size
    assert asked(divided.remote) + len(divided.packs.body) <= 1.02 * size


def test_of_footers_that_are_the_least_and_largest_texts_these_are_left_out():
    """They fold up to half at best; 15 KB of each file are texts of 1 KB, two of which its footer repeats."""
    given = many(20, rows=15, size=500, of_texts=["x"])
    divided = Divided(given, 2)
    footers = sum(footer_bytes(unit) for own in divided.units for unit in own)
    size = sum(map(len, given.values()))
    assert footers > 0.12 * size
    assert len(divided.packs.body) < 0.01 * size
    assert [divided.rows(index) for index in range(2)] == [
        divided.rows(index, packed=False) for index in range(2)
    ]


@pytest.mark.parametrize("shards", [1, 3, 16])
def test_shards_that_cut_a_file_read_what_they_read_without_packs(shards):
    divided = Divided({("b", "in/a.parquet"): body_of(groups=20, rows=2, size=500, columns=5)}, shards)
    assert all(divided.packs.places)
    divided.remote.reads.clear()
    within = [divided.rows(index) for index in range(shards)]
    read = set(divided.remote.reads)
    footer = min(unit.footer[0][0] for own in divided.units for unit in own)
    assert all(start + size <= footer for _, start, size in read), "nothing of the footer"
    assert within == [divided.rows(index, packed=False) for index in range(shards)]


def test_a_run_that_is_not_divided_reads_each_footer_once():
    given = many(20)
    remote = DictRemote(given)
    source = open_source(SETTINGS, Selection(), remote=remote)
    assert sum(len(chunk) for chunk in source.read()) == 80
    assert asked(remote) <= 1.02 * sum(map(len, given.values()))


def test_where_footers_are_a_small_part_nothing_stands_beside_the_plan():
    divided = Divided({("b", "in/a.parquet"): body_of(groups=4, rows=10, size=20_000)}, 4)
    assert (divided.packs.body, divided.packs.places) == (b"", (None,) * 4)


def test_where_there_is_no_room_shards_read_from_the_files(monkeypatch):
    """Of footers that were not kept, and of packs that would be too many: the rows are the same."""
    monkeypatch.setattr(kept_footers, "KEPT_BYTES", 12_000)
    some = Divided(many(columns=3), 4)
    whole = [some.rows(index, packed=False) for index in range(4)]
    kept = [unit.path in some.source._footers for own in some.units for unit in own]
    assert 0 < sum(kept) < 60
    assert [some.rows(index) for index in range(4)] == whole
    monkeypatch.setattr(shard_footers, "PACKS_BYTES", some.packs.places[0].size_bytes)
    packs = some.source.packs(some.units)
    assert (packs.places[0], len(packs.body)) == (some.packs.places[0], some.packs.places[0].size_bytes)
    assert packs.places[1:] == (None,) * 3


@pytest.mark.parametrize("selection", [Selection(), Selection(payload_column="month")], ids=["all", "none"])
def test_an_object_that_has_changed_is_refused_before_a_row_of_it(selection):
    """Also where no column of the file is read, and so nothing but its footer."""
    given = {("b", f"in/month={number:02d}/a.parquet"): body_of(number) for number in range(4)}
    divided = Divided(given, 2, selection)
    assert all(divided.packs.places)
    for place in given:
        divided.remote.objects = {**given, place: body_of(9)}
        index = list(given).index(place) // 2
        with pytest.raises(
            InputError, match=r"s3://b/in/month=0\d/a\.parquet: changed while it was being read"
        ):
            divided.rows(index)


def test_a_file_without_rows_that_has_changed_is_refused():
    """Its footer is all that is read of it, and so is in no pack."""
    empty = pa.BufferOutputStream()
    pq.write_table(pa.table({"c0": pa.array([], pa.int64()), "x": pa.array([], pa.string())}), empty)
    given = {**many(3), ("b", "in/none.parquet"): empty.getvalue().to_pybytes()}
    divided = Divided(given, 2)
    assert [unit.rows for own in divided.units for unit in own] == [4, 4, 4, 0]
    assert [len(divided.rows(index)) for index in range(2)] == [8, 4]
    divided.remote.objects = {**given, ("b", "in/none.parquet"): body_of()}
    with pytest.raises(InputError, match=r"s3://b/in/none\.parquet: changed while it was being read"):
        divided.rows(1)
