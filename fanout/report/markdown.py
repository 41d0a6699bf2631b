"""Writes the report as Markdown, tables alone: for a pull request, a wiki, a chat."""

from __future__ import annotations

from fanout.report import tables
from fanout.report.document import Report
from fanout.report.sections import Section, sections
from fanout.report.table import Table


def markdown(report: Report) -> str:
    """Return the report as GitHub's Markdown."""
    parts = ["# fanout report" + (" (simulated)" if report.simulated else "")]
    parts += [f"> {_escaped(note)}" for note in tables.notes(report)]
    parts.append("\n".join(f"- {name}: {_escaped(value)}" for name, value in tables.tiles(report)))
    for section in sections(report):
        parts += _section(section)
    return "\n\n".join(part for part in parts if part) + "\n"


def _section(section: Section) -> list[str]:
    written = [f"## {section.title}", *map(_escaped, section.lines)]
    written += [_table(table) for table in (*section.tables, *section.more)]
    if section.points:
        written += [
            _escaped(section.points[0]),
            "\n".join(f"- {_escaped(each)}" for each in section.points[1:]),
        ]
    return written if any(written[1:]) else []


def _table(table: Table) -> str:
    rule = ("---" if place in table.left else "---:" for place in range(len(table.head)))
    lines = [table.head, tuple(rule), *(tuple(map(_escaped, row)) for row in table.rows)]
    title = f"{_escaped(table.title)}\n\n" if table.title else ""
    return title + "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _escaped(text: str) -> str:
    """Return text that stays text in a table's cell."""
    flat = " ".join(text.split())
    return "".join(f"\\{char}" if char in "\\|*_<>`[]~$&" else char for char in flat)
