"""Names of outputs in S3."""

from __future__ import annotations

import pytest

from fanout.domain.location import Location
from fanout.errors import UsageError
from fanout.output.object_place import is_remote, manifest, object_place, run_of_manifest, stranger_among


def test_an_object_and_a_dataset():
    one, many = object_place("s3://b/a//x.parquet"), object_place("s3://b/a/")
    assert (one.at(""), one.dataset, one.uri) == (Location("b", "a//x.parquet"), False, "s3://b/a//x.parquet")
    assert (many.at("part-00000.parquet"), many.dataset) == (Location("b", "a/part-00000.parquet"), True)


@pytest.mark.parametrize(
    ("uri", "words"),
    [
        ("s3://", "names no object"),
        ("s3://b", "names no object"),
        ("s3://b/", "names no object"),
        ("s3:///k", "names no object"),
        ("s3://b/x.JSONL", "the output is Parquet: name it s3://b/x.parquet"),
        ("s3://b/" + "x" * 1_010, "the name is too long"),
        ("s3://b/\udcff", "not UTF-8"),
    ],
)
def test_what_cannot_be_an_output_is_said(uri, words):
    with pytest.raises(UsageError, match=words):
        object_place(uri)


def test_schemes_are_told_whatever_their_case():
    assert is_remote("S3://b/k")
    assert not is_remote("/s3/b")


def test_a_dataset_of_ours_has_parts_a_manifest_and_a_mark():
    assert stranger_among(["part-00000.parquet", "_manifest.json", "_SUCCESS"]) is None
    assert stranger_among(["part-00000.parquet", "notes.txt"]) == "notes.txt"
    assert stranger_among(["sub/part-00000.parquet"]) == "sub/part-00000.parquet"


def test_a_manifest_names_its_run():
    assert run_of_manifest(manifest("abc", [{"name": "n", "rows": 1}])) == "abc"
    assert [run_of_manifest(content) for content in (b"", b"[]", b"{}", b"\xff")] == [None] * 4
