"""`--fail-if`: what it takes, what it finds, and where it says that a word is wrong."""

from __future__ import annotations

import pytest

from fanout.bench.baseline import changes
from fanout.bench.fail_conditions import check, parse_condition
from fanout.errors import UsageError

from .conftest import comparison


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("invoke.p99 > 80ms", True),  # S3's is 84
        ("inline.invoke.p99 > 80ms", False),
        ("inline.invoke.p99 >= 80 ms", True),
        ("s3.invoke.p50 < 0.043s", True),
        ("inline.invoke.p50@64KB > 49ms", True),
        ("inline.invoke.p50@1KB > 49ms", False),
        ("s3.upload.max > 1min", False),
        ("upload.p50 > 49ms", True),  # inline has none, which is no reason to pass or to fail
        ("total.difference < 40ms", False),
        ("total.difference@64,000 > -1ms", True),
        ("inline.total.p50 > baseline + 5ms", True),
        ("inline.total.p50 > baseline * 1.2", False),
        ("inline.total.p50 > baseline", True),
        ("worse", True),
    ],
)
def test_what_holds(text, holds):
    now, before = comparison(inline=40.0), comparison(inline=30.0)
    found = check(parse_condition(text), now, before=before, changes=changes(now, before))
    assert found.holds is holds, found
    assert found.text == text


@pytest.mark.parametrize(
    ("text", "column", "words"),
    [
        ("invok.p99 > 80ms", 1, "did you mean 'invoke'?"),
        ("invoke.p95 > 80ms", 8, "'p95"),
        ("invoke.p99 = 80ms", 12, "is not understood"),
        ("invoke.p99 > 80", 14, "with its unit"),
        ("invoke.p99 >", 13, "ends too early"),
        ("invoke.p99@big > 1ms", 12, "is not a size"),
        ("inline.upload.p50 > 1ms", 15, "not uploaded"),
        ("inline.total.difference > 1ms", 14, "leave out the way"),
        ("invoke.p99 > 80ms and more", 19, "should not be here"),
        ("invoke.p99 > baseline * fast", 25, "factor"),
        ("", 1, "missing"),
    ],
)
def test_what_is_wrong_is_named_with_its_place(text, column, words):
    with pytest.raises(UsageError) as caught:
        parse_condition(text)
    assert f"column {column}: " in str(caught.value)
    assert words in str(caught.value)


def test_a_size_that_was_not_tried_and_a_baseline_that_is_not_there():
    with pytest.raises(UsageError, match="no payload of 2 KB was tried, only 1 KB, 64 KB"):
        check(parse_condition("invoke.p50@2KB > 1ms"), comparison(), before=None, changes=())
    with pytest.raises(UsageError, match="needs --baseline"):
        check(parse_condition("worse"), comparison(), before=None, changes=())
