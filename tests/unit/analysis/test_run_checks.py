"""Conditions on a run, alone and against an earlier one: what holds, what has no answer, and what is refused."""

from __future__ import annotations

import pytest

from fanout.analysis.fail_conditions import parse_condition
from fanout.analysis.failures import Failed
from fanout.analysis.quantiles import Interval
from fanout.analysis.run_checks import Earlier, Measured, check_run, refuse_for_runs
from fanout.errors import UsageError


def quantiles(p50, p999=None):
    return {"p50": p50, "p90": p50 * 2, "p99": p50 * 3, "p999": p999, "max": p50 * 5}


NOW = Measured(
    {
        ("total", "inline"): quantiles(100.0, 450.0),
        ("total", "s3"): quantiles(200.0),
        ("retry", "s3"): quantiles(9.0),
    },
    {"": Failed(200, 4), "s3": Failed(50, 4), "inline": Failed(150, 0)},
)
THEN = Earlier(
    Measured({("total", "inline"): quantiles(80.0)}, {}), {"inline": Interval(50, 20.0, 15.0, 25.0)}
)


@pytest.mark.parametrize(
    ("text", "fails", "found"),
    [
        ("total.p50 > 150ms", True, "inline 100.0 ms, bound 150.0 ms; s3 200.0 ms, bound 150.0 ms"),
        ("inline.total.p50 > 150ms", False, "inline 100.0 ms, bound 150.0 ms"),
        ("total.p99.9 > 400ms", True, "inline 450.0 ms, bound 400.0 ms"),
        ("s3.total.p99.9 > 1s", True, "nothing of that kind was measured: a p99.9 needs 1,000 rows"),
        ("retry.max > 40ms", True, "s3 45.0 ms, bound 40.0 ms"),
        ("upload.p50 > 1ms", True, "nothing of that kind was measured"),
        ("failures > 1%", True, "4 of 200 rows (2.0%) did not succeed"),
        ("s3.failures > 4", False, "4 of 50 rows (8.0%) did not succeed"),
        ("existing.failures > 4", True, "there is no row of that kind"),
        ("total.p50 > baseline + 10%", True, "inline 100.0 ms, bound 88.0 ms"),
        ("total.p50 > baseline * 1.5", False, "inline 100.0 ms, bound 120.0 ms"),
        ("worse", True, "inline +20.0 ms"),
    ],
)
def test_what_a_condition_finds(text, fails, found):
    checked = check_run(parse_condition(text), NOW, THEN)
    assert (checked.fails, checked.found) == (fails, found)


def test_alike_is_not_worse():
    alike = Earlier(THEN.measured, {"inline": Interval(50, 2.0, -1.0, 5.0)})
    assert not check_run(parse_condition("worse"), NOW, alike).fails


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("total.difference < 0ms", "only an experiment of `fanout bench` has that"),
        ("raw.p50 > 1s", "only an experiment of `fanout bench` has that"),
        ("total.p50@1KB > 1s", "leave out @SIZE"),
        ("worse", "needs an earlier run: name it first, and add --compare"),
        ("total.p50 > baseline", "needs an earlier run"),
    ],
)
def test_what_a_run_cannot_answer_is_refused(text, why):
    with pytest.raises(UsageError, match="--fail-if") as refused:
        refuse_for_runs([parse_condition(text)], compared=False)
    assert why in str(refused.value)
