"""`--fail-if`: what it takes, and where it says that a word is wrong."""

from __future__ import annotations

import pytest

from fanout.analysis.fail_conditions import Bound, parse_condition
from fanout.errors import UsageError


@pytest.mark.parametrize(
    ("text", "bound"),
    [
        ("1,000ms", Bound(1_000.0)),
        ("1_000 ms", Bound(1_000.0)),
        (".5s", Bound(500.0)),
        ("-2ms", Bound(-2.0)),
        ("baseline", Bound(factor=1.0)),
        ("baseline + 5ms", Bound(5.0, 1.0)),
        ("baseline - 5ms", Bound(-5.0, 1.0)),
        ("baseline -5ms", Bound(-5.0, 1.0)),
        ("baseline + 10%", Bound(factor=1.1)),
        ("baseline - 10 %", Bound(factor=0.9)),
        ("baseline * 1.1", Bound(factor=1.1)),
        ("baseline * 110%", Bound(factor=1.1)),
    ],
)
def test_numbers_are_read_as_people_write_them(text, bound):
    assert parse_condition(f"invoke.p99@1,000 > {text}").bound == bound
    assert parse_condition(f"invoke.p99@128KB > {text}").size_bytes == 128_000


@pytest.mark.parametrize(
    ("text", "ways", "bound"),
    [
        ("failures > 5%", ("inline", "s3", "existing"), Bound(share=0.05)),
        ("inline.failures >= 0.5 %", ("inline",), Bound(share=0.005)),
        ("s3.failures > 1,000", ("s3",), Bound(count=1_000.0)),
    ],
)
def test_failures_are_a_share_or_a_number(text, ways, bound):
    found = parse_condition(text)
    assert (found.phase, found.ways, found.bound, found.needs_baseline) == ("failures", ways, bound, False)


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
        ("inline.total.difference > 1ms", 14, "leave out the transport"),
        ("invoke.p99 > 80ms and more", 19, "should not be here"),
        ("invoke.p99 > baseline * fast", 25, "factor"),
        ("", 1, "missing"),
        ("invoke.p99 > 1,5ms", 14, "with its unit"),
        ("invoke.p99 > 5%", 14, "with its unit"),
        ("invoke.p99 > baseline + 5", 25, "with its unit"),
        ("invoke.p99 > baseline 5ms", 23, "should be + or - or *"),
        ("failures > 50ms", 12, "neither a share"),
        ("failures > 500%", 12, "neither a share"),
        ("failures > baseline", 12, "neither a share"),
        ("failures@64KB > 5%", 9, "should be"),
        ("failure > 5%", 1, "did you mean 'failures'?"),
    ],
)
def test_what_is_wrong_is_named_with_its_place(text, column, words):
    with pytest.raises(UsageError) as caught:
        parse_condition(text)
    assert f"column {column}: " in str(caught.value)
    assert words in str(caught.value)
