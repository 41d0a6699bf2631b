"""Prints the report on a terminal."""

from __future__ import annotations

from rich import box
from rich.console import Console
from rich.table import Table as RichTable

from fanout.report import tables
from fanout.report.document import Report
from fanout.report.tables import Table


def print_report(report: Report, console: Console) -> None:
    """Print the report on `console`."""
    for note in tables.notes(report):
        _say(console, note)
    _say(console, " · ".join(f"{name} {value}" for name, value in tables.tiles(report)))
    comparison = report.experiment.comparison if report.experiment else None
    if comparison is not None:
        _say(console, f"{comparison.crossing}.")
        _say(console, tables.saved_text(report) or "")
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
    drawn = RichTable(box=box.SIMPLE, pad_edge=False)
    for place, name in enumerate(table.head):
        left = place in table.left
        drawn.add_column(name, justify="left" if left else "right", overflow="fold")
    for row in table.rows:
        drawn.add_row(*(cell.replace("[", "\\[") for cell in row))
    _say(console, table.title)
    console.print(drawn)


def _say(console: Console, text: str) -> None:
    console.print(text, highlight=False, markup=False, soft_wrap=True)
