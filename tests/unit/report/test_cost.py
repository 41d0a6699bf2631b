"""Dollars by the price table."""

from __future__ import annotations

import pytest

from fanout.domain.prices import Prices
from fanout.report.build import report_of

from .conftest import outcome


def test_cost_by_the_price_table(make_output):
    rows = [outcome(row) for row in range(60)] + [
        outcome(row, way="s3", payload_bytes=5) for row in range(60, 100)
    ]
    cost = report_of([make_output(rows)], Prices()).cost
    inline, s3 = (5.00 + 0.40 + 0.50 + 0.48) / 1e6, (10.00 + 0.80 + 0.50 + 0.48) / 1e6
    assert cost.by_way == pytest.approx({"inline": 60 * inline, "s3": 40 * s3})
    assert cost.dollars == pytest.approx(60 * inline + 40 * s3)
    assert (cost.saved, cost.saveable) == (pytest.approx(60 * 5.4e-6), pytest.approx(40 * 5.4e-6))


def test_uploads_in_parts_cost_their_parts(make_output):
    rows = [outcome(row, way="s3", payload_bytes=size) for row, size in enumerate([33_554_431, 33_554_432])]
    cost = report_of([make_output(rows)], Prices()).cost
    assert cost.dollars == pytest.approx(2 * 2 * 5e-6 + 5 * 5e-6 + 4 * 4e-7 + 2 * 5e-7 + 4 * 4e-7), (
        "6 puts in place of 1"
    )
    assert cost.by_way == {"s3": cost.dollars}
