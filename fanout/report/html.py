"""Writes the report as one HTML file without outside references: tables and inline SVG, no script, light, dark, paper.

It takes a `Report` and returns text. Every string that comes from a file is escaped.
"""

from __future__ import annotations

from html import escape
from importlib.resources import files

from fanout._version import __version__
from fanout.report import tables
from fanout.report.document import Report
from fanout.report.figures.svg import figures
from fanout.report.tables import Table
from fanout.text import escape as shown

_WAYS = {"inline": "inline", "S3": "s3", "S3, there before": "existing"}


def html(report: Report) -> str:
    """Return the page."""
    drawn = figures(report)
    comparison = report.experiment.comparison if report.experiment else None
    withheld = report.experiment is not None and comparison is None
    if withheld:  # the client's own waiting, drawn, would be read as the service's
        drawn = {name: svg for name, svg in drawn.items() if name == "timeline"}
    sections = [_experiment(report, drawn), _happened(report), _time(drawn)]
    if not withheld:
        sections.append(_latency(report, drawn))
    sections += [
        _section("cost", "Cost", _table(tables.costs(report))),
        _section("files", "Files", _table(tables.files(report))),
    ]
    title = "fanout report" + (" (simulated)" if report.simulated else "")
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>{title}</title>
<style>
{_css()}</style>
</head>
<body>
{_header(report, title)}
{"".join(sections)}
<footer>Made by fanout {__version__} from the output alone. Durations: from when a row was due, on the clock of the
machine that ran fanout; service on SageMaker's.</footer>
</body>
</html>
"""


def _header(report: Report, title: str) -> str:
    names = ", ".join(f"<code>{escape(shown(file.path))}</code>" for file in report.files[:5])
    more = f" and {len(report.files) - 5} more" if len(report.files) > 5 else ""
    notes = "".join(f'<p class="note">{escape(note)}</p>' for note in tables.notes(report))
    cells = "".join(
        f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>" for name, value in tables.tiles(report)
    )
    return f'<header><h1>{title}</h1><p class="muted">{names}{more}</p>{notes}<dl class="tiles">{cells}</dl></header>'


def _experiment(report: Report, drawn: dict[str, str]) -> str:
    comparison = report.experiment.comparison if report.experiment else None
    if comparison is None:
        return ""
    answer = str(comparison.crossing)
    body = [
        f'<p class="answer">{escape(answer[:1].upper() + answer[1:])}.</p>',
        f"<p>{escape(tables.saved_text(report) or '')}</p>",
        _figure(
            drawn,
            "differences",
            "Right of zero, inline is faster. Grey: the interval holds zero, so the pairs cannot tell.",
        ),
        _table(tables.pairs_by_size(report)),
        _table(tables.pairs_by_phase(report, comparison.everything)),
    ]
    by_size = "".join(_table(tables.pairs_by_phase(report, group)) for group in comparison.groups)
    body.append(f"<details><summary>Every phase, size by size</summary>{by_size}</details>")
    return _section("experiment", "Inline against S3, pair by pair", "".join(body))


def _happened(report: Report) -> str:
    return _section(
        "outcomes", "What happened", _table(tables.outcomes(report)) + _table(tables.errors(report))
    )


def _time(drawn: dict[str, str]) -> str:
    return _section("time", "Over time", _figure(drawn, "timeline", "")) if "timeline" in drawn else ""


def _latency(report: Report, drawn: dict[str, str]) -> str:
    shown = [
        _table(tables.latencies(report)),
        _figure(drawn, "distributions", "Share of rows that took at most so long."),
        _figure(drawn, "percentiles", ""),
        _figure(drawn, "sizes", ""),
        _figure(
            drawn,
            "waterfall",
            "Where the milliseconds of single rows went. Gaps are waiting between two steps in this client.",
        ),
    ]
    return _section("latency", "Latency", "".join(shown)) if report.spreads else ""


def _section(name: str, title: str, body: str) -> str:
    return f'<section id="{name}"><h2>{title}</h2>{body}</section>\n'


def _figure(drawn: dict[str, str], name: str, caption: str) -> str:
    if name not in drawn:
        return ""
    text = f"<figcaption>{escape(caption)}</figcaption>" if caption else ""
    return f"<figure>{drawn[name]}{text}</figure>\n"


def _table(table: Table | None) -> str:
    if table is None:
        return ""
    head = "".join(_cell("th", place, text, table) for place, text in enumerate(table.head))
    rows = "".join(
        f"<tr>{''.join(_cell('td', place, text, table) for place, text in enumerate(row))}</tr>"
        for row in table.rows
    )
    caption = f"<caption>{escape(table.title)}</caption>"
    return f'<div class="scroll"><table>{caption}<thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>\n'


def _cell(tag: str, place: int, text: str, table: Table) -> str:
    kinds = ["t"] if place in table.left else []
    if tag == "td" and text in _WAYS:
        kinds.append(_WAYS[text])
    if table.head[place] in {"example", "file"}:
        kinds = ["wrap"]
    attribute = f' class="{" ".join(kinds)}"' if kinds else ""
    return f"<{tag}{attribute}>{escape(text)}</{tag}>"


def _css() -> str:
    return files("fanout.report").joinpath("page.css").read_text(encoding="utf-8")
