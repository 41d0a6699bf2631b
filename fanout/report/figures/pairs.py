"""Draws the figure of an experiment: what inline saves, with its interval."""

from __future__ import annotations

from matplotlib.figure import Figure

from fanout.report.document import Report
from fanout.report.figures.canvas import sheet
from fanout.report.figures.theme import STANDINS


def draw_differences(report: Report) -> Figure | None:
    """The medians of the paired differences, by size and by phase, with their intervals. None without rows to draw."""
    comparison = report.experiment.comparison if report.experiment else None
    if comparison is None:
        return None
    by_size = [
        (group.label, group.phases["total"].difference)
        for group in (*comparison.groups, comparison.everything)
    ]
    by_phase = [
        (phase, result.difference) for phase, result in comparison.everything.phases.items() if phase != "raw"
    ]
    figure = sheet(0.9 + 0.27 * max(len(by_size), len(by_phase)))
    for axes, lines, title in zip(
        figure.subplots(1, 2),
        (by_size, by_phase),
        ("by payload, whole latency", "by phase, all sizes"),
        strict=True,
    ):
        known = [(label, found) for label, found in lines if found is not None]
        for place, (_, found) in enumerate(known):
            role = "muted" if not found.excludes_zero else "inline" if found.median > 0 else "s3"
            axes.plot(
                (found.low, found.high),
                (place, place),
                color=STANDINS[role],
                linewidth=2.2,
                solid_capstyle="butt",
            )
            axes.plot(found.median, place, marker="o", color=STANDINS[role], markersize=5)
        axes.axvline(0, color=STANDINS["ink"], linewidth=0.9, zorder=1)  # behind the points on it
        axes.set_yticks(range(len(known)), [label for label, _ in known])
        axes.set_ylim(len(known) - 0.4, -0.6)
        axes.grid(visible=False, axis="y")
        axes.set_title(title)
        axes.set_xlabel("ms saved by inline (median of the paired differences, 95 %)")
    return figure
