"""How rows ended and what went wrong, with an example of each."""

from __future__ import annotations

from fanout.domain.prices import Prices
from fanout.report.build import report_of
from fanout.report.tables import tiles

from .conftest import outcome, varied


def test_counts_and_errors_with_the_first_example(make_output):
    counts = report_of([make_output(varied())], Prices()).counts
    assert (counts.rows, counts.by_status) == (300, {"succeeded": 297, "failed": 3})
    assert sum(counts.by_way.values()) == 300
    assert (counts.repeated, counts.resends) == (1, 3)
    assert [(group.code, group.count, group.row, group.example) for group in counts.errors] == [
        ("ModelError", 2, 7, "no <b>such</b> model"),
        ("Expired", 1, 11, "too late"),
    ]
    assert counts.error_codes == 2


def test_what_may_have_been_sent_twice_is_not_said_to_have_been_sent_again(make_output):
    rows = [outcome(row) for row in range(3)]
    rows[0].attempts, rows[0].resends = 2, 1
    rows[1].possible_attempts, rows[1].resends = 1, 1
    report = report_of([make_output(rows)], Prices())
    counts, shown = report.counts, dict(tiles(report))
    assert (counts.repeated, counts.resends, counts.possible_resends) == (1, 2, 1)
    assert (shown["sent again"], shown["may have been sent twice"]) == ("1", "1")
    assert "rows with more than one request" not in shown
