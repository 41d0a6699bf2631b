"""What all figures share: the sheet that they are drawn on, and axes of milliseconds."""

from __future__ import annotations

from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter, NullLocator

WIDTH_IN = 9.2


def sheet(height_in: float) -> Figure:
    """Return an empty sheet of the page's width."""
    return Figure(figsize=(WIDTH_IN, height_in), layout="constrained")


def milliseconds(axes: Axes, name: str) -> None:
    """Make an axis a logarithmic one of milliseconds, with plain numbers at powers of ten, and in between if few."""
    axis: Any = axes.xaxis if name == "x" else axes.yaxis
    (axes.set_xscale if name == "x" else axes.set_yscale)("log")
    low, high = axes.get_xlim() if name == "x" else axes.get_ylim()
    narrow = high / low < 50 if low > 0 else False
    axis.set_major_locator(
        LogLocator(10, subs=(1, 2, 5) if narrow else (1,), numticks=4 if name == "x" else 10)
    )
    axis.set_minor_locator(NullLocator())
    axis.set_minor_formatter(NullFormatter())
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))
