"""Rows over time: each is counted once."""

from __future__ import annotations

import pytest
from support.outputs import EPOCH, outcome

from fanout.domain.prices import Prices
from fanout.report.build import report_of
from fanout.report.tables import tiles


def test_the_timeline_counts_every_row_once(make_output):
    line = report_of([make_output([outcome(row) for row in range(100)])], Prices()).timeline
    assert line.start_s == pytest.approx(EPOCH)
    assert line.seconds == pytest.approx(10.0), "the last row is due at 9.9 s and takes 0.1"
    assert (line.step_s, len(line.sent)) == (0.1, 101)
    assert (sum(line.sent), sum(line.ended)) == (100, 100)
    assert line.sent[:3] == (1, 1, 1)
    assert set(line.in_flight[:-2]) <= {0, 1}
    assert line.in_flight[-1] == 0


def test_rows_that_were_given_up_are_in_every_figure(make_output):
    """They vanished: 1,842 rows a second where the run took 180 s."""
    rows = [outcome(row, ended_at=EPOCH + row / 10 + 0.1) for row in range(10)]
    nothing = {"fetched_at": None, "notified_at": None, "collected_at": None, "completed_at": None}
    lost = {"status": "unsettled", "error_code": "NoResult", "ended_at": EPOCH + 180.0}
    rows += [outcome(row, **nothing, **lost) for row in range(10, 12)]
    rejected = {"transport": None, "due_at": None, "sent_at": None, "accepted_at": None}
    rows.append(
        outcome(12, **nothing, **(lost | {"status": "rejected", "ended_at": EPOCH + 1.0}), **rejected)
    )
    report = report_of([make_output(rows)], Prices())
    line = report.timeline
    assert (line.start_s, line.seconds) == (pytest.approx(EPOCH), pytest.approx(180.0))
    assert (sum(line.sent), sum(line.ended)) == (12, 13)
    assert (line.in_flight[0], line.in_flight[-2], line.in_flight[-1]) == (2, 2, 0)
    assert dict(tiles(report))["rows a second"] == "0.1"
    assert report.spread("total", "inline").max == pytest.approx(179_000.0)
