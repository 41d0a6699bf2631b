"""Sets colours, type and axes of the figures, once for all of them; `page.css` says what each name looks like.

Colours are CSS variables of the page, so that one drawing serves light, dark and print. Dashes and shapes repeat what
colours say, for readers who do not see them and for printers that have none.
"""

from __future__ import annotations

from typing import Any

from fanout.report.table import NAMES

Spec = dict[str, Any]
"""A Vega-Lite specification, or a part of one."""

SCHEMA = "https://vega.github.io/schema/vega-lite/v6.json"
"""The name of the language: it is never fetched."""
ROLES = (
    "ink", "muted", "grid", "paper", "inline", "s3", "existing", "wait", "retry", "upload", "invoke", "service",
    "notify", "fetch",
)  # fmt: skip
"""The colours that the page has."""
WAYS = ("inline", "s3", "existing")
DASHES = {"inline": [1, 0], "s3": [6, 3], "existing": [2, 2]}
SHAPES = {"inline": "circle", "s3": "square", "existing": "triangle-up"}
LEAST_MS = 0.001  # what a logarithmic axis draws of zero, and of less: two clocks differ

CONFIG: Spec = {
    # The figure as a whole has a label; thousands of marks are no text to listen to.
    "aria": False,
    "mark": {"aria": False},
    "background": None,
    "font": "system-ui, sans-serif",
    "view": {"stroke": None},
    "axis": {
        "labelColor": "var(--muted)", "titleColor": "var(--muted)", "titleFontWeight": "normal", "labelFontSize": 12,
        "titleFontSize": 12, "gridColor": "var(--grid)", "domainColor": "var(--muted)", "tickColor": "var(--muted)",
        "labelOverlap": "greedy",
    },
    "legend": {
        "labelColor": "var(--ink)", "titleColor": "var(--muted)", "labelFontSize": 12, "orient": "top", "title": None,
        "symbolStrokeColor": "var(--ink)",
    },
    "text": {"color": "var(--ink)", "fontSize": 12},
    "rule": {"color": "var(--ink)"},
}  # fmt: skip


def colour(role: str) -> str:
    """Return a colour of the page."""
    return f"var(--{role})"


def by_way(ways: list[str], *, legend: bool = True) -> Spec:
    """Return the encodings of a line by transport: its colour and its dashes."""
    names = [NAMES[way] for way in ways]
    shown = {} if legend else {"legend": None}
    return {
        "color": {
            "field": "way",
            "type": "nominal",
            "scale": {"domain": names, "range": [colour(way) for way in ways]},
            **shown,
        },
        "strokeDash": {
            "field": "way",
            "type": "nominal",
            "scale": {"domain": names, "range": [DASHES[way] for way in ways]},
            **shown,
        },
    }


def milliseconds(field: str, title: str = "milliseconds, log scale", *, grid: bool = True) -> Spec:
    """Return the encoding of milliseconds on a logarithmic axis."""
    return {
        "field": field,
        "type": "quantitative",
        "scale": {"type": "log", "nice": grid},  # a curve at the edge of an axis across would be cut
        "axis": {"title": title, "format": ",~r", "tickCount": 5, "grid": grid},
    }


def at_least(value: float) -> float:
    """Return a latency as a logarithmic axis can draw it."""
    return round(max(value, LEAST_MS), 4)


def sheet(layers: list[Spec], *, height: int, **more: Any) -> Spec:
    """Return a figure of these layers; whatever draws it sets its width."""
    return {"$schema": SCHEMA, "height": height, "layer": layers, "config": CONFIG, **more}
