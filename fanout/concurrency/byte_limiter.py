"""Bounds the bytes under way where sizes are known only afterwards: responses that are being downloaded.

A download may begin once it would fit if it were as large as the largest of late; each reports its size at its end.
"""

from __future__ import annotations

from fanout.concurrency.notify import Notify

FIRST = 8
"""Downloads that may be under way before any size is known."""

DECAY = 0.9
"""How much of the largest size still counts after one more download: 40 downloads after a response as large as the
whole bound, 64 small ones fit again."""


class ByteLimiter:
    """Lets downloads begin, in about the order in which they ask; one is always let through, however large.

    Args:
        most_bytes: Bound of what is under way, if nothing grows faster than sizes were seen to.
    """

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._expected_bytes = most_bytes / FIRST
        self._under_way = 0
        self._left = Notify()

    async def enter(self) -> None:
        """Return once another download may begin."""
        while self._under_way and (self._under_way + 1) * self._expected_bytes > self._most_bytes:
            await self._left.wait()
        self._under_way += 1

    def leave(self, size_bytes: int | None) -> None:
        """Note that a download has ended; with how many bytes, if it brought any."""
        self._under_way -= 1
        if size_bytes is not None:
            self._expected_bytes = max(float(size_bytes), DECAY * self._expected_bytes)
        self._left.notify()
