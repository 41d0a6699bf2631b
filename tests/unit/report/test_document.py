"""A report of several files, and of a file without a row."""

from __future__ import annotations

from fanout.domain.prices import Prices
from fanout.report.build import report_of

from .conftest import outcome


def test_several_files_are_one_report(make_output):
    one = make_output([outcome(row) for row in range(20)], "one.parquet", simulated="true")
    more = {"run": "bbbbbbbbbb", "simulated": "true", "throttles": "5"}
    two = make_output([outcome(row) for row in range(30)], "two.parquet", **more)
    report = report_of([one, two], Prices())
    assert (report.counts.rows, report.throttles, report.simulated) == (50, 12, True)
    assert [file.rows for file in report.files] == [20, 30]


def test_a_file_without_a_row_has_a_report(make_output):
    report = report_of([make_output([])], Prices())
    assert (report.counts.rows, report.timeline, report.spreads, report.waterfalls) == (0, None, (), ())
