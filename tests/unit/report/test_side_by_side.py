"""Two runs: which rows are the same, what changed beyond chance, and what differs besides."""

from __future__ import annotations

import random

import duckdb
import pytest
from support.outputs import outcome

from fanout.domain.prices import Prices
from fanout.errors import UsageError
from fanout.report.build import compared_report
from fanout.report.comparison_tables import compared_runs, pairing_text
from fanout.rundir.provenance import PROVENANCE_KEY, Provenance


def run(make_output, name, *, ids=True, more_ms=0.0, order=None, seed=1, **said):
    rng = random.Random(seed)
    latencies = [rng.lognormvariate(4.6, 0.5) for _ in range(300)]
    rows = [
        outcome(place, total_ms=latencies[row] + more_ms, id=f"user-{row}" if ids else None)
        for place, row in enumerate(order or range(300))
    ]
    provenance = Provenance(**{"fanout": "0.1.0", "fingerprint": "f", "region": "eu-west-1"} | said)
    metadata = {"provenance": provenance.as_metadata()[PROVENANCE_KEY], "run": name.ljust(10, "x")}
    return make_output(rows, f"{name}.parquet", **metadata)


def test_rows_are_paired_by_their_id_wherever_they_stand(make_output):
    order = list(range(300))
    random.Random(5).shuffle(order)
    before, now = run(make_output, "before"), run(make_output, "now", more_ms=4.0, order=order)
    report = compared_report(before, now, Prices())
    pairing = report.earlier.comparison.pairing
    assert (pairing.key, pairing.shared, pairing.only_before, pairing.only_now) == ("id", 300, 0, 0)
    total = report.earlier.comparison.totals()["inline"]
    sql = f"select median(b.total_ms - a.total_ms) from '{before}' a join '{now}' b using (id)"
    assert total.median == pytest.approx(duckdb.sql(sql).fetchall()[0][0])
    assert (total.low, total.high) == pytest.approx((4.0, 4.0), abs=0.01), "noise of 50 ms is in both"
    assert pairing_text(report).startswith(
        "300 rows are in both runs, matched by id; 0 are only in the earlier one"
    )


def test_without_ids_the_same_input_pairs_by_row_and_another_does_not(make_output):
    before = run(make_output, "before", ids=False)
    same = compared_report(before, run(make_output, "same", ids=False, more_ms=4.0), Prices())
    assert (same.earlier.comparison.pairing.key, same.earlier.comparison.pairing.shared) == ("row", 300)
    another = run(make_output, "another", ids=False, more_ms=4.0, seed=2, fingerprint="g")
    found = compared_report(before, another, Prices()).earlier.comparison
    assert found.pairing.key is None
    assert found.pairing.why == "rows have no ids (--id-column), and the inputs are not known to be the same"
    total = next(each for each in found.changes if (each.phase, each.way) == ("total", "inline"))
    assert (total.pairs, total.verdict) == (None, "alike"), "medians of noise tell no 4 ms"


def test_an_id_that_occurs_twice_pairs_nothing(make_output):
    before = run(make_output, "before", order=[0, 0, *range(1, 299)])
    found = compared_report(before, run(make_output, "now"), Prices()).earlier.comparison.pairing
    assert (found.key, found.why) == (None, "ids occur more than once, so that no row can be told by its id")


def test_rows_that_ended_otherwise_and_settings_that_differ_are_told(make_output):
    before = run(make_output, "before", in_force={"pacing.rate": 10.0})
    rows = [outcome(row, id=f"user-{row}") for row in range(300)]
    rows[7] = outcome(7, id="user-7", status="failed", error_code="E", fetched_at=None)
    said = Provenance(fanout="0.2.0", in_force={"pacing.rate": 20.0}).as_metadata()[PROVENANCE_KEY]
    report = compared_report(
        before, make_output(rows, "now.parquet", run="b" * 10, provenance=said), Prices()
    )
    assert report.earlier.comparison.pairing.moved == (("succeeded", "failed", 1),)
    assert set(report.earlier.comparison.settings) == {
        ("region", "eu-west-1", "none"), ("fanout", "0.1.0", "0.2.0"), ("pacing.rate", "10", "20"),
    }  # fmt: skip
    tables = {table.title: table for table in compared_runs(report)}
    assert tables["rows that ended differently in the two runs"].rows == (("succeeded", "failed", "1"),)
    assert ("not succeeded", "0", "1") in tables["both runs"].rows


def test_a_run_is_not_compared_with_itself_nor_a_simulated_one_with_another(make_output):
    path = run(make_output, "before")
    with pytest.raises(UsageError, match="hold the same rows"):
        compared_report(path, make_output([outcome(3)], "part.parquet", run="beforexxxx"), Prices())
    with pytest.raises(UsageError, match="is simulated and"):
        compared_report(
            path, make_output([outcome(3)], "s.parquet", run="c" * 10, simulated="true"), Prices()
        )
