"""Draws the figures of time: how a run went on, and where the milliseconds of single rows went."""

from __future__ import annotations

from typing import Any

from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from fanout.analysis.units import size_text
from fanout.report.document import Report
from fanout.report.figures.canvas import sheet
from fanout.report.figures.theme import NAMES, STANDINS
from fanout.report.waterfall import Bar


def draw_timeline(report: Report) -> Figure | None:
    """Rows a second, and rows in flight, over time. None without rows to draw."""
    line = report.timeline
    if line is None:
        return None
    unit, name = next(
        (u, n)
        for u, n in ((3600, "hours"), (60, "minutes"), (1, "seconds"))
        if line.seconds >= 3 * u or u == 1
    )
    steps = [index * line.step_s / unit for index in range(len(line.sent) + 1)]
    figure = sheet(3.6)
    rate, flight = figure.subplots(2, 1, sharex=True, height_ratios=(3, 2))
    for counts, role, dash, label in (
        (line.sent, "muted", (0, (2, 1.2)), "sent"),
        (line.ended, "inline", "solid", "ended"),
    ):
        rate.stairs(
            [count / line.step_s for count in counts],
            steps,
            color=STANDINS[role],
            linestyle=dash,
            label=label,
            linewidth=1.4,
        )
    rate.set_title("rows a second")
    rate.legend(loc="lower left", bbox_to_anchor=(0.16, 0.97), ncols=2, borderaxespad=0)
    flight.stairs(line.in_flight, steps, fill=True, color=STANDINS["inline"], alpha=0.25)
    flight.stairs(line.in_flight, steps, color=STANDINS["inline"], linewidth=1.2)
    flight.set_title("rows in flight: sent, and not ended")
    flight.set_xlabel(f"{name} since the first row was due")
    for axes in (rate, flight):
        axes.set_ylim(bottom=0)
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.6g}"))
    flight.set_xlim(0, line.seconds / unit or 1)
    return figure


def draw_waterfall(report: Report) -> Figure | None:
    """The phases of single rows, one below the other. None without rows to draw."""
    rows = report.waterfalls
    if not rows:
        return None
    figure = sheet(0.75 + 1.28 * len(rows))
    grid = figure.subplots(len(rows), 1, squeeze=False)
    for (axes,), row in zip(grid, rows, strict=True):
        phases = list(dict.fromkeys(bar.phase for bar in row.bars))
        for bar in row.bars:
            place = phases.index(bar.phase)
            width = max(bar.to_ms - bar.from_ms, row.total_ms / 600)
            axes.barh(place, width, left=bar.from_ms, color=STANDINS[bar.phase], height=0.72)
            axes.annotate(f"{bar.to_ms - bar.from_ms:,.1f}", **_label(bar, place, row.total_ms))
        axes.set_yticks(range(len(phases)), phases)
        axes.invert_yaxis()
        axes.grid(visible=False, axis="y")
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.6g}"))
        axes.set_xlim(min(0.0, *(bar.from_ms for bar in row.bars)), row.total_ms * 1.02)
        which = f"{row.which} row, {NAMES[row.way]}: {row.total_ms:,.1f} ms in all"
        axes.set_title(f"{which} (row {row.row:,}, {size_text(row.payload_bytes)})")
    grid[-1][0].set_xlabel("milliseconds since the row was due")
    return figure


def _label(bar: Bar, place: int, total_ms: float) -> dict[str, Any]:
    """Return where the length of a bar is written: behind it, before one that ends late, in one that fills the row."""
    common: dict[str, Any] = {"textcoords": "offset points", "va": "center", "fontsize": 8}
    if bar.to_ms - bar.from_ms > 0.6 * total_ms:
        middle = (bar.from_ms + bar.to_ms) / 2
        return common | {"xy": (middle, place), "xytext": (0, 0), "ha": "center", "color": STANDINS["paper"]}
    if bar.to_ms > 0.82 * total_ms:
        return common | {"xy": (bar.from_ms, place), "xytext": (-3, 0), "ha": "right"}
    return common | {"xy": (bar.to_ms, place), "xytext": (3, 0), "ha": "left"}
