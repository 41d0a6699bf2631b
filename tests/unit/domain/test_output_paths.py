"""Where outputs stand, for every way in which SageMaker might join path, extension and file name."""

from __future__ import annotations

import pytest

from fanout.domain.location import Location
from fanout.domain.output_paths import AS_EXPECTED, OutputPaths

RUN = "abcdefghij"


def learnt(*replies, path="s3://bucket/out"):
    layout = OutputPaths(RUN, path=path)
    for row, generation, uri in replies:
        layout.learn(uri, row=row, generation=generation)
    return layout


@pytest.mark.parametrize(
    ("path", "key", "root"),
    [
        ("s3://bucket/out", "out/fanout/abcdefghij/05/5.0", "out/fanout/abcdefghij/"),
        ("s3://bucket/out/", "out/fanout/abcdefghij/05/5.0", "out/fanout/abcdefghij/"),
        ("s3://bucket/a/b", "a/b/fanout/abcdefghij/05/5.0", "a/b/fanout/abcdefghij/"),
        ("s3://bucket", "fanout/abcdefghij/05/5.0", "fanout/abcdefghij/"),
        ("s3://bucket/", "fanout/abcdefghij/05/5.0", "fanout/abcdefghij/"),
    ],
)
def test_before_any_reply_it_expects_the_configured_path(path, key, root):
    layout = OutputPaths(RUN, path=path)
    assert layout.expected(5, 0) == Location("bucket", key)
    assert layout.root() == Location("bucket", root)
    assert not layout.confirmed
    assert layout.strays == 0


@pytest.mark.parametrize("path", [None, "", "not a location", "s3://", "https://example.com/out"])
def test_without_a_path_nothing_is_expected(path):
    layout = OutputPaths(RUN, path=path)
    assert layout.expected(5, 0) is None
    assert layout.root() is None


@pytest.mark.parametrize("path", [None, "s3://bucket/out"])
def test_joined_as_path_extension_filename(path):
    layout = learnt((1, 0, "s3://bucket/out/fanout/abcdefghij/01/1.0"), path=path)
    assert layout.confirmed
    assert layout.expected(258, 3) == Location("bucket", "out/fanout/abcdefghij/02/258.3")
    assert layout.root() == Location("bucket", "out/fanout/abcdefghij/")
    assert layout.parse("out/fanout/abcdefghij/02/258.3") == (258, 3)
    assert layout.strays == 0


@pytest.mark.parametrize("path", [None, "s3://bucket/out"])
def test_joined_with_a_suffix(path):
    layout = learnt((1, 0, "s3://bucket/out/fanout/abcdefghij/01/1.0.out"), path=path)
    assert layout.confirmed
    assert layout.expected(258, 3) == Location("bucket", "out/fanout/abcdefghij/02/258.3.out")
    assert layout.root() == Location("bucket", "out/fanout/abcdefghij/")
    assert layout.parse("out/fanout/abcdefghij/02/258.3.out") == (258, 3)
    assert layout.parse("out/fanout/abcdefghij/02/258.3") is None
    assert layout.strays == 0


@pytest.mark.parametrize("path", [None, "s3://bucket/out"])
def test_where_the_extension_is_ignored_nothing_is_listed(path):
    layout = learnt(
        (1, 0, "s3://bucket/out/abcdefghij.1.0.1.out"),
        (2, 0, "s3://bucket/out/abcdefghij.2.0.1.out"),
        path=path,
    )
    assert not layout.confirmed
    assert layout.strays == 2
    assert layout.root() is None


def test_a_reply_that_disagrees_with_the_guess_wins():
    layout = learnt((1, 0, "s3://other/elsewhere/fanout/abcdefghij/01/1.0"))
    assert layout.confirmed
    assert layout.expected(2, 0) == Location("other", "elsewhere/fanout/abcdefghij/02/2.0")
    assert layout.root() == Location("other", "elsewhere/fanout/abcdefghij/")


def test_replies_that_agree_are_no_strays():
    layout = learnt(
        *[(row, 0, f"s3://bucket/out/fanout/abcdefghij/{row:02x}/{row}.0") for row in range(1, 40)]
    )
    assert (layout.confirmed, layout.strays) == (True, 0)


def test_a_reply_that_disagrees_with_an_earlier_one_is_counted_and_changes_nothing():
    layout = learnt(
        (1, 0, "s3://bucket/out/fanout/abcdefghij/01/1.0"),
        (2, 0, "s3://bucket/moved/fanout/abcdefghij/02/2.0"),
        (3, 0, "s3://bucket/out/0123-4567.out"),
    )
    assert layout.strays == 2
    assert layout.expected(4, 0) == Location("bucket", "out/fanout/abcdefghij/04/4.0")
    assert layout.root() == Location("bucket", "out/fanout/abcdefghij/")


@pytest.mark.parametrize(
    "uri",
    [
        "https://bucket.s3.amazonaws.com/out/fanout/abcdefghij/01/1.0",
        "https://bucket.s3.eu-west-1.amazonaws.com/out/fanout/abcdefghij/01/1.0",
        "https://s3.eu-west-1.amazonaws.com/bucket/out/fanout/abcdefghij/01/1.0",
    ],
)
def test_a_location_may_be_an_https_url(uri):
    layout = learnt((1, 0, uri), path=None)
    assert layout.expected(2, 0) == Location("bucket", "out/fanout/abcdefghij/02/2.0")


def test_an_https_url_of_the_same_object_is_no_stray():
    layout = learnt(
        *[
            (row, 0, f"https://bucket.s3.amazonaws.com/out/fanout/abcdefghij/0{row}/{row}.0")
            for row in range(1, 6)
        ]
    )
    assert layout.confirmed
    assert layout.strays == 0


def test_the_usual_place_is_told_by_one_object_for_all_rows():
    layout = learnt((1, 0, "s3://bucket/out/fanout/abcdefghij/01/1.0"))
    usual = Location("bucket", "out/fanout/abcdefghij/02/2.1")
    for uri in (usual.uri, "https://s3.amazonaws.com/bucket/out/fanout/abcdefghij/02/2.1"):
        assert layout.learn(uri, row=2, generation=1) is AS_EXPECTED
    assert layout.shorten(usual, 2, 1) is layout.presumed(2, 1) is AS_EXPECTED
    assert layout.shorten(usual, 2, 0) == usual
    assert layout.resolve(AS_EXPECTED, 2, 1) == usual
    assert layout.learn("s3://elsewhere/x.out", row=4, generation=0) == Location("elsewhere", "x.out")
    assert layout.learn("no location", row=5, generation=0) is None
    assert layout.resolve(None, 2, 1) is None


def test_before_any_reply_no_place_is_the_usual_one():
    """The first reply may show another; what was guessed is looked at all the same."""
    layout = OutputPaths(RUN, path="s3://bucket/out")
    guess = Location("bucket", "out/fanout/abcdefghij/02/2.0")
    assert layout.presumed(2, 0) == layout.shorten(guess, 2, 0) == layout.resolve(guess, 2, 0) == guess


def test_another_rows_path_teaches_nothing():
    layout = learnt((1, 0, "s3://bucket/out/fanout/abcdefghij/02/2.0"))
    assert (layout.confirmed, layout.strays) == (False, 1)


@pytest.mark.parametrize(
    "uri",
    [
        "s3://bucket/out/fanout/abcdefghij/01/1.0",
        "s3://bucket/fanout/abcdefghij/01/1.0",
        "s3://bucket/out/fanout/abcdefghij/01/1.0.out",
        "s3://bucket/outfanout/abcdefghij/01/1.0",  # path and extension put together without a slash
        "s3://bucket/out/prefix-fanout/abcdefghij/01/1.0.out",
    ],
)
def test_a_listing_below_the_root_recognises_what_it_expects(uri):
    layout = learnt((1, 0, uri))
    expected, root = layout.expected(258, 3), layout.root()
    assert root is None or (expected.key.startswith(root.key) and layout.parse(expected.key) == (258, 3))


@pytest.mark.parametrize(
    "uri",
    ["", "garbage", "s3://", "s3://bucket", "https://", "https://[", "https://[x/y", "\x00", "ftp://a/b"],
)
def test_garbage_for_a_location_is_a_stray(uri):
    layout = learnt((1, 0, uri))
    assert (layout.confirmed, layout.strays) == (False, 1)


@pytest.mark.parametrize(
    "key",
    [
        "",
        "out/x",
        "out/fanout/abcdefghij/",
        "out/fanout/bbbbbbbbbb/01/1.0",
        "out/fanout/abcdefghij/01/1.0.tmp",
    ],
)
def test_a_strange_key_below_the_root_is_not_parsed(key):
    assert learnt((1, 0, "s3://bucket/out/fanout/abcdefghij/01/1.0")).parse(key) is None


def test_a_later_reply_can_confirm_after_strays():
    layout = learnt((1, 0, "s3://bucket/odd"), (2, 0, "s3://bucket/out/fanout/abcdefghij/02/2.0"))
    assert layout.confirmed
    assert layout.root() == Location("bucket", "out/fanout/abcdefghij/")
