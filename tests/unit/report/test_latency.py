"""Latencies, against the same numbers computed by DuckDB."""

from __future__ import annotations

import duckdb
import pytest

from fanout.domain.prices import Prices
from fanout.report.build import report_of
from fanout.report.latency import PHASES, shares

from .conftest import outcome, varied


def test_latencies_are_those_that_duckdb_computes(make_output):
    path = make_output(varied())
    report = report_of([path], Prices())
    found = {(each.phase, each.way): each for each in report.spreads}
    for phase in PHASES:
        column = "wait_ms" if phase == "retry" else f"{phase}_ms"
        chosen = {"wait": "attempts <= 1", "retry": "attempts > 1"}.get(phase, "true")
        sql = f"""select transport, count({column}), quantile_cont({column}, [0.5, 0.9, 0.99]), max({column})
                  from '{path}' where {column} is not null and {chosen} group by transport"""
        for way, n, upper, most in duckdb.sql(sql).fetchall():
            spread = found.pop((phase, way))
            assert spread.n == n
            assert [spread.p50, spread.p90, spread.p99, spread.max] == pytest.approx([*upper, most])
            assert len(spread.curve) == len(shares(n))
            assert spread.curve[-1] == pytest.approx(most)
    assert not found, "no phase that the file does not have"


def test_latency_by_size_is_of_rows_that_succeeded(make_output):
    path = make_output(varied())
    sizes = report_of([path], Prices()).sizes
    assert [(each.from_bytes, each.way) for each in sizes] == [(1_000, "inline"), (200_000, "s3")]
    sql = f"select median(total_ms) from '{path}' where status = 'succeeded' group by transport order by transport"
    assert [each.p50 for each in sizes] == pytest.approx([line[0] for line in duckdb.sql(sql).fetchall()])


def test_a_row_that_was_sent_again_waited_for_no_client(make_output):
    rows = [outcome(row) for row in range(20)]
    rows[3] = outcome(3, attempts=2, total_ms=9_000, sent_at=rows[3].due_at + 8.0)
    spreads = {each.phase: each for each in report_of([make_output(rows)], Prices()).spreads}
    assert (spreads["wait"].n, spreads["wait"].max) == (19, pytest.approx(10))
    assert (spreads["retry"].n, spreads["retry"].max) == (1, pytest.approx(8_000))


def test_a_thousandth_is_told_of_a_thousand_rows(make_output):
    few = report_of([make_output([outcome(row) for row in range(999)])], Prices())
    assert few.spread("total", "inline").p999 is None
    path = make_output([outcome(row, total_ms=100 + row) for row in range(1_200)], "more.parquet")
    [told] = duckdb.sql(f"select quantile_cont(total_ms, 0.999) from '{path}'").fetchall()[0]
    report = report_of([path], Prices())
    assert report.spread("total", "inline").p999 == pytest.approx(told)
    assert report.sizes[0].p999 == pytest.approx(told)
