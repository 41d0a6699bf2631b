"""Warm-up of an experiment is counted and paid for, and in no latency of its report."""

from __future__ import annotations

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support.outputs import outcome

from fanout.domain.prices import Prices
from fanout.report.build import Asked, make_report, report_of
from fanout.report.tables import latencies, tiles

WARMUP, PAIRS = 5, 20


@pytest.fixture
def experiment(make_output, tmp_path):
    """Pairs of 100 ms inline and 150 ms via S3, after a warm-up that took 9 s each."""
    rows = []
    for pair in range(WARMUP + PAIRS):
        cold = pair < WARMUP
        for place, way in enumerate(("inline", "s3")):
            total_ms = 9_000 if cold else (100, 150)[place]
            row = outcome(2 * pair + place, way=way, total_ms=total_ms, payload_bytes=1_000)
            rows.append(row)
    path = make_output(rows)
    table = pq.read_table(path)
    table = table.append_column("bench_pair", pa.array([row // 2 for row in range(len(rows))]))
    table = table.append_column("bench_warmup", pa.array([row // 2 < WARMUP for row in range(len(rows))]))
    plan = json.dumps({"closed": None, "late_ms": 1_000})
    metadata = {**table.schema.metadata, b"fanout:bench": plan.encode()}
    directory = tmp_path / "bench"
    directory.mkdir()
    pq.write_table(table.replace_schema_metadata(metadata), directory / "bench.parquet")
    return directory


def test_warm_up_is_named_and_in_no_latency(experiment):
    report = report_of([experiment], Prices())
    assert (report.counts.rows, report.counts.warmup) == (50, 10)
    assert ("of them warm-up", "10") in tiles(report)
    total = report.spread("total", "inline")
    assert (total.n, total.max) == (PAIRS, pytest.approx(100))
    assert max(each.total_ms for each in report.slowest) == pytest.approx(175), (
        "150, and an upload that ended 5 ms before it was due"
    )
    assert max(row.total_ms for row in report.waterfalls) < 200
    assert sum(step.n for step in report.over_time.steps) == 2 * PAIRS
    assert latencies(report).title == "latency in milliseconds, warm-up left out"
    assert report.cost.by_way["inline"] == pytest.approx(25 * 6.28e-6, rel=0.2), "it cost as any other"


def test_verdicts_are_those_beside_the_output_until_others_are_asked_for(experiment):
    check = {"text": "worse", "holds": True, "found": "inline 1.0 -> 2.0 ms", "measured": True}
    content = {"run": "abcdefghij", "checks": [check], "baseline": None}
    (experiment / "bench.json").write_text(json.dumps(content))
    report = report_of([experiment], Prices())
    assert (report.gates.source, report.gates.failed[0].text) == (str(experiment / "bench.json"), "worse")
    from fanout.analysis.fail_conditions import parse_condition

    asked = Asked((parse_condition("inline.total.p50@1KB > 90ms"),))
    gates = make_report([experiment], Prices(), asked).gates
    assert [(each.text, each.fails) for each in gates.checks] == [
        ("inline.total.p50@1KB > 90ms", True),
        ("failures > 1%", False),
    ]
