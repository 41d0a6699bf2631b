"""Measures the rate at which requests are sent, by the answers that they get. Pure, with `now` handed in."""

from __future__ import annotations

import math

WINDOW_S = 0.5
SHORTEST_S = 0.001  # over which a rate is taken at all
FEWEST_ANSWERS = 10  # that tell a rate before the first window is over


class RateMeter:
    """The rate of sending over windows of half a second, and over less at the start.

    Attributes:
        began_at: When the request was sent that got the first answer; infinite before.
        round_trip_s: Seconds from the latest answered request to its answer.
        settled_per_s: Requests a second over full windows, of which later ones weigh more; 0 before the first.
        peak_per_s: The highest of a window.
    """

    def __init__(self) -> None:
        self.began_at = math.inf
        self.round_trip_s = 0.0
        self.settled_per_s = self.peak_per_s = 0.0
        self._from = -math.inf
        self._count = 0

    @property
    def fresh(self) -> bool:
        """Whether no window is over yet."""
        return not self.settled_per_s

    def note(self, now: float, *, sent_at: float) -> None:
        """Count an answer, of either kind, to a request that was sent then."""
        if math.isinf(self.began_at):
            self.began_at = sent_at
        self.round_trip_s = now - sent_at
        if now - self._from >= WINDOW_S:
            if self._count:
                rate = self._count / (now - self._from)
                self.settled_per_s = rate if self.fresh else 0.5 * (self.settled_per_s + rate)
                self.peak_per_s = max(self.peak_per_s, rate)
            self._from, self._count = now, 0
        self._count += 1

    def rate_per_s(self, now: float, *, paced: float | None) -> float:
        """Return requests a second: those of this window, if they are already more than those before it.

        Args:
            now: The instant.
            paced: The rate that was allowed, which is believed as long as fewer than ten answers have come: they come
                a round trip late, and look like far fewer.
        """
        if not self.fresh:
            return max(self.settled_per_s, self._count / WINDOW_S)
        if paced is not None and self._count < FEWEST_ANSWERS:
            return paced
        return self._count / max(now - self.began_at - self.round_trip_s, self.round_trip_s, SHORTEST_S)
