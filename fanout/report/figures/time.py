"""Draws the figures of time: how a run and its latency went on, and where the milliseconds of single rows went."""

from __future__ import annotations

from collections.abc import Iterator

from fanout.analysis.units import size_text
from fanout.report.document import Report
from fanout.report.figures.figure import Figure, told
from fanout.report.figures.theme import Spec, at_least, colour, milliseconds, sheet
from fanout.report.table import NAMES
from fanout.report.timeline import Timeline
from fanout.report.waterfall import Bar

_PERCENTILES = {"p99": ("upload", [2, 2]), "p90": ("muted", [6, 3]), "p50": ("inline", [1, 0])}


_TEXTS = {
    "in": ("middle", "center", 0, "paper"), "after": ("to", "left", 4, "ink"), "before": ("from", "right", -4, "ink"),
}  # fmt: skip
"""Where the length of a bar is written: at which of its fields, aligned how, moved how far, in which colour."""


def draw_timeline(report: Report) -> Iterator[Figure]:
    """Rows a second, and rows in flight, over time."""
    line = report.timeline
    if line is None:
        return
    unit_s, unit = _unit(line)
    values = [
        {
            "series": series,
            "t": round(place * line.step_s / unit_s, 5),
            "rows": round(number / line.step_s, 3),
        }
        for series, counts in (("sent", line.sent), ("ended", line.ended))
        for place, number in enumerate((*counts, counts[-1]))
    ]
    x: Spec = {
        "field": "t", "type": "quantitative", "axis": _across(unit),
        "scale": {"domain": [0, round(line.seconds / unit_s, 5) or 1], "nice": False},
    }  # fmt: skip
    series = {
        "color": {
            "field": "series", "type": "nominal",
            "scale": {"domain": ["sent", "ended"], "range": [colour("muted"), colour("inline")]},
        },
        "strokeDash": {
            "field": "series", "type": "nominal", "scale": {"domain": ["sent", "ended"], "range": [[4, 3], [1, 0]]},
        },
    }  # fmt: skip
    rate: Spec = {
        "data": {"values": values},
        "mark": {"type": "line", "interpolate": "step-after", "strokeWidth": 1.8, "clip": True},
        "encoding": {
            "x": x, "y": {"field": "rows", "type": "quantitative", "axis": {"title": "rows a second"}}, **series,
        },
    }  # fmt: skip
    yield Figure(
        name="rate", section="time", title="Rows a second", label="Rows sent and rows ended a second, over time",
        hover={"series": "rows that", "t": unit, "rows": "a second"}, spec=sheet([rate], height=190),
    )  # fmt: skip
    held = [
        {"t": round(place * line.step_s / unit_s, 5), "rows": number}
        for place, number in enumerate((*line.in_flight, line.in_flight[-1]))
    ]
    flight: Spec = {
        "data": {"values": held},
        "mark": {
            "type": "area", "interpolate": "step-after", "color": colour("inline"), "fillOpacity": 0.25, "clip": True,
            "line": {"color": colour("inline"), "strokeWidth": 1.5},
        },
        "encoding": {"x": x, "y": {"field": "rows", "type": "quantitative", "axis": {"title": "rows in flight"}}},
    }  # fmt: skip
    yield Figure(
        name="flight", section="time", title="Rows in flight: sent, and not ended", spec=sheet([flight], height=140),
        label="Rows in flight over time", hover={"t": unit, "rows": "rows in flight"},
    )  # fmt: skip


def draw_over_time(report: Report) -> Iterator[Figure]:
    """Percentiles of the whole latency by when rows were due."""
    found, line = report.over_time, report.timeline
    if found is None or line is None or len(found.steps) < 2:
        return
    unit_s, unit = _unit(line)
    values = [
        {
            "series": name,
            "t": round(step.from_s / unit_s, 5),
            "ms": at_least(getattr(step, name)),
            "n": step.n,
        }
        for step in found.steps
        for name in _PERCENTILES
    ]
    names = list(_PERCENTILES)
    layer: Spec = {
        "data": {"values": values},
        "mark": {"type": "line", "interpolate": "step-after", "strokeWidth": 1.8, "clip": True},
        "encoding": {
            "x": {
                "field": "t", "type": "quantitative",
                "axis": _across(unit),
                "scale": {"domain": [0, round(line.seconds / unit_s, 5) or 1], "nice": False},
            },
            "y": milliseconds("ms"),
            "color": {
                "field": "series", "type": "nominal",
                "scale": {"domain": names, "range": [colour(_PERCENTILES[name][0]) for name in names]},
            },
            "strokeDash": {
                "field": "series", "type": "nominal",
                "scale": {"domain": names, "range": [_PERCENTILES[name][1] for name in names]},
            },
        },
    }  # fmt: skip
    yield Figure(
        name="over-time", section="time", title="Total latency, by when rows were due",
        label="Median, p90 and p99 of the total latency over time", spec=sheet([layer], height=220),
        caption="A cold start is high at the left; a drift rises or falls along the run.",
        hover={"series": "percentile", "t": unit, "ms": "milliseconds", "n": "rows"},
    )  # fmt: skip


def draw_waterfall(report: Report) -> Iterator[Figure]:
    """The phases of single rows, one figure a row."""
    for place, row in enumerate(report.waterfalls):
        phases = list(dict.fromkeys(bar.phase for bar in row.bars))
        values = [
            {
                "phase": bar.phase, "from": round(bar.from_ms, 3), "to": round(bar.to_ms, 3),
                "ms": round(bar.to_ms - bar.from_ms, 3), "text": f"{bar.to_ms - bar.from_ms:,.1f}",
                "side": _side(bar, row.total_ms), "middle": round((bar.from_ms + bar.to_ms) / 2, 3),
            }
            for bar in row.bars
        ]  # fmt: skip
        y: Spec = {
            "field": "phase", "type": "nominal", "sort": phases, "axis": {"title": None, "grid": False, "ticks": False},
        }  # fmt: skip
        x: Spec = {
            "field": "from",
            "type": "quantitative",
            "axis": {"title": "milliseconds since the row was due"},
        }
        tip = told({"phase": "phase", "from": "from", "to": "to", "ms": "milliseconds"})
        bars: Spec = {
            "mark": {"type": "bar", "height": {"band": 0.7}, "minBandSize": 2},
            "encoding": {
                "x": x, "x2": {"field": "to"}, "y": y,
                "color": {
                    "field": "phase", "type": "nominal", "legend": None,
                    "scale": {"domain": phases, "range": [colour(phase) for phase in phases]},
                },
                "tooltip": tip,
            },
        }  # fmt: skip
        layers = [bars]
        for side, (field, align, shift, ink) in _TEXTS.items():
            if any(each["side"] == side for each in values):
                layers.append(
                    {
                        "transform": [{"filter": f"datum.side == '{side}'"}],
                        "mark": {"type": "text", "align": align, "dx": shift, "color": colour(ink)},
                        "encoding": {
                            "x": {"field": field, "type": "quantitative"}, "y": y, "text": {"field": "text"},
                            "tooltip": tip,
                        },
                    }
                )  # fmt: skip
        size = size_text(row.payload_bytes)
        yield Figure(
            name=f"waterfall-{place}", section="waterfall", zooms=False, small=True,
            title=f"The {row.which} row {NAMES[row.way]}: {row.total_ms:,.1f} ms (row {row.row:,}, {size})",
            label=f"Phases of the {row.which} row {NAMES[row.way]}, in milliseconds since it was due",
            spec=sheet(layers, height=30 * len(phases), data={"values": values}),
        )  # fmt: skip


def _side(bar: Bar, total_ms: float) -> str:
    """Return where the length of a bar is written: in one that is long, before one that ends late, else behind it."""
    if bar.to_ms - bar.from_ms > 0.35 * total_ms:
        return "in"
    return "after" if bar.to_ms < 0.85 * total_ms else "before"


def _across(unit: str) -> Spec:
    """Return the axis of time, with as many ticks as there is room for their labels."""
    return {
        "title": f"{unit} since the first row was due",
        "grid": False,
        "tickCount": {"expr": "ceil(width / 90)"},
    }


def _unit(line: Timeline) -> tuple[int, str]:
    """Return the unit in which a run's time is told, in seconds, and its name."""
    units = ((3600, "hours"), (60, "minutes"), (1, "seconds"))
    return next((unit_s, name) for unit_s, name in units if line.seconds >= 3 * unit_s or unit_s == 1)
