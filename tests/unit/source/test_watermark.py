"""What is new, what has changed, what is gone, and how a watermark is kept."""

from __future__ import annotations

import pytest

from fanout.domain.location import Location
from fanout.ports import ObjectInfo
from fanout.source.files import InputFile
from fanout.source.watermark import Watermark, load


def at(key, etag="1", size=5):
    return InputFile(f"s3://b/{key}", size, None, object=ObjectInfo(Location("b", key), size, 0.0, etag))


def here(path, mtime=1, size=5):
    return InputFile(path, size, mtime, 7)


def after(*files):
    return Watermark().after(files, run="r", output="o")


def test_a_file_is_new_by_its_name_and_has_changed_by_its_version():
    mark = after(at("a"), at("b"), here("/in/c"), here("/in/d"))
    now = [at("z"), at("a"), at("b", "2"), here("/in/c"), here("/in/d", 2), here("/in/e")]
    assert [file.path for file in mark.fresh(now)] == ["s3://b/z", "s3://b/b", "/in/d", "/in/e"]
    assert mark.changed(now) == ["s3://b/b", "/in/d"]
    assert mark.fresh([at("a", size=6)]) == [at("a", size=6)], "some stores tell no ETag"
    assert Watermark().fresh(now) == now


@pytest.mark.parametrize(
    ("paths", "gone"),
    [
        (["s3://b/q/2/"], []),
        (["s3://b/q/1"], ["q/1/a", "q/1/x/b"]),
        (["s3://b/q/"], ["q/1/a", "q/1/x/b"]),
        (["s3://b/q/1/*"], ["q/1/a", "q/1/x/b"]),
        (["s3://b/q/**/b"], ["q/1/x/b"]),
        (["s3://b/q/1/a"], ["q/1/a"]),
        (["s3://b/q/1/a*", "s3://b/q/1/b"], ["q/1/a"]),
        (["s3://b/q/10"], []),
    ],
)
def test_what_is_gone_is_told_only_of_what_tonights_paths_would_find(paths, gone):
    mark = after(at("q/0/k"), at("q/1/a"), at("q/1/x/b"), at("r/a"))
    there = [at("q/0/k", "2")]
    assert mark.gone(there, paths=paths) == [f"s3://b/{key}" for key in gone]
    assert set(mark.files) - set(
        mark.after(there, run="r", output="o", gone=mark.gone(there, paths=paths)).files
    ) == {f"s3://b/{key}" for key in gone}


def test_it_is_read_as_it_was_written():
    mark = after(at("ü\n"), here("/in/\udcff"))
    assert load(mark.dump()) == mark


@pytest.mark.parametrize(
    "content",
    [b"", b"x", b"[]", b"{}", b'{"version":2,"run":"","output":"","files":{}}',
     b'{"version":1,"run":"","output":"","files":[]}', b'{"version":1,"run":"","output":"","files":{"a":1}}',
     b'{"version":1,"run":null,"output":"","files":{}}', b"\xff"],
)  # fmt: skip
def test_what_is_none_is_refused(content):
    with pytest.raises(ValueError, match=r".+"):
        load(content)
