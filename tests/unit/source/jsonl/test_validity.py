"""Lines are judged by another parser than the one that explains what is wrong with them: the verdict is the same."""

from __future__ import annotations

import orjson
import pytest

from fanout.source.jsonl import validity
from fanout.source.jsonl.validity import LONGEST, Validity


def verdict(line):
    """Return what orjson says: True, False, or None for what is not JSON."""
    try:
        return type(orjson.loads(line)) is dict
    except orjson.JSONDecodeError:
        return None


def judged(line, judge=None):
    try:
        return (judge or Validity()).is_object(line)
    except orjson.JSONDecodeError:
        return None


LINES = [
    b"{}",
    b' {"a": 1}',
    b'{"a": 1} ',
    b'{"a": 1}\r',
    b"[1]",
    b"1",
    b'"{}"',
    b"null",
    b"",
    b"{",
    b'{"a": 1}{',
    b'{"a": 1}x',
    b'{"a": 1}\x00',
    b'{"a": 1}\x0c',
    b'{"a": 1,}',
    b"{'a': 1}",
    b'\xef\xbb\xbf{"a": 1}',
    b'{"a": "\\ud800"}',
    b'{"a": "\\ud83d\\ude00"}',
    b'{"a": "\x1f"}',
    b'{"a": "\xed\xa0\x80"}',
    b'{"a": "\xc0\x80"}',
    b'{"a": 18446744073709551616}',
    b'{"a": -9223372036854775809}',
    b'{"a": 1e999}',
    b'{"a": ' + b"9" * 400 + b"}",
    b'{"a": NaN}',
    b'{"a": 01}',
    b'{"a": 1.}',
    b'{"a": "\\udc00"}',
    b'{"a": "\\ud800\\u0041"}',
    *(
        b'{"a":' * depth + inner + b"}" * depth
        for depth in (100, 1_000, 1_022, 1_023, 1_024, 1_025, 5_000)
        for inner in (b"1", b"{}", b"[]")
    ),
    b'{"a": "' + b"x" * LONGEST + b'"}',
    b'{"a": "' + b"x" * LONGEST + b"}",
]


@pytest.mark.parametrize("line", LINES, ids=lambda line: repr(line[:40]))
def test_the_verdict_is_orjsons(line):
    assert judged(line) == verdict(line)


@pytest.mark.skipif(validity.Parser is None, reason="no simdjson for this interpreter")
def test_orjson_is_asked_only_where_simdjson_cannot_tell(monkeypatch):
    asked = []
    monkeypatch.setattr(validity.orjson, "loads", asked.append)
    longer = b'{"a": "' + b"x" * LONGEST + b'"}'
    judge = Validity()
    assert judge.is_object(b'{"a": 1}')
    assert judge.is_object(longer[: LONGEST - 2] + b'"}')
    assert asked == []
    for line in (b"[1]", b'{"a": 18446744073709551616}', b'{"a": 1', longer):
        judge.is_object(line)
        assert asked.pop() == line


def test_a_bad_line_leaves_nothing_behind():
    judge = Validity()
    assert [
        judged(line, judge) for line in (b'{"a": 1}', b'{"a": 1', b'{"a": "\\', b'{"b": [1, {"c": 2}]}')
    ] == [
        True,
        None,
        None,
        True,
    ]


def test_where_there_is_no_simdjson_orjson_decides(monkeypatch):
    monkeypatch.setattr(validity, "Parser", None)
    for line in LINES:
        assert judged(line) == verdict(line)
