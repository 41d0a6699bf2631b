"""The report as text, Markdown and HTML: what stands in it, and that nothing of a file is taken for markup."""

from __future__ import annotations

import io
import re

import pytest
from rich.console import Console

from fanout.domain.prices import Prices
from fanout.report.document import report_of
from fanout.report.figures.theme import STANDINS
from fanout.report.html import html
from fanout.report.markdown import markdown
from fanout.report.tables import latencies, tiles
from fanout.report.text import print_report

from .conftest import outcome, writer

EVIL = "<script>alert(1)</script> | `x` [link](http://example.com)"


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    rows = [outcome(row, total_ms=100 + row) for row in range(30)]
    rows += [outcome(row, way="s3", total_ms=300) for row in range(30, 40)]
    rows[3] = outcome(3, status="failed", error_code="Model<Error>", error_message=EVIL, fetched_at=None)
    return report_of([writer(tmp_path_factory.mktemp("report"))(rows, simulated="true")], Prices())


@pytest.fixture(scope="module")
def page(report):
    return html(report)


def test_the_page_is_whole_and_asks_for_nothing(page):
    assert page.startswith("<!DOCTYPE html>")
    assert not re.search(r'(?:src|href)="(?!#)', page)
    assert not re.search(r"@import|url\((?!#)", page)
    assert "<script" not in page
    assert "http" not in page.replace("http-equiv", "").replace(EVIL, "").replace("http://example.com", "")
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "secret" not in page, "no response is ever in a report"
    ids = re.findall(r'\bid="([^"]+)"', page)
    assert len(ids) == len(set(ids)), "figures do not share names"
    for figure in ("timeline", "distributions", "percentiles", "sizes", "waterfall"):
        assert f'id="figure-{figure}"' in page


def test_every_colour_of_a_figure_is_the_pages(page):
    drawn = "".join(re.findall(r"<svg.*?</svg>", page, re.DOTALL))
    assert not re.search(r"#[0-9a-f]{6}\b", drawn)
    css = page[: page.index("</style>")]
    names = set(re.findall(r"var\(--([a-z0-9]+)\)", drawn))
    assert {"ink", "muted", "inline", "s3"} <= names <= set(STANDINS) | {"sans"}
    for name in names:
        assert f"--{name}: " in css


def test_equal_reports_are_equal_bytes(report, page):
    assert html(report) == page


def test_simulated_is_said_everywhere(report, page):
    assert "<title>fanout report (simulated)</title>" in page
    assert page.count('text-anchor: end; fill: var(--muted)" ') >= 1
    figures = re.findall(r"<svg.*?</svg>", page, re.DOTALL)
    assert all(">simulated<" in figure and '(simulated)"' in figure for figure in figures)
    assert markdown(report).startswith("# fanout report (simulated)\n\n> Simulated:")
    assert latencies(report).title.endswith("(simulated)")


def test_markdown_stays_a_table_whatever_a_row_says(report):
    text = markdown(report)
    line = next(line for line in text.splitlines() if "Model" in line)
    assert len(re.findall(r"(?<!\\)\|", line)) == 5, "four cells"
    assert "\\<script\\>" in line
    assert "| inline | 30 |" in text


def test_text_has_the_tiles_and_the_tables(report):
    buffer = io.StringIO()
    print_report(report, Console(file=buffer, width=120))
    text = buffer.getvalue()
    assert "rows 40 · succeeded 39 · not succeeded 1 · duration" in text
    assert "throttled 7" in text
    assert re.search(r"total +inline +30 +114\.5 ", text), text
    assert ("rows", "40") in tiles(report)
