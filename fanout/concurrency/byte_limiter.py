"""Bounds the bytes of downloads by the sizes that the heads of their replies tell, before their bodies are read.

A download may begin once it would fit if it were as large as the largest of late, and goes on once its told size fits.
What others hold of finished downloads counts, too.
"""

from __future__ import annotations

from collections import deque
from typing import Protocol

from fanout.concurrency.notify import Notify

FIRST = 8
"""Downloads that may be under way before any size is known."""

DECAY = 0.9
"""How much of the largest size still counts after one more download: 40 downloads after one as large as the whole
bound, 64 small ones fit again."""

COPIES = 4
"""What writing the largest one takes beside itself, where it cannot be compressed: pyarrow's column writer encodes it,
makes it a page, compresses that and hands it to a Python file, each as a buffer of its own. Those of 16 MiB
and more are written without copies; they keep this room all the same, or runs come near to what they may take."""

LEFT = 1 / 16
"""Share of the bound that others may hold when one goes alone: small ones come all the time."""


class Holder(Protocol):
    """Who keeps what was downloaded, until it is written."""

    freed: Notify
    """Notified when it has let go of some of it."""

    @property
    def held_bytes(self) -> int:
        """Bytes that it keeps."""
        ...

    @property
    def largest_bytes(self) -> int:
        """Bytes of the largest that it keeps."""
        ...

    def hurry(self) -> None:
        """Let go of what it keeps soon: its memory is waited for."""
        ...


class Download:
    """One download under way; made by `ByteLimiter.enter`, and given back by `leave`.

    Attributes:
        size_bytes: Its size; None until it is told.
    """

    __slots__ = ("_limiter", "size_bytes")

    def __init__(self, limiter: ByteLimiter) -> None:
        self._limiter = limiter
        self.size_bytes: int | None = None

    async def admit(self, size_bytes: int) -> None:
        """Return once a body of `size_bytes` may be read: it fits, or nothing else is held."""
        await self._limiter.admit(self, size_bytes)


class ByteLimiter:
    """Lets downloads go on, in the order in which their sizes are told; one is always let through, however large.

    Args:
        most_bytes: Bound of the bytes under way and held, copies included.
        holder: Keeps what was downloaded; None if its memory does not count.
    """

    def __init__(self, most_bytes: int, *, holder: Holder | None = None) -> None:
        self._most_bytes = most_bytes
        self._holder = holder
        self._freed = Notify() if holder is None else holder.freed
        self._expected_bytes = most_bytes / (FIRST + COPIES)
        self._untold = 0
        self._told = 0
        self._told_bytes = 0
        self._waiting: deque[Download] = deque()

    async def enter(self) -> Download:
        """Return once another download may begin; give it to `leave` at its end."""
        while (self._untold or self._told) and (self._waiting or not self._fits(self._expected_bytes)):
            await self._freed.wait()
        self._untold += 1
        return Download(self)

    async def admit(self, download: Download, size_bytes: int) -> None:
        """Return once the body of `download` may be read: it fits, or it goes alone."""
        if download.size_bytes == size_bytes:  # it is tried again
            return
        self._forget(download)
        if self._waiting or not self._may_read(size_bytes):
            await self._turn(download, size_bytes)
        self._untold -= 1
        self._told += 1
        self._told_bytes += size_bytes
        download.size_bytes = size_bytes
        self._expected_bytes = max(float(size_bytes), DECAY * self._expected_bytes)

    def leave(self, download: Download) -> None:
        """Note that a download has ended; what it brought is the holder's."""
        self._forget(download)
        self._untold -= 1
        self._freed.notify()

    async def _turn(self, download: Download, size_bytes: int) -> None:
        self._waiting.append(download)
        try:
            while self._waiting[0] is not download or not self._may_read(size_bytes):
                if self._holder is not None:
                    self._holder.hurry()
                await self._freed.wait()
        finally:
            self._waiting.remove(download)
            self._freed.notify()

    def _may_read(self, size_bytes: int) -> bool:
        holder = self._holder
        alone = not self._told and (holder is None or holder.held_bytes <= LEFT * self._most_bytes)
        return alone or self._fits(size_bytes, expected=0.0)

    def _fits(self, size_bytes: float, *, expected: float | None = None) -> bool:
        """Whether `size_bytes` more fit, those counted whose size is `expected` and not told yet."""
        holder = self._holder
        held, largest = (0, 0) if holder is None else (holder.held_bytes, holder.largest_bytes)
        untold = self._untold * (self._expected_bytes if expected is None else expected)
        copies = COPIES * max(size_bytes, largest)
        return self._told_bytes + held + untold + size_bytes + copies <= self._most_bytes

    def _forget(self, download: Download) -> None:
        """Count a download as one whose size is not told."""
        if download.size_bytes is not None:
            self._told_bytes -= download.size_bytes
            self._told -= 1
            self._untold += 1
            download.size_bytes = None
