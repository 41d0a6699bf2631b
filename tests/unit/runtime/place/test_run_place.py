"""The names of a run place's objects, and which uris name one."""

from __future__ import annotations

import pytest

from fanout.domain.location import Location
from fanout.errors import UsageError
from fanout.runtime.place.run_place import RunPlace, is_place, number_of, run_place


def test_its_objects_stand_below_it():
    place = run_place("s3://lake/runs/night")
    assert place == RunPlace("lake", "runs/night")
    assert str(place) == place.uri == "s3://lake/runs/night"
    assert place.manifest == Location("lake", "runs/night/run.json")
    assert place.segment(7) == Location("lake", "runs/night/journal/0000000007.zst")
    assert place.snapshot(420) == Location("lake", "runs/night/snapshots/0000000420.zst")
    assert place.part("0000000001/part-00000.parquet").key == "runs/night/parts/0000000001/part-00000.parquet"
    assert place.shard(3).segment(1).key == "runs/night/shards/003/journal/0000000001.zst"
    keys = [each.key for each in (place.manifest, place.inputs, place.status, place.uploads, place.summary)]
    assert len(set(keys)) == 5
    assert all(key.startswith(place.below) for key in keys)


def test_numbers_sort_as_their_keys_do():
    place = RunPlace("lake", "r")
    keys = [place.segment(number).key for number in (1, 9, 10, 99, 1_000_000_000)]
    assert keys == sorted(keys)
    assert [number_of(key) for key in keys] == [1, 9, 10, 99, 1_000_000_000]


@pytest.mark.parametrize(
    "key", ["r/journal/7.zst", "r/journal/0000000007.zst.tmp", "r/journal/", "r/run.json"]
)
def test_what_has_another_name_is_no_segment(key):
    assert number_of(key) is None


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ("s3://lake/runs/", RunPlace("lake", "runs/abc")),
        ("s3://lake/runs/night", RunPlace("lake", "runs/night")),
        ("S3://lake/runs/night", RunPlace("lake", "runs/night")),
    ],
)
def test_a_uri_that_ends_in_a_slash_is_the_parent_of_places(uri, expected):
    assert run_place(uri, run_id="abc") == expected


@pytest.mark.parametrize("uri", ["s3://", "s3://lake", "s3://lake/", "s3:///runs/a"])
def test_a_uri_that_names_no_place_is_refused(uri):
    with pytest.raises(UsageError, match="write s3://BUCKET/runs/NAME"):
        run_place(uri)


def test_a_name_that_leaves_no_room_for_those_below_it_is_refused():
    assert run_place(f"s3://lake/{'x' * 960}").segment(1).key
    with pytest.raises(UsageError, match="too long"):
        run_place(f"s3://lake/{'x' * 961}")
    with pytest.raises(UsageError, match="not UTF-8"):
        run_place("s3://lake/\udce9")


def test_only_s3_is_a_place():
    assert is_place("s3://lake/runs/a")
    assert is_place("S3://lake/runs/a")
    assert not is_place("/runs/s3://a")
    assert not is_place("")
