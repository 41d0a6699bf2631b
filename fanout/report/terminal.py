"""Prints lines and tables that a terminal takes for nothing but text, whatever a model, a file or a topic wrote.

It is the one edge of every face that draws with rich: the summary of a run, reports, experiments.
"""

from __future__ import annotations

from collections.abc import Sequence

from rich import box, table
from rich.cells import cell_len
from rich.console import Console
from rich.measure import Measurement
from rich.text import Text

from fanout.report.table import Table
from fanout.text import escape

_ANY_WIDTH = 100_000  # columns: more than any table takes
_SENTENCE_MIN = 24  # columns, in which a sentence can still be read


def say(console: Console, text: str) -> None:
    """Print a line, without styles and without wrapping."""
    console.print(escape(text), highlight=False, markup=False, soft_wrap=True)


def draw(console: Console, content: Table) -> None:
    """Print a table below its title.

    Where it is wider than the console, its columns are printed in several tables, one below the other, each of which
    repeats what names its rows; where even those are too wide, a line a cell. No number is cut, no heading broken.
    """
    if content.title:
        say(console, content.title)
    parts = _parts(console, content)
    if not all(_fits(console, content, places) for places in parts):
        _list(console, content)
        return
    for places in parts:
        console.print(_drawn(content, places))


def _list(console: Console, content: Table) -> None:
    """Print a line for each cell, below the first one of its row."""
    for name, *cells in content.rows:
        say(console, name)
        for head, cell in zip(content.head[1:], cells, strict=True):
            if cell:
                say(console, f"  {head}: {cell}" if head else f"  {cell}")


def _parts(console: Console, content: Table) -> list[list[int]]:
    """Return which columns stand in which table."""
    everything = list(range(len(content.head)))
    if _fits(console, content, everything):
        return [everything]
    names = [0, 1] if {0, 1} <= content.left - content.wrapped and len(everything) > 2 else [0]
    parts: list[list[int]] = [[*names]]
    for place in everything[len(names) :]:
        if len(parts[-1]) > len(names) and not _fits(console, content, [*parts[-1], place]):
            parts.append([*names])
        parts[-1].append(place)
    return parts


def _fits(console: Console, content: Table, places: Sequence[int]) -> bool:
    options = console.options.update(max_width=_ANY_WIDTH)
    return Measurement.get(console, options, _drawn(content, places)).minimum <= console.width


def _drawn(content: Table, places: Sequence[int]) -> table.Table:
    """Return some columns of a table as rich draws them; only sentences and paths break into lines."""
    drawn = table.Table(box=box.SIMPLE, pad_edge=False, show_header=any(content.head))
    for place in places:
        wrapped = place in content.wrapped
        longest = max(cell_len(row[place]) for row in (content.head, *content.rows))
        drawn.add_column(
            content.head[place],
            justify="left" if place in content.left else "right",
            overflow="fold",
            no_wrap=not wrapped,
            min_width=min(longest, _SENTENCE_MIN) if wrapped else longest,
        )
    for row in content.rows:
        drawn.add_row(*(Text(row[place]) for place in places))
    return drawn
