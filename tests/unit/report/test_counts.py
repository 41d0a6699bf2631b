"""How rows ended and what went wrong, with an example of each."""

from __future__ import annotations

from fanout.domain.prices import Prices
from fanout.report.document import report_of

from .conftest import varied


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
