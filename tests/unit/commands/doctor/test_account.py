"""Clocks that are off, and a backlog that is told."""

from __future__ import annotations

import anyio
import pytest

from fanout.commands.doctor.account import backlog, judge_clock
from fanout.concurrency.clock import SystemClock
from fanout.domain.account_facts import BacklogPoint
from fanout.errors import CallError, Phase


@pytest.mark.parametrize(
    ("skew_s", "status", "text"),
    [
        (None, "warn", "no reply told the time"),
        (0.3, "ok", "within 1 s"),
        (-29.0, "ok", "within 29 s"),
        (30.0, "warn", "30 s behind AWS's: set it (chronyc makestep)"),
        (-239.0, "warn", "239 s ahead of AWS's"),
        (240.0, "fail", "240 s behind AWS's, and AWS refuses"),
        (-86_400.0, "fail", "86,400 s ahead of AWS's"),
    ],
)  # fmt: skip
def test_a_clock_is_judged_by_what_aws_tolerates(skew_s, status, text):
    [found] = judge_clock(skew_s)
    assert (found.check, found.status) == ("clock", status)
    assert text in found.text


class Control:
    def __init__(self, told):
        self.told = told

    async def backlog(self, _endpoint, *, since, until):
        assert until - since == 600.0
        if isinstance(self.told, Exception):
            raise self.told
        return self.told


@pytest.mark.parametrize(
    ("told", "status", "text"),
    [
        ([BacklogPoint(0.0, 60.0, 4.0), BacklogPoint(60.0, 60.0, 1.0)], "ok", "1 request queued"),
        ([], "ok", "has nothing for the last ten minutes"),
        (None, "warn", "grant cloudwatch:GetMetricStatistics. Without it and without an S3FailurePath"),
        (CallError(Phase.REPLY, "InternalFailure", status=500), "warn", "cloudwatch:GetMetricStatistics: Internal"),
    ],
)  # fmt: skip
def test_a_backlog_that_is_not_told_is_a_warning_that_says_what_follows(told, status, text):
    async def main():
        return await backlog(Control(told), "e", clock=SystemClock())

    [found] = anyio.run(main)
    assert (found.check, found.status) == ("backlog", status)
    assert text in found.text
