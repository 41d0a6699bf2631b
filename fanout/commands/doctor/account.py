"""Asks who calls, what time AWS has, and for the endpoint's backlog: a run does without each of them."""

from __future__ import annotations

from functools import partial

from fanout.commands.doctor.asking import not_permitted, optional
from fanout.commands.doctor.finding import Finding, failure, ok, warning
from fanout.domain.failures import BAD_SIGNATURE, EXPIRED, TOLERATED_SKEW_S, UNKNOWN_KEYS
from fanout.domain.remedies import is_clock_wrong, remedy
from fanout.errors import CallError
from fanout.ports import Clock, Control
from fanout.text import count

TOLD_S = 30.0
"""A clock that is this far off is not kept by anything; a Date has whole seconds, and a reply is under way."""
_IDENTITY = "sts:GetCallerIdentity"
_BACKLOG = "cloudwatch:GetMetricStatistics"
_WITHOUT_BACKLOG = (
    "Without it and without an S3FailurePath, a row that fails without a trace is waited for to its deadline"
)
_NO_CREDENTIALS = UNKNOWN_KEYS | BAD_SIGNATURE | EXPIRED
"""What STS answers to keys that are good for nothing: the call itself needs no right."""
BACKLOG_S = 600.0
"""CloudWatch tells a minute a minute late: in the last ten there is one."""


async def identity(control: Control) -> list[Finding]:
    """Return whose credentials sign."""

    async def ask() -> list[Finding]:
        try:
            who = await control.identity()
        except CallError as error:
            if is_clock_wrong(error):
                return [failure("clock", remedy(_IDENTITY, error))]
            if error.code in _NO_CREDENTIALS:
                return [failure("credentials", remedy(_IDENTITY, error))]
            raise
        return [ok("identity", f"{who.arn}, account {who.account}")]

    without = "A run does not need this right, but whose credentials these are is not known"
    return await optional("identity", ask, operation=_IDENTITY, without=without)


async def backlog(control: Control, endpoint: str, *, clock: Clock) -> list[Finding]:
    """Return whether CloudWatch tells the endpoint's backlog, by which failures without a trace are settled."""
    ask = partial(_ask_backlog, control, endpoint, clock=clock)
    return await optional("backlog", ask, operation=_BACKLOG, without=_WITHOUT_BACKLOG)


async def _ask_backlog(control: Control, endpoint: str, *, clock: Clock) -> list[Finding]:
    now = clock.now()
    points = await control.backlog(endpoint, since=now - BACKLOG_S, until=now)
    if points is None:
        return [not_permitted("backlog", _BACKLOG, _WITHOUT_BACKLOG)]
    if not points:
        return [ok("backlog", "can be read; CloudWatch has nothing for the last ten minutes")]
    return [ok("backlog", f"{count(round(points[-1].most), 'request')} queued or in process")]


def judge_clock(skew_s: float | None) -> list[Finding]:
    """Return what the difference between AWS's clock and ours means; None where no reply told it."""
    if skew_s is None:
        return [warning("clock", "not compared: no reply told the time")]
    off = f"this machine's clock is {abs(skew_s):,.0f} s {'behind' if skew_s > 0 else 'ahead of'} AWS's"
    if abs(skew_s) >= TOLERATED_SKEW_S:
        return [failure("clock", f"{off}, and AWS refuses what is signed with it: set it (chronyc makestep)")]
    if abs(skew_s) >= TOLD_S:
        return [
            warning("clock", f"{off}: set it (chronyc makestep), before AWS refuses what is signed with it")
        ]
    return [ok("clock", f"within {max(1.0, abs(skew_s)):.0f} s of AWS's")]
