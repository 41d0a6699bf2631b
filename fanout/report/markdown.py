"""Writes the report as Markdown, tables alone: for a pull request, a wiki, a chat."""

from __future__ import annotations

from fanout.report import tables
from fanout.report.document import Report
from fanout.report.tables import Table


def markdown(report: Report) -> str:
    """Return the report as GitHub's Markdown."""
    parts = ["# fanout report" + (" (simulated)" if report.simulated else "")]
    parts += [f"> {_escaped(note)}" for note in tables.notes(report)]
    parts.append("\n".join(f"- {name}: {_escaped(value)}" for name, value in tables.tiles(report)))
    comparison = report.experiment.comparison if report.experiment else None
    if comparison is not None:
        parts += ["## Inline against S3", f"**{comparison.crossing}.**", tables.saved_text(report) or ""]
        parts.append(_table(tables.pairs_by_size(report)))
        parts += [
            _table(tables.pairs_by_phase(report, group))
            for group in (comparison.everything, *comparison.groups)
        ]
    parts += ["## What happened", _table(tables.outcomes(report)), _table(tables.errors(report))]
    withheld = report.experiment is not None and comparison is None
    if not withheld:
        parts += ["## Latency", _table(tables.latencies(report))]
    parts += ["## Cost", _table(tables.costs(report)), "## Files", _table(tables.files(report))]
    return "\n\n".join(part for part in parts if part) + "\n"


def _table(table: Table | None) -> str:
    if table is None:
        return ""
    rule = ("---" if place in table.left else "---:" for place in range(len(table.head)))
    lines = [table.head, tuple(rule), *(tuple(map(_escaped, row)) for row in table.rows)]
    return f"{_escaped(table.title)}\n\n" + "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _escaped(text: str) -> str:
    """Return text that stays text in a table's cell."""
    flat = " ".join(text.split())
    return "".join(f"\\{char}" if char in "\\|*_<>`[]~$&" else char for char in flat)
