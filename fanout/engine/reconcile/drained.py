"""Decides whether the endpoint has nothing left of what was sent before an instant, for `--unknown settle`; no I/O.

Two things together show it: its backlog was empty (`evidence.empty_from`), and no result of this run has come since.
Whatever was sent before and has no object in S3 was not received, and is sent once more.
"""

from __future__ import annotations

QUIET_S = 60.0
"""So long no result has come: a period of `ApproximateBacklogSize`, which is approximate."""


class Drained:
    """Remembers up to when all that was sent has ended: what is sent later takes nothing of that back.

    Attributes:
        until: What was sent before has ended; minus infinity while nothing shows that.
    """

    def __init__(self) -> None:
        self.until = float("-inf")

    def see(self, now: float, *, empty_from: float | None, last_result_at: float | None) -> None:
        """Take what is known of the endpoint.

        Args:
            now: The present instant.
            empty_from: Since when its backlog was empty for two periods in a row; None if that is not known.
            last_result_at: When a result of this run was last fetched; None if none was.
        """
        if empty_from is None:
            return
        quiet_from = empty_from if last_result_at is None else max(empty_from, last_result_at)
        if now >= quiet_from + QUIET_S:
            self.until = max(self.until, empty_from)

    def lost_at(self, since: float, longest_s: float) -> float:
        """Return from when on a row without a result counts as not received.

        Args:
            since: When it was sent, if it was, at the latest.
            longest_s: After so many seconds the endpoint has served it, or never will (TTL and timeout).
        """
        return since if since <= self.until else since + longest_s
