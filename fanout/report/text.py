"""Prints the report on a terminal."""

from __future__ import annotations

from rich.console import Console

from fanout.report import tables
from fanout.report.document import Report
from fanout.report.tables import Table
from fanout.report.terminal import add_row, grid, say


def print_report(report: Report, console: Console) -> None:
    """Print the report on `console`."""
    for note in tables.notes(report):
        say(console, note)
    say(console, " · ".join(f"{name} {value}" for name, value in tables.tiles(report)))
    comparison = report.experiment.comparison if report.experiment else None
    if comparison is not None:
        say(console, f"{comparison.crossing}.")
        say(console, tables.saved_text(report) or "")
        _print(tables.pairs_by_size(report), console)
        _print(tables.pairs_by_phase(report, comparison.everything), console)
    _print(tables.outcomes(report), console)
    _print(tables.errors(report), console)
    if report.experiment is None:
        _print(tables.latencies(report), console)
    _print(tables.costs(report), console)
    _print(tables.files(report), console)


def _print(table: Table | None, console: Console) -> None:
    if table is None:
        return
    drawn = grid()
    for place, name in enumerate(table.head):
        left = place in table.left
        drawn.add_column(name, justify="left" if left else "right", overflow="fold")
    for row in table.rows:
        add_row(drawn, *row)
    say(console, table.title)
    console.print(drawn)
