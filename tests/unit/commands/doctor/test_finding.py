"""Findings of checks: their order, and the exit code that they deserve."""

from __future__ import annotations

import pytest

from fanout.commands.doctor.finding import CHECKS, exit_code, failure, found, in_order, ok, warning
from fanout.errors import Exit


def test_findings_are_shown_in_the_order_of_the_checks_and_of_one_check_as_they_came():
    findings = [failure(check, "x") for check in reversed(CHECKS)]
    assert [each.check for each in in_order(findings)] == list(CHECKS)
    twice = (warning("queue", "second"), ok("network", "n"), warning("queue", "first"))
    assert [each.text for each in in_order(twice)] == ["n", "second", "first"]


def test_a_check_tells_its_warnings_or_what_is_good():
    assert found("queue", "good") == [ok("queue", "good")]
    assert found("queue", "good", warnings=["a", "b"]) == [warning("queue", "a"), warning("queue", "b")]
    assert [each("disk", "t").status for each in (ok, warning, failure)] == ["ok", "warn", "fail"]


@pytest.mark.parametrize(
    ("findings", "code"),
    [
        ([], Exit.OK),
        ([ok("queue", "q"), warning("disk", "d")], Exit.OK),
        ([ok("queue", "q"), failure("disk", "d")], Exit.PRECONDITION),
        ([failure("disk", "d"), failure("configuration", "c")], Exit.USAGE),
        ([warning("configuration", "c"), failure("disk", "d")], Exit.PRECONDITION),
    ],
)
def test_a_mistake_in_the_configuration_comes_first(findings, code):
    assert exit_code(findings) is code
