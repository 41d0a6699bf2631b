"""What a report says, against the same numbers computed by DuckDB and by hand."""

from __future__ import annotations

import random

import duckdb
import pytest

from fanout.domain.prices import Prices
from fanout.errors import UsageError
from fanout.report.document import report_of
from fanout.report.latency import PHASES, shares
from fanout.report.waterfall import bars

from .conftest import EPOCH, outcome


def failed(row, code, message):
    return outcome(
        row,
        status="failed",
        error_code=code,
        error_message=message,
        response=None,
        fetched_at=None,
        resends=1,
    )


def varied(count=300):
    rng = random.Random(4)
    rows = [
        outcome(row, way=rng.choice(["inline", "inline", "s3"]), total_ms=rng.lognormvariate(4.6, 0.5))
        for row in range(count)
    ]
    rows[7] = failed(7, "ModelError", "no <b>such</b> model")
    rows[9] = failed(9, "ModelError", "again")
    rows[11] = failed(11, "Expired", "too late")
    rows[13].attempts = 3
    return rows


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


def test_the_timeline_counts_every_row_once(make_output):
    line = report_of([make_output([outcome(row) for row in range(100)])], Prices()).timeline
    assert line.start_s == pytest.approx(EPOCH)
    assert line.seconds == pytest.approx(10.0), "the last row is due at 9.9 s and takes 0.1"
    assert (line.step_s, len(line.sent)) == (0.1, 101)
    assert (sum(line.sent), sum(line.ended)) == (100, 100)
    assert line.sent[:3] == (1, 1, 1)
    assert set(line.in_flight[:-2]) <= {0, 1}
    assert line.in_flight[-1] == 0


def test_a_waterfall_adds_up(make_output):
    rows = [outcome(row, total_ms=100 + row) for row in range(11)] + [outcome(11, way="s3", total_ms=500)]
    falls = report_of([make_output(rows)], Prices()).waterfalls
    assert [(fall.which, fall.way, fall.row) for fall in falls] == [
        ("median", "inline", 5),
        ("median", "s3", 11),
        ("slowest", "s3", 11),
    ]
    inline = {bar.phase: (bar.from_ms, bar.to_ms) for bar in falls[0].bars}
    assert inline["wait"] == pytest.approx((0.0, 10.0), abs=2e-3)
    assert inline["invoke"] == pytest.approx((10.0, 29.0), abs=2e-3)
    assert inline["service"] == pytest.approx((19.5, 57.5), abs=2e-3)
    assert inline["fetch"] == pytest.approx((67.0, 105.0), abs=2e-3)
    staged = {bar.phase: (bar.from_ms, bar.to_ms) for bar in falls[1].bars}
    assert falls[1].total_ms == pytest.approx(525.0, abs=1e-3)
    assert staged["upload"] == pytest.approx((0.0, 25.0), abs=2e-3)
    assert staged["wait"] == pytest.approx((25.0, 35.0), abs=2e-3)


def test_in_an_experiment_the_wait_comes_before_the_upload():
    row = dict.fromkeys(("received_at", "completed_at", "accepted_at", "notified_at", "collected_at"))
    row |= {"due_at": 0, "sent_at": 60_000, "fetched_at": 100_000, "upload_ms": 40.0, "total_ms": 100.0}
    found = [(bar.phase, bar.from_ms, bar.to_ms) for bar in bars(row)]
    assert found == [("wait", 0.0, 20.0), ("upload", 20.0, 60.0)]


def test_cost_by_the_price_table(make_output):
    rows = [outcome(row) for row in range(60)] + [
        outcome(row, way="s3", payload_bytes=5) for row in range(60, 100)
    ]
    cost = report_of([make_output(rows)], Prices()).cost
    inline, s3 = (5.00 + 0.40 + 0.50 + 0.48) / 1e6, (10.00 + 0.80 + 0.50 + 0.48) / 1e6
    assert cost.by_way == pytest.approx({"inline": 60 * inline, "s3": 40 * s3})
    assert cost.dollars == pytest.approx(60 * inline + 40 * s3)
    assert (cost.saved, cost.saveable) == (pytest.approx(60 * 5.4e-6), pytest.approx(40 * 5.4e-6))


def test_several_files_are_one_report(make_output):
    one = make_output([outcome(row) for row in range(20)], "one.parquet")
    two = make_output([outcome(row) for row in range(30)], "two.parquet", simulated="true", throttles="5")
    report = report_of([one, two], Prices())
    assert (report.counts.rows, report.throttles, report.simulated) == (50, 12, True)
    assert [file.rows for file in report.files] == [20, 30]


def test_a_file_without_a_row_has_a_report(make_output):
    report = report_of([make_output([])], Prices())
    assert (report.counts.rows, report.timeline, report.spreads, report.waterfalls) == (0, None, (), ())


def test_what_is_not_an_output_is_refused(tmp_path):
    with pytest.raises(UsageError, match="no such file"):
        report_of([tmp_path / "nothing.parquet"], Prices())
    (tmp_path / "text.parquet").write_text("hello")
    with pytest.raises(UsageError, match="is not a Parquet file"):
        report_of([tmp_path / "text.parquet"], Prices())
    duckdb.sql(f"copy (select 1 as a) to '{tmp_path}/other.parquet'")
    with pytest.raises(UsageError, match="was not written by this version of fanout"):
        report_of([tmp_path / "other.parquet"], Prices())
