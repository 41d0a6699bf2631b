"""The report as text, Markdown and HTML: what stands in it, and that nothing of a file is taken for markup."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import re

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from rich.console import Console

from fanout.domain.prices import Prices
from fanout.report.build import report_of
from fanout.report.figures.drawing import drawings, library
from fanout.report.figures.theme import ROLES
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


def without_library(page):
    """The page but for its script: the library of the figures, and ours."""
    return re.sub(r"<script>.*?</script>", "", page, flags=re.DOTALL)


def test_the_page_is_whole_and_asks_for_nothing(page):
    assert page.startswith("<!DOCTYPE html>")
    ours = without_library(page)
    data = re.search(r'<script type="application/json" id="figures">(.*?)</script>', ours, re.DOTALL)
    names = {name.split("/schema/")[0] for name in re.findall(r"https?://[^\"\s<]+", data[1])}
    assert names == {"https://vega.github.io"}, "the name of the figures' language, which is never fetched"
    ours = ours.replace(data[0], "")
    assert not re.search(r'(?:src|href)="(?!#)', ours)
    assert not re.search(r"@import|url\((?!#)", ours)
    assert "<script" not in ours
    assert "http" not in ours.replace("http-equiv", "").replace("http://example.com", "").replace(
        'xmlns="http://www.w3.org/2000/svg"', ""
    )
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "secret" not in ours, "no response is ever in a report"
    ids = re.findall(r'\bid="([^"]+)"', ours)
    assert len(ids) == len(set(ids)), "figures do not share names"
    for figure in ("rate", "over-time", "distribution-total", "percentiles", "sizes", "waterfall-0"):
        assert f'id="figure-{figure}"' in page


def test_the_page_permits_its_own_script_and_nothing_else(page):
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', page)[1].replace("&#39;", "'")
    script = re.search(r"<script>(.*?)</script>", page, re.DOTALL)[1]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}' 'unsafe-eval'" in policy
    assert policy.startswith("default-src 'none'; ")
    assert page.count("<script") == 2, "the data of the figures, and the script"


def test_figures_hold_no_text_of_a_file(report):
    names = [text for each in report.counts.errors for text in (each.code, each.example)]
    for each in drawings(report):
        assert not any(name in json.dumps(each.figure.spec) for name in names)


def test_every_colour_of_a_figure_is_the_pages(page):
    drawn = "".join(re.findall(r"<svg.*?</svg>", without_library(page), re.DOTALL))
    css = page[: page.index("</style>")]
    names = set(re.findall(r"var\(--([a-z0-9]+)\)", drawn))
    assert {"ink", "muted", "inline", "s3"} <= names <= set(ROLES)
    for scheme in css.split("@media")[:3]:
        for name in names:
            assert f"--{name}: " in scheme


def test_equal_reports_are_equal_bytes(report, page):
    library.cache_clear()
    assert html(report) == page


def test_simulated_is_said_everywhere(report, page):
    assert "<title>fanout report (simulated)</title>" in page
    figures = re.findall(r"<figure.*?</figure>", page, re.DOTALL)
    assert all(">simulated<" in figure and '(simulated)"' in figure for figure in figures)
    assert markdown(report).startswith("# fanout report (simulated)\n\n> Simulated:")
    assert latencies(report).title.endswith("(simulated)")


def test_markdown_stays_a_table_whatever_a_row_says(report):
    text = markdown(report)
    line = next(
        line for line in text.splitlines() if "rejected" in line or ("Model" in line and "| failed |" in line)
    )
    assert len(re.findall(r"(?<!\\)\|", line)) == 7, "six cells"
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


@pytest.mark.parametrize("form", [None, markdown, shown], ids=["html", "markdown", "text"])
def test_no_form_commands_a_terminal_or_turns_a_line(report, page, form):
    """Of a model's reason, an endpoint, a topic, a name of a file that is in the report, and of one that is not."""
    text = page if form is None else form(report)
    assert {char for char in COMMANDS if not char.isprintable()}.isdisjoint(text)
    assert text.count("x1b[31m") + text.count("x1b\\[31m") >= 5, "it is shown"


def test_a_reason_of_several_lines_is_one_cell(make_output):
    path = make_output(
        [outcome(0, status="failed", error_code="E", error_message="Traceback:\n  line 1\n\nend")]
    )
    assert "row 0: Traceback: line 1 end" in shown(report_of([path], Prices()))
