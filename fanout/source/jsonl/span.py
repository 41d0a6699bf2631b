"""Reads the lines of a file whose first bytes lie in a span of it, and tells at which byte of the file each begins.

Of two spans that meet, the line that lies on their border belongs to the first one: both find that out alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from fanout.source.files import ByteStream, InputFile, Span, open_bytes
from fanout.source.remote import BLOCK_BYTES
from fanout.source.statistics import Meter

_LF = b"\n"
TAIL_BYTES = 1 << 10
"""What is asked of S3 first behind a span, for the rest of its last line. A longer line takes a few requests more; what
is read beyond its end is read for nothing at every border."""


class SpanLines:
    """The lines that begin in a span.

    Args:
        file: Plain JSON Lines.
        span: In bytes.
        block_bytes: The most that is yielded at once.
        meter: Counts the bytes.
        check: Called between blocks; may raise to stop.
    """

    def __init__(
        self, file: InputFile, span: Span, *, block_bytes: int, meter: Meter, check: Callable[[], None]
    ) -> None:
        self._file = file
        self._span = span
        self._block_bytes = block_bytes
        self._meter = meter
        self._check = check
        self._block = b""  # the one that was yielded last
        self._at = 0  # where it begins
        self._open = 0  # where the line begins that it goes on with
        self._before = 0  # lines that ended before it
        self._starts: list[int] = []

    def blocks(self) -> Iterator[bytes]:
        """Yield their bytes; none where no line begins in the span.

        Raises:
            InputError: The file cannot be opened, or in S3 not be read on.
            OSError: It cannot be read on.
        """
        for block in self._owned():
            self._meter.bytes_read += len(block)
            self._note(block)
            yield block

    def place(self, number: int) -> int:
        """Return the byte at which a line begins that ends in the last block, or ends the text; numbers begin at 1."""
        if not self._starts:  # few rows are asked for, but all may be
            self._starts = [self._open]
            end = self._block.find(_LF)
            while end >= 0:
                self._starts.append(self._at + end + 1)
                end = self._block.find(_LF, end + 1)
        return self._starts[number - 1 - self._before]

    def _note(self, block: bytes) -> None:
        end = self._block.rfind(_LF)
        if end >= 0:
            self._before += self._block.count(_LF)
            self._open = self._at + end + 1
        self._at += len(self._block)
        self._block, self._starts = block, []

    def _owned(self) -> Iterator[bytes]:
        ended = True  # whether what was yielded ends with a line
        for block in self._begun():
            ended = block.endswith(_LF)
            yield block
        if ended:
            return
        for block in self._beyond():
            end = block.find(_LF)
            yield block if end < 0 else block[: end + 1]
            if end >= 0:
                return

    def _begun(self) -> Iterator[bytes]:
        """Yield the span's bytes from the first line that begins in it."""
        at = max(self._span.start - 1, 0)  # a line begins at `start` if the byte before ends one
        waiting = self._span.start > 0
        for block in self._bytes(at, self._span.end):
            if not waiting:
                yield block
                continue
            end = block.find(_LF)
            if end >= 0 and at + end + 1 < self._span.end:
                waiting = False
                self._at = self._open = at + end + 1
                if end + 1 < len(block):
                    yield block[end + 1 :]
            at += len(block)

    def _beyond(self) -> Iterator[bytes]:
        """Yield what follows the span, a little at first: only the end of a line is wanted."""
        at, size, last = self._span.end, TAIL_BYTES, self._file.size_bytes or 0
        while at < last:
            end = min(at + size, last)
            yield from self._bytes(at, end)
            at, size = end, min(2 * size, BLOCK_BYTES)

    def _bytes(self, start: int, end: int) -> Iterator[bytes]:
        stream: ByteStream = open_bytes(self._file, check=self._check, start=start, end=end)
        try:
            while start < end:
                self._check()
                block = stream.read(min(self._block_bytes, end - start))
                if not block:
                    return
                start += len(block)
                yield block
        finally:
            stream.close()
