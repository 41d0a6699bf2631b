"""Blocks of bytes in, numbered lines out; a line over the cap is counted but never held."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

BOM = b"\xef\xbb\xbf"


class LongLine(NamedTuple):
    """Stands for a line that was over the cap."""

    length_bytes: int


class Lines(NamedTuple):
    """Lines that end in one block, without their ends (LF or CRLF)."""

    first_number: int
    lines: list[bytes | LongLine]


def split_lines(blocks: Iterable[bytes], *, cap_bytes: int) -> Iterator[Lines]:
    """Yield the lines of a text, wherever the blocks are cut; numbers begin at 1.

    A byte order mark at the start is dropped; the last line needs no end. Between two blocks at most `cap_bytes`
    and a block are held.
    """
    tail = _Tail(cap_bytes)
    number = 1
    for block in _without_bom(blocks):
        head, newline, rest = block.partition(b"\n")
        tail.add(head)
        if not newline:
            continue
        lines: list[bytes | LongLine] = [tail.take()]
        if rest:
            whole = rest.split(b"\n")
            tail.add(whole.pop())
            if b"\r" in rest:
                whole = [line[:-1] if line[-1:] == b"\r" else line for line in whole]
            if len(rest) > cap_bytes:
                lines += [LongLine(len(line)) if len(line) > cap_bytes else line for line in whole]
            else:
                lines += whole
        yield Lines(number, lines)
        number += len(lines)
    if tail.length_bytes:
        yield Lines(number, [tail.take()])


class _Tail:
    """The line that is not yet complete; in parts, because joining at every block would be quadratic."""

    def __init__(self, cap_bytes: int) -> None:
        self._cap = cap_bytes + 1  # one more for the CR of a CRLF
        self._parts: list[bytes] = []
        self._last = b""
        self.length_bytes = 0

    def add(self, part: bytes) -> None:
        self.length_bytes += len(part)
        self._last = part[-1:] or self._last
        if self.length_bytes > self._cap:
            self._parts.clear()
        else:
            self._parts.append(part)

    def take(self) -> bytes | LongLine:
        parts, length_bytes, last = self._parts, self.length_bytes, self._last
        self._parts, self.length_bytes, self._last = [], 0, b""
        end = 1 if last == b"\r" else 0
        if length_bytes - end >= self._cap:
            return LongLine(length_bytes - end)
        line = parts[0] if len(parts) == 1 else b"".join(parts)
        return line[:-1] if end else line


def _without_bom(blocks: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the blocks without a mark at the start, which may be cut into three."""
    start = b""
    waiting = True
    for block in blocks:
        if not waiting:
            yield block
            continue
        start += block
        if len(start) < len(BOM) and BOM.startswith(start):
            continue
        waiting = False
        yield start.removeprefix(BOM)
    if waiting and start:
        yield start
