"""Latencies, against the same numbers computed by DuckDB."""

from __future__ import annotations

import duckdb
import pytest

from fanout.domain.prices import Prices
from fanout.report.document import report_of
from fanout.report.latency import PHASES, shares

from .conftest import varied


def test_latencies_are_those_that_duckdb_computes(make_output):
    path = make_output(varied())
    report = report_of([path], Prices())
    found = {(each.phase, each.way): each for each in report.spreads}
    for phase in PHASES:
        sql = f"""select transport, count({phase}_ms), quantile_cont({phase}_ms, [0.5, 0.9, 0.99]), max({phase}_ms)
                  from '{path}' where {phase}_ms is not null group by transport"""
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
