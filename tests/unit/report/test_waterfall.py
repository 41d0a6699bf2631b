"""The phases of single rows add up to their latency."""

from __future__ import annotations

import pytest

from fanout.domain.prices import Prices
from fanout.report.build import report_of
from fanout.report.waterfall import bars

from .conftest import outcome


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
