"""Defines what a check of a set-up finds: one line for a person, ok, a warning or a failure, with its remedy."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from fanout.errors import Exit

Status = Literal["ok", "warn", "fail"]
CONFIGURATION = "configuration"
CHECKS = (
    CONFIGURATION, "descriptors", "network", "credentials", "identity", "clock", "transport", "endpoint",
    "notifications", "failures", "responses", "backlog", "queue", "results", "uploads", "input", "rows", "output",
    "place", "disk", "send",
)  # fmt: skip
"""What is checked, in the order in which it is shown."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found; a check may find several things.

    Attributes:
        check: One of `CHECKS`.
        status: Whether a run can go on with it; a warning changes how it goes.
        text: What was found and, unless it is ok, the remedy.
    """

    check: str
    status: Status
    text: str


def ok(check: str, text: str) -> Finding:
    """Return a finding that needs no step."""
    return Finding(check, "ok", text)


def warning(check: str, text: str) -> Finding:
    """Return a finding that a person should know of."""
    return Finding(check, "warn", text)


def failure(check: str, text: str) -> Finding:
    """Return a finding that a run would fail for."""
    return Finding(check, "fail", text)


def found(check: str, good: str, *, warnings: Iterable[str] = ()) -> list[Finding]:
    """Return the warnings of a check; what is good about it where there is none."""
    return [warning(check, text) for text in warnings] or [ok(check, good)]


def in_order(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Return the findings in the order in which they are shown."""
    return tuple(sorted(findings, key=lambda each: CHECKS.index(each.check)))


def exit_code(findings: Sequence[Finding]) -> Exit:
    """Return the exit code that the findings deserve: a mistake in the configuration itself comes first."""
    failed = {each.check for each in findings if each.status == "fail"}
    if CONFIGURATION in failed:
        return Exit.USAGE
    return Exit.PRECONDITION if failed else Exit.OK
