"""Compares the two transports: quantiles of every phase, and the median of the paired differences, size by size.

It takes the samples of an output file and returns a `Comparison`. A difference is S3 minus inline, pair by pair:
positive where inline saves time.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import inf

import pyarrow as pa
import pyarrow.compute as pc

from fanout.analysis.client_check import TOO_FEW
from fanout.analysis.crossover import Crossing, crossing
from fanout.analysis.pairs import PHASES, Samples
from fanout.analysis.quantiles import Interval, Quantiles, interval, quantiles
from fanout.analysis.units import size_text


@dataclass(frozen=True, slots=True)
class PhaseResult:
    """One phase: the latencies of each transport, None where it has no such phase, and the paired difference."""

    inline: Quantiles | None
    s3: Quantiles | None
    difference: Interval | None


@dataclass(frozen=True, slots=True)
class GroupResult:
    """The pairs of one size, or of one class of sizes, or all of them."""

    label: str
    from_bytes: int
    to_bytes: int
    pairs: int
    phases: Mapping[str, PhaseResult]

    @property
    def is_told(self) -> bool:
        """Whether there are pairs enough for a figure: of one pair, the interval of the median is that pair."""
        return self.pairs >= TOO_FEW


@dataclass(frozen=True, slots=True)
class Comparison:
    """What an experiment found.

    Attributes:
        everything: All pairs together.
        groups: By size, ascending.
        crossing: Where one transport overtakes the other.
    """

    everything: GroupResult
    groups: tuple[GroupResult, ...]
    crossing: Crossing
    incomplete: int


def compare(samples: Samples) -> Comparison:
    """Return what the samples say."""
    whole = pa.array(range(samples.pairs), pa.uint64())
    low = min((group.from_bytes for group in samples.groups), default=0)
    high = max((group.to_bytes for group in samples.groups), default=0)
    members = [("all sizes", low, high, whole)]
    members += [
        (_label(group.from_bytes, group.to_bytes), group.from_bytes, group.to_bytes, group.members)
        for group in samples.groups
    ]
    results: list[dict[str, PhaseResult]] = [{} for _ in members]
    for phase in PHASES:  # one column in memory at a time
        inline, s3 = samples.phase(phase)
        for (_, _, _, places), phases in zip(members, results, strict=True):
            phases[phase] = _result(phase, inline.take(places), s3.take(places))
    found = [
        GroupResult(label, low, high, len(places), phases)
        for (label, low, high, places), phases in zip(members, results, strict=True)
    ]
    points = [
        (group.to_bytes, difference if group.is_told else replace(difference, low=-inf, high=inf))
        for group in found[1:]
        if (difference := group.phases["total"].difference) is not None
    ]
    return Comparison(found[0], tuple(found[1:]), crossing(points), samples.incomplete)


def _result(phase: str, inline: pa.Array, s3: pa.Array) -> PhaseResult:
    # What goes inline is not uploaded: that costs it nothing.
    counterpart = pc.fill_null(inline, 0.0) if phase == "upload" else inline
    return PhaseResult(quantiles(inline), quantiles(s3), interval(pc.subtract(s3, counterpart)))


def _label(low: int, high: int) -> str:
    return size_text(high) if low == high else f"{size_text(low)} to {size_text(high)}"
