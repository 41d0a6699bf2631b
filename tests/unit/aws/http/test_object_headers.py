"""Headers of requests for objects, and of their replies."""

from __future__ import annotations

import pytest

from fanout.aws.http.object_headers import conditions, metadata_of, modified_at, noted
from fanout.aws.http.reply_parser import Answer
from fanout.errors import CallError


def test_metadata_and_tags_are_headers():
    assert noted(None, None) == noted({}, {}) == {}
    assert noted({"run": "abc"}, {"team": "a b", "x": "&"}) == {
        "x-amz-meta-run": "abc",
        "x-amz-tagging": "team=a%20b&x=%26",
    }


def test_metadata_comes_back_as_it_was_stored():
    headers = {b"x-amz-meta-run": "ü".encode(), b"x-amz-meta-a": b"\xff", b"content-type": b"text/plain"}
    assert metadata_of(Answer(200, headers, b"")) == {"run": "ü", "a": "\ufffd"}


def test_conditions_that_are_not_set_are_not_sent():
    assert conditions(None, None) == {}
    assert conditions('"e"', None) == {"if-match": '"e"'}
    assert conditions(None, "*") == {"if-none-match": "*"}


def test_an_object_has_an_instant_or_the_reply_is_unreadable():
    told = Answer(200, {b"last-modified": b"Fri, 20 Nov 2026 10:00:00 GMT"}, b"")
    assert modified_at(told) == 1_795_168_800.0
    for headers in ({}, {b"last-modified": b"yesterday"}):
        with pytest.raises(CallError, match="Last-Modified"):
            modified_at(Answer(200, headers, b""))
