"""Decides whether a process may still send: for a short while after it has proved that the run is its own. Pure.

A segment that was stored proves it, since a new owner would have taken its number. Rows that were released by it and
still wait for their turn are not covered by the fence; so the release lapses, and a new owner, who waits as long, sends
none of these rows while the old one still may.
"""

from __future__ import annotations

LAPSE_S = 2.0
"""Longer would delay a new owner's second sends; shorter would have an owner renew it where S3 takes half a second."""


class Release:
    """Whether this process may send, by the clock of the machine that goes on while it is suspended.

    Args:
        lapse_s: Seconds from the beginning of a write that succeeded to the end of the release.
    """

    def __init__(self, lapse_s: float = LAPSE_S) -> None:
        self._lapse_s = lapse_s
        self._until = float("-inf")
        self._ended = False

    def prove(self, asked_at: float) -> None:
        """Note that a segment was stored.

        Args:
            asked_at: When the first attempt that may have stored it began, not when the reply came: from then on,
                another may have claimed the number behind it.
        """
        self._until = max(self._until, asked_at + self._lapse_s)

    def end(self) -> None:
        """Send nothing any more: another process owns the run, or this one has ended."""
        self._ended = True

    def holds(self, now: float) -> bool:
        """Whether a request may leave at `now`."""
        return now < self._until and not self._ended
