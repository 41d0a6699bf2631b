"""Compares with an earlier experiment: medians then and now, with the interval of their difference. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from fanout.analysis.comparison import Comparison, GroupResult, PhaseResult
from fanout.analysis.quantiles import Interval, Quantiles, change

Series = Literal["inline", "s3", "difference"]
SERIES: tuple[Series, ...] = ("inline", "s3", "difference")


@dataclass(frozen=True, slots=True)
class Change:
    """One median then and now, in milliseconds; `change` is now minus then.

    Attributes:
        way: Whose latency: `inline`, `s3`, or `difference`, that of the pairs, S3 minus inline.
    """

    group: str
    way: Series
    phase: str
    before: float
    now: float
    change: Interval

    @property
    def verdict(self) -> Literal["slower", "faster", "alike"]:
        """What the interval says; `alike`: it holds zero, so the two may be equal."""
        if not self.change.excludes_zero:
            return "alike"
        return "slower" if self.change.low > 0 else "faster"


def changes(now: Comparison, before: Comparison) -> list[Change]:
    """Return the changes of every phase and transport, for all pairs and for each size that both experiments had."""
    earlier = {(group.from_bytes, group.to_bytes): group for group in before.groups}
    found = list(_changes(now.everything, before.everything))
    for group in now.groups:
        counterpart = earlier.get((group.from_bytes, group.to_bytes))
        if counterpart is not None:
            found += _changes(group, counterpart)
    return found


def slower(found: Sequence[Change]) -> list[Change]:
    """Return the whole latencies, over all pairs, that got worse by more than chance."""
    return [
        change
        for change in found
        if (change.phase, change.group, change.verdict) == ("total", "all sizes", "slower")
        and change.way != "difference"
    ]


def _changes(now: GroupResult, before: GroupResult) -> Iterator[Change]:
    for phase, result in now.phases.items():
        for way in SERIES:
            one, other = _median(result, way), _median(before.phases.get(phase), way)
            if one is not None and other is not None:
                yield Change(now.label, way, phase, other.median, one.median, change(one, other))


def _median(result: PhaseResult | None, way: Series) -> Interval | None:
    found: Interval | Quantiles | None = getattr(result, way, None)
    if isinstance(found, Quantiles):
        return Interval(found.n, found.p50, found.p50_low, found.p50_high)
    return found
