"""Draws the figures of an experiment: what inline saves, with its interval, by payload and by phase."""

from __future__ import annotations

from collections.abc import Iterator

from fanout.analysis.quantiles import Interval
from fanout.report.document import Report
from fanout.report.figures.figure import Figure, told
from fanout.report.figures.theme import Spec, colour, sheet


def draw_differences(report: Report) -> Iterator[Figure]:
    """The medians of the paired differences, with their intervals."""
    comparison = report.experiment.comparison if report.experiment else None
    if comparison is None:
        return
    by_size = [
        (group.label, group.phases["total"].difference if group.is_told else None)
        for group in (*comparison.groups, comparison.everything)
    ]
    by_phase = [
        (phase, result.difference) for phase, result in comparison.everything.phases.items() if phase != "raw"
    ]
    for name, title, lines in (
        ("differences-size", "Saved by inline, by payload: whole latency", by_size),
        ("differences-phase", "Saved by inline, by phase: all payloads", by_phase),
    ):
        known = [(label, found) for label, found in lines if found is not None]
        if known:
            yield Figure(
                name=name, section="experiment", title=title, zooms=False, small=True, spec=_spec(known),
                label=f"{title}: paired differences, S3 minus inline, in milliseconds, with 95 % intervals",
                caption="Right of zero, inline is faster. Grey: the interval holds zero, so the pairs cannot tell.",
            )  # fmt: skip


def _spec(known: list[tuple[str, Interval]]) -> Spec:
    values = [
        {
            "label": label, "median": round(found.median, 3), "low": round(found.low, 3), "high": round(found.high, 3),
            "n": found.n, "sign": "not told" if not found.excludes_zero else "inline" if found.median > 0 else "S3",
        }
        for label, found in known
    ]  # fmt: skip
    labels = [label for label, _ in known]
    y: Spec = {"field": "label", "type": "nominal", "sort": labels, "axis": {"title": None, "grid": False}}
    x: Spec = {"field": "median", "type": "quantitative", "axis": {"title": "milliseconds saved by inline"}}
    sign: Spec = {
        "field": "sign", "type": "nominal", "legend": None,
        "scale": {"domain": ["inline", "S3", "not told"], "range": [colour("inline"), colour("s3"), colour("muted")]},
    }  # fmt: skip
    tip = told({"label": "of", "n": "pairs", "median": "median", "low": "from", "high": "to"})
    layers: list[Spec] = [
        {
            "data": {"values": [{"zero": 0}]},
            "mark": "rule",
            "encoding": {"x": {"field": "zero", "type": "quantitative"}},
        },
        {
            "mark": {"type": "rule", "strokeWidth": 3},
            "encoding": {"x": {**x, "field": "low"}, "x2": {"field": "high"}, "y": y, "color": sign},
        },
        {
            "mark": {"type": "point", "filled": True, "size": 70, "opacity": 1},
            "encoding": {"x": x, "y": y, "color": sign, "tooltip": tip},
        },
    ]  # fmt: skip
    return sheet(layers, height=26 * len(known), data={"values": values})
