"""Describes what a check of a set-up found for a person: a line for each finding, and one that counts them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fanout.text import count, escape

if TYPE_CHECKING:
    from fanout.commands.doctor.examine import Report

_CHECK_CHARS = 14


def lines(report: Report, *, only_problems: bool) -> list[str]:
    """Return the lines of a report.

    Args:
        report: What was found.
        only_problems: Leave out what is ok, and the line that counts.
    """
    shown = [
        f"{each.status:<5} {each.check:<{_CHECK_CHARS}} {escape(each.text)}"
        for each in report.findings
        if not (only_problems and each.status == "ok")
    ]
    if only_problems:
        return shown
    statuses = [each.status for each in report.findings]
    counted = (
        f"{statuses.count('ok')} ok, {count(statuses.count('warn'), 'warning')}, "
        f"{count(statuses.count('fail'), 'failure')} in {report.seconds:.1f} s"
    )
    return [*shown, counted]
