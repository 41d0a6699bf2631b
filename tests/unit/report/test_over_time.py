"""Latency over the run: a cold start and a drift are told where they are certain, and nowhere else."""

from __future__ import annotations

import duckdb
import pytest
from support.outputs import EPOCH, outcome

from fanout.domain.prices import Prices
from fanout.report.build import report_of
from fanout.report.tables import by_time, shifts


def over_time(make_output, latency):
    path = make_output([outcome(row, total_ms=latency(row) + row * 37 % 11) for row in range(1_000)])
    report = report_of([path], Prices())
    return path, report, report.over_time


def test_steps_are_what_duckdb_computes(make_output):
    path, _, found = over_time(make_output, lambda row: 100 + row % 50)
    sql = f"""select (epoch_us(due_at) - {round(EPOCH * 1e6)}) // {round(found.step_s * 1e6)} as step, count(*),
              quantile_cont(total_ms, [0.5, 0.9, 0.99]) from '{path}' group by step order by step"""
    lines = duckdb.sql(sql).fetchall()
    assert [(round(step.from_s / found.step_s), step.n) for step in found.steps] == [
        line[:2] for line in lines
    ]
    assert len(found.steps) > 20
    for step, line in zip(found.steps, lines, strict=True):
        assert [step.p50, step.p90, step.p99] == pytest.approx(line[2])


@pytest.mark.parametrize(
    ("latency", "kinds"),
    [
        (lambda row: 100, []),
        (lambda row: 400 if row < 100 else 100, ["cold start"]),
        (lambda row: 50 if row < 100 else 100, []),
        (lambda row: 100 + row, ["drift"]),
        (lambda row: 1_100 - row, ["cold start", "drift"]),
        (lambda row: 105 if row < 100 else 100, []),
    ],
    ids=["even", "cold", "fast at first", "slower and slower", "faster and faster", "too little to tell"],
)
def test_shifts(make_output, latency, kinds):
    assert [shift.kind for shift in over_time(make_output, latency)[2].shifts] == kinds


def test_a_shift_is_told_in_a_sentence(make_output):
    _, report, _ = over_time(make_output, lambda row: 400 if row < 100 else 100)
    assert shifts(report) == [
        "Cold start: the first tenth of the rows took 3.9 times as long as the others (medians 405.0 and 105.0 ms)."
    ]


def test_few_rows_tell_none(make_output):
    report = report_of([make_output([outcome(row) for row in range(199)])], Prices())
    assert not report.over_time.judged
    assert shifts(report) == [
        "Under 200 rows succeeded: too few to tell a cold start or a drift from chance."
    ]


def test_nothing_without_a_row_that_succeeded(make_output):
    rows = [outcome(0, status="failed", error_code="E", fetched_at=None)]
    assert report_of([make_output(rows)], Prices()).over_time is None


def test_a_step_of_a_thousand_rows_tells_its_p999_and_a_smaller_one_none(make_output):
    """Rows that were due at one instant are one step; those of a second later another."""
    rows = [
        outcome(row, total_ms=100 + row % 1_500, due_at=EPOCH + (10.0 if row >= 1_500 else 0.0))
        for row in range(2_000)
    ]
    path = make_output(rows)
    report = report_of([path], Prices())
    [(p999,)] = duckdb.sql(f"select quantile_cont(total_ms, 0.999) from '{path}' where row < 1500").fetchall()
    large, small = report.over_time.steps
    assert (large.n, large.p999) == (1_500, pytest.approx(p999))
    assert (small.n, small.p999) == (500, None)
    table = by_time(report)
    assert table.head[-1] == "p99.9"
    assert [row[-1] for row in table.rows] == [f"{p999:,.1f}", "\N{EN DASH}"]
