"""The slowest rows, and every error, by id and row, with what can be done about them."""

from __future__ import annotations

import random

from support.outputs import outcome

from fanout.domain.prices import Prices
from fanout.report.build import report_of
from fanout.report.slowest import SLOWEST
from fanout.report.tables import errors, slowest, slowest_steps


def test_the_slowest_ten_in_order(make_output):
    latencies = [100.0 + row for row in range(50)]
    random.Random(3).shuffle(latencies)
    path = make_output([outcome(row, total_ms=ms, id=f"user-{row}") for row, ms in enumerate(latencies)])
    found = report_of([path], Prices()).slowest
    wanted = sorted(range(50), key=lambda row: -latencies[row])[:SLOWEST]
    assert [(each.row, each.id) for each in found] == [(row, f"user-{row}") for row in wanted]
    assert [round(each.total_ms) for each in found] == [149 - place for place in range(SLOWEST)]


def test_equal_ones_are_the_first_of_them(make_output):
    found = report_of([make_output([outcome(row) for row in range(30)])], Prices()).slowest
    assert [each.row for each in found] == list(range(SLOWEST))


def test_the_longest_phase_and_its_step(make_output):
    rows = [outcome(row) for row in range(5)]
    rows[2] = outcome(2, total_ms=9_000, attempts=2, sent_at=rows[2].due_at + 8.0)
    rows[4] = outcome(4, total_ms=5_000, sent_at=rows[4].due_at + 4.5)
    report = report_of([make_output(rows)], Prices())
    assert [(each.row, each.phase, round(each.phase_ms)) for each in report.slowest[:2]] == [
        (2, "retry", 8_000),
        (4, "wait", 4_500),
    ]
    assert slowest(report).rows[0][5] == "retry, 8,000.0 ms"
    steps = slowest_steps(report)
    assert steps[1].startswith("retry: Rows were sent again after a failure")
    assert steps[2].startswith("wait: This client kept rows waiting")


def failed(row, code, status="failed"):
    return outcome(
        row, id=f"user-{row}", status=status, error_code=code, error_message=f"no {row}", fetched_at=None
    )


def test_every_error_names_rows_and_its_next_step(make_output):
    rows = [failed(row, "ModelFailed") for row in range(12)]
    rows += [failed(12, "Expired", "expired"), outcome(13), failed(14, "ThrottlingException", "rejected")]
    table = errors(report_of([make_output(rows)], Prices()))
    [first, *others] = table.rows
    assert first == (
        "12", "ModelFailed", "failed", "0 (user-0), 1 (user-1), 2 (user-2), 3 (user-3), 4 (user-4) and 7 more",
        "row 0: no 0", "See the endpoint's log in CloudWatch; `fanout retry` sends the row again.",
    )  # fmt: skip
    assert {line[1]: line[3] for line in others} == {
        "Expired": "12 (user-12)",
        "ThrottlingException": "14 (user-14)",
    }
    assert all(line[5] for line in others)
