"""Keeps what CloudWatch would tell of the endpoint's backlog: for each minute, the most that waited or was served.

Pure: `now` is handed in and never falls. Owned by `endpoint`.
"""

from __future__ import annotations

from collections import deque

from fanout.domain.account_facts import BacklogPoint

PERIOD_S = 60.0  # ApproximateBacklogSize comes once a minute: "Monitor an asynchronous endpoint"
KEPT = 15 * 24 * 60  # CloudWatch keeps one-minute data points for 15 days


class BacklogHistory:
    """The backlog of one endpoint, minute by minute."""

    def __init__(self) -> None:
        self._points: deque[BacklogPoint] = deque(maxlen=KEPT)
        self._began_at: float | None = None  # of the minute that is not over
        self._size = self._most = 0

    def note(self, now: float, size: int) -> None:
        """Note that `size` requests wait or are in the model from `now` on."""
        self._close(now)
        self._size = size
        self._most = max(self._most, size)

    def points(self, *, since: float, until: float) -> list[BacklogPoint]:
        """Return the minutes that begin at or after `since` and are over at `until`, oldest first."""
        self._close(until)
        return [
            point
            for point in self._points
            if since <= point.began_at and point.began_at + point.length_s <= until
        ]

    def _close(self, now: float) -> None:
        """Put away every minute that is over at `now`."""
        if self._began_at is None:
            self._began_at = now // PERIOD_S * PERIOD_S
        self._began_at = max(self._began_at, now // PERIOD_S * PERIOD_S - KEPT * PERIOD_S)
        while now >= self._began_at + PERIOD_S:
            self._points.append(BacklogPoint(self._began_at, PERIOD_S, float(self._most)))
            self._began_at += PERIOD_S
            self._most = self._size
