"""Finds why the slowest hundredth of the rows is slow: the phase in which it spends the time that others do not."""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from fanout.analysis.outputs import Outputs
from fanout.analysis.quantiles import ordered, quantile
from fanout.report.latency import PHASES, phase_column

ROWS_MIN = 100  # of fewer, the slowest hundredth is the slowest row
OTHER = "between the phases"
"""Time in no phase: a result that is known and waits for its turn to be fetched, and differences of two clocks."""


@dataclass(frozen=True, slots=True)
class Tail:
    """The rows at and beyond the p99 of the total latency, against all others.

    Attributes:
        rows: How many there are.
        from_ms: The p99.
        excess_ms: By how much longer they take, on average.
        by_phase: Of that, what each phase took more, in milliseconds, the greatest first; `OTHER` among them.
    """

    rows: int
    from_ms: float
    excess_ms: float
    by_phase: tuple[tuple[str, float], ...]

    @property
    def worst(self) -> tuple[str, float]:
        """The phase that makes the most of the excess, and its share of it, 0 to 1."""
        phase, more_ms = self.by_phase[0]
        return phase, min(1.0, more_ms / self.excess_ms)


def tail(outputs: Outputs) -> Tail | None:
    """Return where the slowest hundredth spends its time; None if rows are few, or all take equally long."""
    good = pc.field("status") == "succeeded"
    counting = outputs.latencies(["status", "attempts"])
    chosen = pc.fill_null(pc.equal(counting["status"], "succeeded"), fill_value=False)
    again = pc.fill_null(pc.greater(counting["attempts"], 1), fill_value=False)
    totals = outputs.latencies(["total_ms"], where=good)["total_ms"]
    values = ordered(totals)
    if len(values) < ROWS_MIN:
        return None
    from_ms = quantile(values, 0.99)
    slow = pc.fill_null(pc.greater_equal(totals, from_ms), fill_value=False)
    excess_ms = _more(totals, slow)
    if excess_ms <= 0:
        return None
    found = [
        (phase, _more(phase_column(outputs, phase, again=again).filter(chosen), slow))
        for phase in PHASES
        if phase != "total"
    ]
    found.append((OTHER, excess_ms - sum(more for _, more in found)))
    found.sort(key=lambda each: -each[1])
    return Tail(pc.sum(slow).as_py(), from_ms, excess_ms, tuple(found))


def _more(column: pa.ChunkedArray, slow: pa.ChunkedArray) -> float:
    """Return by how much the mean of the slow rows is above that of the others; a row without the phase has 0 of it."""
    filled = pc.fill_null(column, 0.0)
    one, other = pc.mean(filled.filter(slow)).as_py(), pc.mean(filled.filter(pc.invert(slow))).as_py()
    return float(one or 0.0) - float(other or 0.0)
