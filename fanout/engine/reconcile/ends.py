"""Remembers when objects of rows were first seen, by when those rows were sent.

It answers above all when the first object was seen of a row that was sent after a given instant.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right

GRAIN_S = 5.0
"""Rows sent within it count as sent with the last of them: the answer may be so much late, and memory is bounded."""
KEPT = 8_192  # by grains 11 hours: longer than the longest time to live and timeout that a row may have


class Ends:
    """What was seen of the rows of this process."""

    def __init__(self) -> None:
        self._sent = array("d")  # both rise
        self._seen = array("d")
        self._latest: tuple[float, float] | None = None
        self.slowest_s = 0.0
        """The longest time from a 202 until an object was seen."""
        self.seen_at: float | None = None
        """When the last object was seen of any row."""
        self.newest = float("-inf")
        """The latest acceptance among the rows of which an object was seen."""

    def saw(self, now: float) -> None:
        """Note that an object was seen of a row of which it is not certain when it was accepted."""
        self.seen_at = now

    def note(self, *, sent_at: float, accepted_at: float, now: float) -> None:
        """Note that an object was seen of a row that was accepted once."""
        self.seen_at = now
        self.newest = max(self.newest, accepted_at)
        self.slowest_s = max(self.slowest_s, now - accepted_at)
        if self._latest is not None and sent_at <= self._latest[0]:
            return
        self._latest = sent_at, now
        if not self._sent or sent_at >= self._sent[-1] + GRAIN_S:
            self._sent.append(sent_at)
            self._seen.append(now)
            if len(self._sent) > 2 * KEPT:
                del self._sent[:KEPT], self._seen[:KEPT]

    def first_after(self, instant: float) -> float | None:
        """Return when the first object was seen of a row that was sent after `instant`, None if none was seen."""
        place = bisect_right(self._sent, instant)
        if place < len(self._sent):
            return self._seen[place]
        if self._latest is not None and self._latest[0] > instant:
            return self._latest[1]
        return None
