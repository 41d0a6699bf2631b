"""Asks one thing of AWS in bounded time, and turns what goes wrong into a finding."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import anyio

from fanout.commands.doctor.finding import Finding, failure, warning
from fanout.domain.failures import NOT_PERMITTED
from fanout.domain.remedies import remedy
from fanout.errors import CallError, RunError

NEEDED_WITHIN_S = 30.0
"""What a run needs may take as long as `aws.reach` takes to call a network dead; what is up answers in 0.1 s."""
OPTIONAL_WITHIN_S = 1.2
"""A host that a run does without may be out of reach for good, and drops packets then: it is not waited for."""

Ask = Callable[[], Awaitable[list[Finding]]]


async def needed(check: str, ask: Ask) -> list[Finding]:
    """Return what `ask` finds; a failure if a run would not get its answer."""
    with anyio.move_on_after(NEEDED_WITHIN_S):
        try:
            return await ask()
        except RunError as error:
            return [failure(check, str(error))]
    return [
        failure(
            check,
            f"no answer within {NEEDED_WITHIN_S:g} s: look whether this network reaches AWS (NAT, VPC endpoint, proxy)",
        )
    ]


async def optional(check: str, ask: Ask, *, operation: str, without: str) -> list[Finding]:
    """Return what `ask` finds; a warning that names the right if it is not answered.

    Args:
        check: What is checked.
        ask: Asks; a `CallError` that it raises is one of `operation`.
        operation: The right, `sts:GetCallerIdentity`.
        without: What follows, as a sentence without its end.
    """
    with anyio.move_on_after(OPTIONAL_WITHIN_S):
        try:
            return await ask()
        except CallError as error:
            if error.code in NOT_PERMITTED:
                return [not_permitted(check, operation, without)]
            return [warning(check, f"{remedy(operation, error)} {without}")]
    return [
        warning(
            check,
            f"{operation}: no answer within {OPTIONAL_WITHIN_S:g} s (is there a VPC endpoint, a proxy?). {without}",
        )
    ]


def not_permitted(check: str, operation: str, without: str) -> Finding:
    """Return the warning for what this role may not ask."""
    return warning(check, f"not known, as this role may not call it: grant {operation}. {without}")
