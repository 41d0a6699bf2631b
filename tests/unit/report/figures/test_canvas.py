"""Axes of milliseconds."""

from __future__ import annotations

import pytest
from matplotlib.figure import Figure

from fanout.report.figures.canvas import milliseconds


@pytest.mark.parametrize(
    ("limits", "ticks"),
    [
        ((0.5, 3_000), [1, 10, 100, 1_000]),
        ((1.2, 80), [3, 10, 30]),
        ((15, 90), [20, 50]),
    ],
)
def test_an_axis_of_milliseconds_has_more_than_one_tick(limits, ticks):
    axes = Figure().subplots()
    axes.set_xlim(*limits)
    milliseconds(axes, "x")
    shown = [tick for tick in axes.xaxis.get_majorticklocs() if limits[0] <= tick <= limits[1]]
    assert shown == pytest.approx(ticks)
