"""Draws the figures of latency: by phase, by percentile, by payload."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from fanout.analysis.units import size_text
from fanout.report.document import Report
from fanout.report.figures.figure import Figure, told
from fanout.report.figures.theme import SHAPES, Spec, at_least, by_way, colour, milliseconds, sheet
from fanout.report.latency import Spread, shares
from fanout.report.table import NAMES
from fanout.report.wording import ms as ms_text

_NINES = (0.5, 0.9, 0.99, 0.999, 0.9999, 0.99999)
_HOVER = {"way": "transport", "share": "percentile", "ms": "milliseconds"}


def draw_distributions(report: Report) -> Iterator[Figure]:
    """The share of rows that took at most so long, one figure a phase."""
    for phase in report.phases:
        found = [each for each in report.spreads if each.phase == phase]
        ways = [each.way for each in found]
        values = [
            {"way": NAMES[each.way], "ms": at_least(ms), "share": round(100 * share, 4)}
            for each in found
            for share, ms in zip(shares(each.n), each.curve, strict=True)
        ]
        line: Spec = {
            "data": {"values": values},
            "mark": {"type": "line", "interpolate": "step-after", "strokeWidth": 2},
            "encoding": {
                "x": milliseconds("ms", grid=False),
                "y": {
                    "field": "share",
                    "type": "quantitative",
                    "axis": {"title": "% of rows", "tickCount": 5},
                    "scale": {"domain": [0, 100]},
                },
                **by_way(ways, legend=len(report.ways) > 1),
            },
        }
        yield Figure(
            name=f"distribution-{phase}", section="latency", title=f"Distribution: {phase}",
            spec=sheet([line], height=150),
            label=f"Cumulative distribution of the phase {phase}, in milliseconds, by transport", hover=_HOVER,
            small=True,
        )  # fmt: skip


def draw_percentiles(report: Report) -> Iterator[Figure]:
    """Whole latencies by percentile, the tail spread out."""
    spreads = [each for each in report.spreads if each.phase == "total"]
    if spreads:
        layer = _by_percentile([(NAMES[each.way], each) for each in spreads])
        layer["encoding"] |= by_way([each.way for each in spreads])
        yield Figure(
            name="percentiles", section="latency", title="Total latency, percentile by percentile",
            label="Percentiles of the total latency on a logarithmic scale, by transport",
            caption="The tail is spread out; the last point is the maximum.", hover=_HOVER,
            spec=sheet([layer], height=260),
        )  # fmt: skip


def draw_compared(report: Report) -> Iterator[Figure]:
    """Whole latencies by percentile, of an earlier run and of this one."""
    if report.earlier is None:
        return
    for way in report.ways:
        sides = [
            (name, side.spread("total", way))
            for name, side in (("then", report.earlier.report), ("now", report))
        ]
        found = [(name, spread) for name, spread in sides if spread is not None]
        if len(found) < 2:
            continue
        layer = _by_percentile(found)
        layer["encoding"] |= {
            "color": {
                "field": "way", "type": "nominal",
                "scale": {"domain": ["then", "now"], "range": [colour("muted"), colour(way)]},
            },
            "strokeDash": {
                "field": "way", "type": "nominal", "scale": {"domain": ["then", "now"], "range": [[4, 3], [1, 0]]},
            },
        }  # fmt: skip
        yield Figure(
            name=f"compared-{way}", section="compared", title=f"Total latency then and now, {NAMES[way]}",
            label=f"Percentiles of the total latency {NAMES[way]}, of the earlier run and of this one",
            hover={"way": "run", "share": "percentile", "ms": "milliseconds"}, spec=sheet([layer], height=240),
        )  # fmt: skip


def draw_sizes(report: Report) -> Iterator[Figure]:
    """Whole latencies by payload size."""
    classes = list(dict.fromkeys((each.from_bytes, each.to_bytes) for each in report.sizes))
    if len(classes) < 2:
        return
    names = [size_text(high) if low == high else f"≤ {size_text(high)}" for low, high in classes]
    ways = [way for way in ("inline", "s3") if any(each.way == way for each in report.sizes)]
    values = [
        {
            "label": names[classes.index((each.from_bytes, each.to_bytes))], "way": NAMES[each.way], "n": each.n,
            "p50": at_least(each.p50), "p90": at_least(each.p90), "p99": at_least(each.p99),
            "p999": ms_text(each.p999),  # a text: of too few rows there is none
        }
        for each in report.sizes
    ]  # fmt: skip
    place: Spec = {
        "x": {
            "field": "label", "type": "nominal", "sort": names, "scale": {"domain": names},
            "axis": {"title": "payload", "labelAngle": 0 if len(names) < 5 else -30, "labelOverlap": False},
        },
        "xOffset": {
            "field": "way",
            "type": "nominal",
            "scale": {"domain": [NAMES[way] for way in ways], "paddingOuter": 0.6},
        },
    }  # fmt: skip
    lined = by_way(ways)["color"]
    shaped = {
        "color": lined,
        "shape": {
            "field": "way",
            "type": "nominal",
            "scale": {"domain": [NAMES[way] for way in ways], "range": [SHAPES[way] for way in ways]},
        },
    }
    tip = told(
        {
            "label": "payload",
            "way": "transport",
            "n": "rows",
            "p50": "p50",
            "p90": "p90",
            "p99": "p99",
            "p999": "p99.9",
        }
    )
    y = milliseconds("p50")
    layers: list[Spec] = [
        {
            "mark": {"type": "rule", "strokeWidth": 1.5},
            "encoding": {**place, "y": y, "y2": {"field": "p99"}, "color": lined},
        },
        {
            "mark": {"type": "tick", "thickness": 2, "width": 9, "orient": "horizontal"},
            "encoding": {**place, "y": {**y, "field": "p90"}, "color": lined},
        },
        {
            "mark": {"type": "point", "filled": True, "size": 60, "opacity": 1},
            "encoding": {**place, "y": y, **shaped, "tooltip": tip},
        },
    ]
    yield Figure(
        name="sizes", section="sizes", title="Total latency by payload", zooms=False,
        spec=sheet(layers, height=260, data={"values": values}),
        label="Total latency by payload size and transport",
        caption="Point: median. Bar: p90. The line ends at the p99.",
    )  # fmt: skip


def _by_percentile(series: Sequence[tuple[str, Spread]]) -> Spec:
    values = []
    for name, spread in series:
        points = [(share, ms) for ms, share in zip(spread.curve, shares(spread.n), strict=True) if share < 1]
        points.append((1 - 1 / max(spread.n, 2), spread.max))
        values += [
            {
                "way": name,
                "nines": round(_nines(share), 4),
                "share": round(100 * share, 5),
                "ms": at_least(ms),
            }
            for share, ms in points
        ]
    most = max(spread.n for _, spread in series)
    ticks = [share for share in _NINES if (1 - share) * most >= 1] or [0.5]
    names = "".join(f"datum.value == {_nines(share):.6f} ? 'p{100 * share:.6g}' : " for share in ticks)
    return {
        "data": {"values": values},
        "mark": {"type": "line", "strokeWidth": 2},
        "encoding": {
            "x": {
                "field": "nines", "type": "quantitative",
                "axis": {
                    "title": "percentile", "values": [round(_nines(share), 6) for share in ticks],
                    "labelExpr": f"{names}''", "labelOverlap": False,
                },
            },
            "y": milliseconds("ms"),
        },
    }  # fmt: skip


def _nines(share: float) -> float:
    """Return where a percentile stands: 0 for the minimum, 1 for p90, 2 for p99."""
    return -math.log10(max(1 - share, 1e-12))
