"""Rows over time: each is counted once."""

from __future__ import annotations

import pytest
from support.outputs import EPOCH, outcome

from fanout.domain.prices import Prices
from fanout.report.document import report_of


def test_the_timeline_counts_every_row_once(make_output):
    line = report_of([make_output([outcome(row) for row in range(100)])], Prices()).timeline
    assert line.start_s == pytest.approx(EPOCH)
    assert line.seconds == pytest.approx(10.0), "the last row is due at 9.9 s and takes 0.1"
    assert (line.step_s, len(line.sent)) == (0.1, 101)
    assert (sum(line.sent), sum(line.ended)) == (100, 100)
    assert line.sent[:3] == (1, 1, 1)
    assert set(line.in_flight[:-2]) <= {0, 1}
    assert line.in_flight[-1] == 0
