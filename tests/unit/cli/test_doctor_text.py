"""The lines of `fanout doctor`."""

from __future__ import annotations

from fanout.cli.doctor_text import lines
from fanout.commands.doctor.examine import Report
from fanout.commands.doctor.finding import failure, ok, warning

REPORT = Report(
    (
        ok("identity", "arn:a"),
        warning("endpoint", "at zero\x1b[2J"),
        failure("queue", "grant it"),
        warning("rows", "x"),
    ),
    1.24,
)


def test_each_finding_is_a_line_and_the_last_one_counts_them():
    assert lines(REPORT, only_problems=False) == [
        "ok    identity       arn:a",
        "warn  endpoint       at zero\\x1b[2J",
        "fail  queue          grant it",
        "warn  rows           x",
        "1 ok, 2 warnings, 1 failure in 1.2 s",
    ]


def test_only_what_is_not_ok_is_left_when_it_is_to_be_quiet():
    assert lines(REPORT, only_problems=True) == [
        "warn  endpoint       at zero\\x1b[2J",
        "fail  queue          grant it",
        "warn  rows           x",
    ]
