"""Computes how latency went over the run, to tell a cold start and a drift from the rest."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import pyarrow as pa
import pyarrow.compute as pc

from fanout.analysis.outputs import Outputs
from fanout.analysis.quantiles import Interval, change, interval, p999, quantile
from fanout.report.timeline import Timeline

STEPS_MAX = 60  # a step has to hold rows enough for its percentiles to be some
TENTH_MIN = 20  # rows of a tenth: its median's interval then leaves out most of it
RATIO = 1.2
"""From here on, beyond chance, a tenth of the run is told to be slower or faster: less is seen by no one who waits."""


@dataclass(frozen=True, slots=True)
class Step:
    """Rows due from `from_s` on, in seconds since the run began: how many, and their whole latencies in ms."""

    from_s: float
    n: int
    p50: float
    p90: float
    p99: float
    p999: float | None = None


@dataclass(frozen=True, slots=True)
class Shift:
    """A tenth of the run against what it is compared with: medians in milliseconds.

    Attributes:
        kind: `cold start`: the first tenth against the others; `drift`: the last tenth against the second.
        ratio: How many times the latter's median.
    """

    kind: Literal["cold start", "drift"]
    median_ms: float
    against_ms: float
    ratio: float


@dataclass(frozen=True, slots=True)
class OverTime:
    """Whole latencies of succeeded rows, by when they were due.

    Attributes:
        step_s: Length of a step in seconds; one without rows is left out.
        judged: Whether the rows suffice to tell a shift.
        shifts: Those that are certain, beyond chance and by `RATIO`.
    """

    step_s: float
    steps: tuple[Step, ...]
    judged: bool
    shifts: tuple[Shift, ...]


def over_time(outputs: Outputs, line: Timeline | None) -> OverTime | None:
    """Return how latency went over the run that `line` is of; None if no row succeeded."""
    if line is None:
        return None
    rows = outputs.latencies(["due_at", "total_ms"], where=pc.field("status") == "succeeded")
    rows = rows.filter(pc.and_(pc.is_valid(rows["due_at"]), pc.is_valid(rows["total_ms"])))
    if not len(rows):
        return None
    factor = -(-len(line.sent) // STEPS_MAX)  # whole steps of the timeline, so that the two figures agree
    step_s = line.step_s * factor
    since = pc.subtract(rows["due_at"].cast(pa.int64()), round(line.start_s * 1e6))
    places = pc.max_element_wise(pc.divide(since, round(step_s * 1e6)), 0)
    table = pa.table({"since": since, "place": places, "ms": rows["total_ms"]})
    by_step = table.sort_by([("place", "ascending"), ("ms", "ascending")])
    steps, begin = [], 0
    values = by_step["ms"].combine_chunks()
    for group in pc.value_counts(by_step["place"]).to_pylist():
        part = values.slice(begin, group["counts"])
        begin += group["counts"]
        p50, p90, p99 = (quantile(part, q) for q in (0.5, 0.9, 0.99))
        steps.append(Step(group["values"] * step_s, len(part), p50, p90, p99, p999(part)))
    in_order = table.sort_by("since")["ms"].combine_chunks()
    tenth = len(in_order) // 10
    judged = tenth >= TENTH_MIN
    return OverTime(step_s, tuple(steps), judged, _shifts(in_order, tenth) if judged else ())


def _shifts(in_order: pa.Array, tenth: int) -> tuple[Shift, ...]:
    first, rest = interval(in_order.slice(0, tenth)), interval(in_order.slice(tenth))
    second, last = interval(in_order.slice(tenth, tenth)), interval(in_order.slice(len(in_order) - tenth))
    found = (_shift("cold start", first, rest), _shift("drift", last, second))
    return tuple(each for each in found if each is not None)


def _shift(
    kind: Literal["cold start", "drift"], one: Interval | None, other: Interval | None
) -> Shift | None:
    if one is None or other is None or other.median <= 0 or not change(one, other).excludes_zero:
        return None
    ratio = one.median / other.median
    if kind == "cold start" and ratio < RATIO:  # a start that is faster than the rest is no cold one
        return None
    if 1 / RATIO < ratio < RATIO:
        return None
    return Shift(kind, one.median, other.median, ratio)
