"""Draws every figure that a `Report` has data for, and returns them as inline SVG elements of the page.

matplotlib draws them: well kept, sharp in print, and 15-120 kB a figure without any script, where plotly's bundle
takes 4.6 MB. Text and colours stay the page's own (`theme`), so that one drawing serves light, dark and paper. What
is lost is hovering.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from html import escape
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

from fanout.report.document import Report
from fanout.report.figures.latency import draw_distributions, draw_percentiles, draw_sizes
from fanout.report.figures.pairs import draw_differences
from fanout.report.figures.theme import RC, STANDINS, themed
from fanout.report.figures.time import draw_timeline, draw_waterfall

_FIGURES: dict[str, tuple[str, Callable[[Report], Figure | None]]] = {
    "differences": ("Paired differences, S3 minus inline, with 95 % intervals", draw_differences),
    "timeline": ("Rows a second and rows in flight over time", draw_timeline),
    "distributions": ("Cumulative distribution of each phase's latency, by transport", draw_distributions),
    "percentiles": (
        "Percentiles of the total latency on a logarithmic scale, by transport",
        draw_percentiles,
    ),
    "sizes": ("Total latency by payload size and transport", draw_sizes),
    "waterfall": ("Phases of the median row and of the slowest row", draw_waterfall),
}


def figures(report: Report) -> dict[str, str]:
    """Return every figure that the report has something for, by name, as SVG elements."""
    drawn: dict[str, str] = {}
    for name, (label, draw) in _FIGURES.items():
        settings: Any = RC | {"svg.hashsalt": name}  # equal reports are equal bytes
        with mpl.rc_context(settings):
            figure = draw(report)
            if figure is not None:
                if report.simulated:  # a figure is cut out and pasted elsewhere, without the page's note
                    figure.text(0.998, 0.995, "simulated", ha="right", va="top", color=STANDINS["muted"])
                note = " (simulated)" if report.simulated else ""
                drawn[name] = themed(_svg(figure), name=f"figure-{name}", label=escape(label + note))
    return drawn


def _svg(figure: Figure) -> str:
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None})
    return buffer.getvalue()
