"""Prints the report on a terminal."""

from __future__ import annotations

from rich.console import Console

from fanout.report import tables
from fanout.report.document import Report
from fanout.report.sections import sections
from fanout.report.terminal import draw, say


def print_report(report: Report, console: Console) -> None:
    """Print the report on `console`."""
    for note in tables.notes(report):
        say(console, note)
    say(console, " · ".join(f"{name} {value}" for name, value in tables.tiles(report)))
    for section in sections(report):
        if not (section.lines or section.tables or section.points):
            continue
        say(console, "")
        say(console, section.title.upper())
        for line in section.lines:
            say(console, line)
        for table in section.tables:
            draw(console, table)
        for place, point in enumerate(section.points):
            say(console, point if place == 0 else f"- {point}")
