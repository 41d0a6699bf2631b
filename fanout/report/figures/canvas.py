"""Makes the sheet that all figures are drawn on, and their axes of milliseconds."""

from __future__ import annotations

import math
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
    axis.set_major_locator(LogLocator(10, subs=_steps(low, high), numticks=4 if name == "x" else 10))
    axis.set_minor_locator(NullLocator())
    axis.set_minor_formatter(NullFormatter())
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))


def _steps(low: float, high: float) -> tuple[int, ...]:
    """Return the multiples of powers of ten that get a tick: more where there are few powers between the limits."""
    if low <= 0:
        return (1,)
    if high / low < 50:
        return (1, 2, 5)
    powers = math.floor(math.log10(high)) - math.ceil(math.log10(low)) + 1
    return (1, 3) if powers < 2 else (1,)
