"""A figure as an element of the page."""

from __future__ import annotations

from fanout.report.figures.theme import themed


def test_themed_leaves_no_prolog_no_style_and_no_foreign_id():
    svg = '<?xml?><!DOCTYPE svg><svg width="1" viewBox="0 0 1 1"><metadata>x</metadata><style>*{}</style>'
    svg += '<g id="a" style="fill: #010101; font-family: \'X\', sans"/><use xlink:href="#a"/></svg>'
    assert themed(svg, name="n", label="l") == (
        '<svg id="n" role="img" aria-label="l" viewBox="0 0 1 1">'
        '<g id="n-a" style="fill: var(--ink); font-family: var(--sans)"/><use href="#n-a"/></svg>'
    )
