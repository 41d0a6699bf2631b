"""Learns from the results seen so far how long rows take, and how much later than later ones; no I/O.

Of fixed size, and it forgets: when the endpoint's queue has grown or drained, what was long ago says little.
"""

from __future__ import annotations

import json
import math
from bisect import bisect_right
from collections.abc import Mapping

from fanout.domain.records import Outcome

STEPS = 8  # buckets to a doubling: an estimate is at most 9 % above the time that it stands for
SHORTEST_S = 0.001
REMEMBERED = 2_000  # durations, after which every count is halved
OVERTAKINGS = 4_096  # that are kept: a row that was accepted before them was overtaken long ago


class Durations:
    """A histogram of durations in seconds."""

    def __init__(self) -> None:
        self._counts: dict[int, int] = {}
        self._total = 0
        self._quantiles: dict[float, float] = {}  # as long as nothing is added

    def add(self, seconds: float) -> None:
        """Take a duration; a negative one counts as none at all."""
        # The edge of a bucket belongs to it: else a model of exactly 8 s would be said to take 8.7.
        bucket = max(0, math.ceil(STEPS * math.log2(max(seconds, SHORTEST_S) / SHORTEST_S) - 1e-9))
        self._counts[bucket] = self._counts.get(bucket, 0) + 1
        self._total += 1
        self._quantiles.clear()
        if self._total > REMEMBERED:
            self._counts = {each: (count + 1) // 2 for each, count in self._counts.items() if count > 1}
            self._total = sum(self._counts.values())

    def dump(self) -> dict[str, int]:
        """Return what `load` takes."""
        return {str(bucket): count for bucket, count in self._counts.items()}

    def load(self, counts: Mapping[str, int]) -> None:
        """Begin with what another one has counted."""
        self._counts = {int(bucket): int(count) for bucket, count in counts.items()}
        self._total = sum(self._counts.values())
        self._quantiles.clear()

    def quantile(self, share: float) -> float | None:
        """Return the duration that about `share` (0..1) of them did not exceed, None if there is none."""
        if not self._total:
            return None
        if share not in self._quantiles:
            self._quantiles[share] = self._find(share)
        return self._quantiles[share]

    def _find(self, share: float) -> float:
        wanted, seen, bucket = share * self._total, 0, 0
        for bucket in sorted(self._counts):
            seen += self._counts[bucket]
            if seen >= wanted:
                break
        return SHORTEST_S * math.pow(2.0, bucket / STEPS)


class ServiceTimes:
    """What this process saw of one endpoint's results.

    Args:
        started_at: When this process began. What an earlier one had accepted may have lain in S3 for hours: such a row
            counts by the instant that stands with its object, and overtakes none.

    Attributes:
        whole: From a row's acceptance to its result, the endpoint's queue included.
        late: How long after a row that was accepted later a row had its result; 0 for most.
        last_result_at: When a result was last fetched; None if none was.
    """

    def __init__(self, *, started_at: float) -> None:
        self.whole = Durations()
        self.late = Durations()
        self.last_result_at: float | None = None
        self._started_at = started_at
        # Rows that had their result before all that were accepted later: their acceptances and results, both rising.
        self._accepted: list[float] = []
        self._answered: list[float] = []

    def add(self, outcome: Outcome) -> None:
        """Take an outcome; one that no object in S3 stands behind tells nothing."""
        accepted_at, fetched_at = outcome.accepted_at, outcome.fetched_at
        if accepted_at is None or fetched_at is None:
            return
        self.last_result_at = max(fetched_at, self.last_result_at or fetched_at)
        if accepted_at < self._started_at:
            if outcome.completed_at is not None:
                self.whole.add(outcome.completed_at - accepted_at)
            return
        self.whole.add(fetched_at - accepted_at)
        overtaken_at = self.overtaken_at(accepted_at)
        self.late.add(0.0 if overtaken_at is None else fetched_at - overtaken_at)
        if overtaken_at is None:
            self._accepted.append(accepted_at)
            self._answered.append(fetched_at)
            if len(self._accepted) > 2 * OVERTAKINGS:
                del self._accepted[:OVERTAKINGS], self._answered[:OVERTAKINGS]

    def dump(self) -> str:
        """Return what a later process of the run takes by `load`: how long rows took, not when."""
        return json.dumps({"whole": self.whole.dump(), "late": self.late.dump()})

    def load(self, text: str) -> None:
        """Begin with what an earlier process of the run saw."""
        told = json.loads(text)
        self.whole.load(told["whole"])
        self.late.load(told["late"])

    def overtaken_at(self, accepted_at: float) -> float | None:
        """Return when a row that was accepted later than at this instant had its result, None if none has yet."""
        first = bisect_right(self._accepted, accepted_at)
        return self._answered[first] if first < len(self._answered) else None
