"""Ends an experiment early, once the widest interval of its pairs is narrow enough.

It is a `Tally`, so that it receives every outcome from the engine and needs no further hook.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field

import pyarrow as pa

from fanout.analysis.quantiles import interval
from fanout.domain.records import Outcome
from fanout.domain.tally import Tally

LEAST = 30
"""Pairs of a size before its interval is looked at: with fewer, an interval that is narrow by luck would do."""

LOOK_EVERY = 25
"""Pairs between two looks. Every look is a chance to stop on a lucky interval, so there are few: at 600 pairs, 24
looks. The interval of an experiment that was stopped this way is a little too narrow, and its report says so."""


@dataclass(slots=True)
class PairTally(Tally):
    """Counts outcomes, and pairs them.

    Args:
        until_ms: Half-width at which the experiment may end; None never ends it.
        enough: Called once every size is known that well.
    """

    until_ms: float | None = None
    enough: Callable[[], None] = lambda: None
    done: bool = False
    """Whether `enough` was called."""
    _half: dict[int, float] = field(default_factory=dict)
    _differences: defaultdict[int, list[float]] = field(default_factory=lambda: defaultdict(list))
    _since_look: int = 0

    def add(self, outcome: Outcome) -> None:
        """Count an outcome; look at the intervals now and then."""
        Tally.add(self, outcome)  # not super(): a dataclass with slots is made anew, and its cell is not
        if self.until_ms is None or self.done or outcome.status != "succeeded":
            return
        pair, warm = outcome.passthrough[:2]
        total_ms = _total_ms(outcome)
        if warm or total_ms is None or not isinstance(pair, int):
            return
        sign = 1.0 if outcome.transport == "s3" else -1.0
        other = self._half.pop(pair, None)
        if other is None:
            self._half[pair] = sign * total_ms
            return
        self._differences[outcome.payload_bytes].append(other + sign * total_ms)
        self._since_look += 1
        if self._since_look >= LOOK_EVERY:
            self._since_look = 0
            if self._precise(self.until_ms):
                self.done = True
                self.enough()

    def _precise(self, until_ms: float) -> bool:
        for differences in self._differences.values():
            found = interval(pa.array(differences, pa.float64()))
            if found is None or found.n < LEAST or found.half_width > until_ms:
                return False
        return bool(self._differences)


def _total_ms(outcome: Outcome) -> float | None:
    begin, end = outcome.began_at, outcome.fetched_at
    return None if begin is None or end is None else (end - begin) * 1e3
