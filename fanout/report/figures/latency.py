"""Draws the figures of latencies: their distributions, their percentiles, and how they grow with the payload."""

from __future__ import annotations

import math

from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator

from fanout.analysis.units import size_text
from fanout.report.document import Report
from fanout.report.figures.canvas import milliseconds, sheet
from fanout.report.figures.theme import DASHES, MARKERS, NAMES, STANDINS
from fanout.report.latency import PHASES, shares

NINES = (0.5, 0.9, 0.99, 0.999, 0.9999, 0.99999)


def draw_distributions(report: Report) -> Figure | None:
    """The cumulative distribution of every phase, a line for each transport. None without rows to draw."""
    phases = [phase for phase in PHASES if phase in report.phases]
    if not phases:
        return None
    rows = math.ceil(len(phases) / 4)
    figure = sheet(1.95 * rows + 0.2)
    grid = figure.subplots(rows, 4, squeeze=False, sharey=True)
    cells = list(grid.flat)
    for axes, phase in zip(cells, phases, strict=False):
        for way in report.ways:
            spread = report.spread(phase, way)
            if spread is not None:
                points = [
                    (max(ms, 1e-3), 100 * q) for ms, q in zip(spread.curve, shares(spread.n), strict=True)
                ]
                axes.plot(
                    *zip(*points, strict=True),
                    color=STANDINS[way],
                    linestyle=DASHES[way],
                    label=NAMES[way],
                    drawstyle="steps-post",
                )
        axes.set_title(phase)
        milliseconds(axes, "x")
        axes.set_ylim(0, 100)
    for axes in cells[len(phases) :]:
        axes.set_visible(False)
    for row in grid:
        row[0].set_ylabel("% of rows")
    handles, labels = cells[phases.index("total") if "total" in phases else 0].get_legend_handles_labels()
    spare = cells[len(phases)] if len(phases) < len(cells) else None
    if spare is not None:
        spare.set_visible(True)
        spare.axis("off")
        spare.legend(handles, labels, loc="center left", title="milliseconds, log scale", alignment="left")
    else:
        cells[0].legend(handles, labels)
    return figure


def draw_percentiles(report: Report) -> Figure | None:
    """Whole latencies by percentile, the tail spread out, on a logarithmic scale. None without rows to draw."""
    spreads = [each for each in report.spreads if each.phase == "total"]
    if not spreads:
        return None
    figure = sheet(2.9)
    axes = figure.subplots()
    for spread in spreads:
        points = [
            (_nines(q), max(ms, 1e-3)) for ms, q in zip(spread.curve, shares(spread.n), strict=True) if q < 1
        ]
        end = _nines(1 - 1 / spread.n) if spread.n > 1 else 0.0
        points.append((max(end, points[-1][0] if points else 0.0), max(spread.max, 1e-3)))
        axes.plot(
            *zip(*points, strict=True),
            color=STANDINS[spread.way],
            linestyle=DASHES[spread.way],
            label=NAMES[spread.way],
        )
        axes.plot(*points[-1], marker=MARKERS[spread.way], color=STANDINS[spread.way], markersize=4)
    ticks = [q for q in NINES if (1 - q) * max(each.n for each in spreads) >= 1] or [0.5]
    axes.xaxis.set_major_locator(FixedLocator([0.0, *(_nines(q) for q in ticks)]))
    axes.set_xticklabels(["min", *(f"p{100 * q:.6g}" for q in ticks)])
    axes.set_xlim(left=0)
    axes.set_title("total latency in milliseconds, by percentile; the last point is the maximum")
    milliseconds(axes, "y")
    axes.legend(loc="upper left")
    return figure


def draw_sizes(report: Report) -> Figure | None:
    """Whole latencies by payload size. None without rows to draw."""
    classes = list(dict.fromkeys((each.from_bytes, each.to_bytes) for each in report.sizes))
    if len(classes) < 2:
        return None
    figure = sheet(2.9)
    axes = figure.subplots()
    for way in ("inline", "s3"):
        found = [each for each in report.sizes if each.way == way]
        if not found:
            continue
        places = [classes.index((each.from_bytes, each.to_bytes)) for each in found]
        shift = {"inline": -0.08, "s3": 0.08}[way]
        places_shifted = [place + shift for place in places]
        axes.vlines(
            places_shifted,
            [each.p50 for each in found],
            [each.p99 for each in found],
            color=STANDINS[way],
            linewidth=1,
            alpha=0.7,
        )
        axes.plot(
            places_shifted,
            [each.p90 for each in found],
            color=STANDINS[way],
            linestyle="none",
            marker="_",
            markersize=9,
        )
        axes.plot(
            places_shifted,
            [each.p50 for each in found],
            color=STANDINS[way],
            linestyle=DASHES[way],
            marker=MARKERS[way],
            markersize=5,
            label=NAMES[way],
        )
    axes.set_xticks(
        range(len(classes)),
        [size_text(high) if low == high else f"≤ {size_text(high)}" for low, high in classes],
    )
    axes.set_xlim(-0.5, len(classes) - 0.5)
    axes.set_title("total latency in milliseconds, by payload: median, bar at p90, line up to p99")
    milliseconds(axes, "y")
    axes.set_ylim(top=axes.get_ylim()[1] * 1.4)  # room for the legend
    axes.legend(loc="upper left", ncols=2)
    return figure


def _nines(share: float) -> float:
    """Return where a percentile stands: 0 for the minimum, 1 for p90, 2 for p99."""
    return -math.log10(max(1 - share, 1e-12))
