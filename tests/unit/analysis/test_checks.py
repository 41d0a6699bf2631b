"""Conditions against a result: what is refused before anything is sent, what holds, and what has no answer."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fanout.analysis.baseline import changes
from fanout.analysis.checks import Found, check, refuse_unanswerable, with_standard
from fanout.analysis.fail_conditions import parse_condition
from fanout.analysis.failures import Failed, Failures
from fanout.errors import UsageError

from .conftest import comparison

FAILURES = Failures(all=Failed(200, 20), inline=Failed(100, 5), s3=Failed(100, 15))


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
        ("inline.total.p50 > baseline + 5%", True),
        ("worse", True),
        ("failures > 5%", True),  # 20 of 200
        ("failures > 10%", False),
        ("s3.failures >= 15%", True),
        ("inline.failures > 5", False),
        ("failures >= 20", True),
    ],
)
def test_what_holds(text, holds):
    now, before = comparison(inline=40.0), comparison(inline=30.0)
    found = check(parse_condition(text), Found(now, FAILURES, before=before, changes=changes(now, before)))
    assert (found.holds, found.fails, found.measured) == (holds, holds, True), found
    assert found.text == text


@pytest.mark.parametrize(
    "text", ["s3.upload.p50 > 1ms", "upload.p50@64KB < 1h".replace("1h", "1min"), "worse"]
)
def test_where_the_service_was_not_measured_no_condition_passes(text):
    found = check(parse_condition(text), Found(None, FAILURES))
    assert (found.holds, found.fails, found.found) == (False, True, "the service was not measured")


def test_failures_are_known_where_the_service_was_not_measured():
    assert not check(parse_condition("failures > 50%"), Found(None, FAILURES)).fails
    nothing = Failures(Failed(0, 0), Failed(0, 0), Failed(0, 0))
    found = check(parse_condition("failures > 50%"), Found(None, nothing))
    assert (found.fails, found.found) == (True, "no request of that kind ended")


def test_of_what_was_not_measured_no_condition_passes():
    now = comparison()
    gone = check(parse_condition("invoke.p50@2KB > 1ms"), Found(now, FAILURES))
    assert (gone.holds, gone.fails, gone.found) == (False, True, "nothing of that kind was measured")
    phase = check(parse_condition("service.p50 > 1ms"), Found(now, FAILURES))
    assert (phase.fails, phase.found) == (True, "nothing of that kind was measured")
    few = replace(now, groups=(replace(now.groups[0], pairs=9), now.groups[1]))
    small = check(parse_condition("invoke.p50@1KB > 1min"), Found(few, FAILURES))
    assert (small.fails, small.measured) == (True, False)
    assert small.found == "nothing of that kind was measured: only 9 pairs, and 10 are needed"
    assert not check(parse_condition("invoke.p50@64KB > 1min"), Found(few, FAILURES)).fails


@pytest.mark.parametrize(
    ("text", "sizes", "words"),
    [
        ("invoke.p50@2KB > 1ms", (1_000, 64_000), "no payload of 2 KB will be tried, only 1 KB, 64 KB"),
        ("invoke.p50@200KB > 1ms", None, "no payload of 200 KB can go both ways"),
        ("worse", None, "needs --baseline"),
        ("invoke.p50 > baseline", None, "needs --baseline"),
    ],
)
def test_what_cannot_be_answered_is_refused(text, sizes, words):
    with pytest.raises(UsageError, match=words):
        refuse_unanswerable(parse_condition(text), sizes=sizes, before=None)


def test_what_the_baseline_has_not_is_refused():
    for text in ("invoke.p50@2KB > baseline", "service.p99 > baseline * 1.1"):
        with pytest.raises(UsageError, match="the baseline has nothing of that kind"):
            refuse_unanswerable(parse_condition(text), sizes=None, before=comparison())


@pytest.mark.parametrize(
    "text", ["invoke.p50@1KB > baseline", "upload.p50 > baseline", "worse", "failures > 5%"]
)
def test_what_can_be_answered_is_not(text):
    refuse_unanswerable(parse_condition(text), sizes=(1_000,), before=comparison())


def test_failures_count_unless_a_condition_names_them():
    other = parse_condition("invoke.p99 > 80ms")
    assert [each.text for each in with_standard([other])] == ["invoke.p99 > 80ms", "failures > 1%"]
    named = [other, parse_condition("s3.failures > 5%")]
    assert with_standard(named) == named


def test_the_thousandth_slowest_is_a_condition_where_there_are_a_thousand_pairs():
    condition = parse_condition("inline.total.p99.9 > 1 s")
    few = check(condition, Found(comparison(), FAILURES))
    assert (few.fails, few.measured) == (True, False)
    assert few.found == "nothing of that kind was measured: a p99.9 needs 1,000 pairs"
    now = comparison()
    total = now.everything.phases["total"]
    told = replace(total, inline=replace(total.inline, p999=1_001.0))
    now = replace(now, everything=replace(now.everything, phases={**now.everything.phases, "total": told}))
    found = check(condition, Found(now, FAILURES))
    assert (found.holds, found.found) == (True, "inline 1,001.0 ms, bound 1,000.0 ms")
