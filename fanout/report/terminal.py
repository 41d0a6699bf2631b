"""Prints lines and tables that a terminal takes for nothing but text, whatever a model, a file or a topic wrote.

It is the one edge of every face that draws with rich: the summary of a run, reports, experiments.
"""

from __future__ import annotations

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from fanout.text import escape


def say(console: Console, text: str) -> None:
    """Print a line, without styles and without wrapping."""
    console.print(escape(text), highlight=False, markup=False, soft_wrap=True)


def grid() -> Table:
    """Return an empty table in the style of all of ours."""
    return Table(box=box.SIMPLE, pad_edge=False)


def add_row(table: Table, *cells: str) -> None:
    """Add a row of texts, which are no markup either."""
    table.add_row(*(Text(escape(cell)) for cell in cells))
