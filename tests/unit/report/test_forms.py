"""The report as text, Markdown and HTML: what stands in it, and that nothing of a file is taken for markup."""

from __future__ import annotations

import io
import re

import pyarrow as pa
import pyarrow.parquet as pq
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

COMMANDS = "\x1b]0;mine\x07\x1b[31m\x9b2J\x7f\u202egnp.exe\u2066\u061c"
"""Sets the title, turns the text red, clears the screen, and shows a name backwards."""
EVIL = f"<script>alert(1)</script> | `x` [link](http://example.com) ~~$x$~~ &lt; {COMMANDS}"


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    rows = [outcome(row, total_ms=100 + row, noticed_by=f"sqs{COMMANDS}") for row in range(30)]
    rows += [outcome(row, way="s3", total_ms=300) for row in range(30, 40)]
    rows[3] = outcome(3, status="failed", error_code="Model<Error>", error_message=EVIL, fetched_at=None)
    facts = {"simulated": "true", "endpoint": f"e{COMMANDS}"}
    directory = tmp_path_factory.mktemp("report")
    pq.write_table(pa.table({"a": [1]}), directory / f"in{COMMANDS}.parquet")
    path = writer(directory)(rows, f"out{COMMANDS}.parquet", **facts)
    assert path.parent == directory
    return report_of([directory], Prices())


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


def shown(report):
    buffer = io.StringIO()
    print_report(report, Console(file=buffer, width=400))
    return buffer.getvalue()


@pytest.mark.parametrize("form", [html, markdown, shown], ids=["html", "markdown", "text"])
def test_no_form_commands_a_terminal_or_turns_a_line(report, form):
    """Of a model's reason, an endpoint, a topic, a name of a file that is in the report, and of one that is not."""
    text = form(report)
    assert {char for char in COMMANDS if not char.isprintable()}.isdisjoint(text)
    assert text.count("x1b[31m") + text.count("x1b\\[31m") >= 5, "it is shown"


def test_a_reason_of_several_lines_is_one_cell(make_output):
    path = make_output(
        [outcome(0, status="failed", error_code="E", error_message="Traceback:\n  line 1\n\nend")]
    )
    assert "row 0: Traceback: line 1 end" in shown(report_of([path], Prices()))
