"""Draws every figure that a `Report` has data for: as pictures that need no script, and as data for one that lives.

vl-convert draws Vega-Lite as SVG in this process, without a browser, and brings the same library for the page.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from html import escape

import vl_convert

from fanout.report.document import Report
from fanout.report.figures.figure import Figure
from fanout.report.figures.latency import draw_compared, draw_distributions, draw_percentiles, draw_sizes
from fanout.report.figures.pairs import draw_differences
from fanout.report.figures.theme import Spec
from fanout.report.figures.time import draw_over_time, draw_timeline, draw_waterfall

WIDE, NARROW, SMALL = 900, 328, 440
"""Widths of the pictures in pixels: of the page's column, of a telephone, and of one of several side by side."""

_DRAW: tuple[Callable[[Report], Iterator[Figure]], ...] = (
    draw_differences, draw_compared, draw_timeline, draw_over_time, draw_percentiles, draw_distributions,
    draw_waterfall, draw_sizes,
)  # fmt: skip
_TOLD_WITHHELD = {"time"}
"""Sections whose figures say nothing of the service: drawn, the client's own waiting would be read as the service's."""
_IDS = re.compile(r'\bid="([^"]+)"')
_NAMED = re.compile(r'(\bid="|url\(#|href="#)([^")]+)')
_OUTER = re.compile(r"<svg[^>]*>")


@dataclass(frozen=True, slots=True)
class Drawn:
    """A figure and its pictures, SVG elements of the page; `narrow` is None for one that fits everywhere."""

    figure: Figure
    wide: str
    narrow: str | None


def drawings(report: Report) -> list[Drawn]:
    """Return every figure that the report has something for."""
    found = []
    for draw in _DRAW:
        for figure in draw(report):
            if report.withheld and (figure.section not in _TOLD_WITHHELD or figure.name == "over-time"):
                continue
            label = f"{figure.label} (simulated)" if report.simulated else figure.label
            narrow = None if figure.small else _picture(figure, NARROW, label=label, suffix="-narrow")
            found.append(
                Drawn(figure, _picture(figure, SMALL if figure.small else WIDE, label=label), narrow)
            )
    return found


@cache  # a second of CPU, the same for each page of a process
def library() -> str:
    """Return the script that draws Vega-Lite in a page, as a global `vegaEmbed`."""
    return str(vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;"))


def _picture(figure: Figure, width: int, *, label: str, suffix: str = "") -> str:
    spec: Spec = figure.still(width)
    return _element(
        vl_convert.vegalite_to_svg(spec), name=f"picture-{figure.name}{suffix}", label=escape(label)
    )


def _element(svg: str, *, name: str, label: str) -> str:
    """Return an SVG as an element of the page: own ids, a label, and a width that follows the page's.

    Args:
        svg: What vl-convert wrote.
        name: Unique on the page.
        label: What a screen reader says of it, escaped.
    """
    numbers = {each: str(place) for place, each in enumerate(dict.fromkeys(_IDS.findall(svg)))}
    # Vega counts its clips on from picture to picture: equal reports are to be equal bytes.
    body = _NAMED.sub(
        lambda found: f"{found[1]}{name}-{numbers[found[2]]}", svg.replace("xlink:href", "href")
    )
    box = re.search(r'viewBox="[^"]*"', body)
    assert box is not None, "Vega always writes a viewBox"
    return _OUTER.sub(f'<svg id="{name}" role="img" aria-label="{label}" {box[0]}>', body, count=1)
