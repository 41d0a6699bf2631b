"""Finds commits that SQLite would silently leave out of its write-ahead log: flipped bits, not a torn tail.

SQLite reads the log up to the first frame that does not fit its checksum and takes the rest for what a power cut left
unfinished. `lost_commits` counts the commits behind that frame, which were reported as done. `first_commit` tells
whether a log goes on from where its database ends.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

# The format: sqlite.org/fileformat2.html#walformat. Numbers are big-endian, but for those that checksums are made
# of: the magic number gives the order of those.
_HEADER = struct.Struct(">8I")
_FRAME = struct.Struct(">6I")
_ORDERS = {0x377F0682: "<", 0x377F0683: ">"}

_VERSIONS = slice(18, 20)  # of the database's header: 2 where it keeps a log, 1 where it keeps none

TORN_COMMITS = 1
"""A commit is on the disk before the next begins: a power cut can leave one behind a damaged frame, and no more."""

_COMMIT_NUMBER = struct.Struct(">I")
_COMMIT_NUMBER_AT = 68
"""Of page 1: the place of `application_id`, in which the journal counts its commits."""

Sums = tuple[int, int]


class _Frame(NamedTuple):
    start: int
    page: int
    commits: bool
    salts: tuple[int, int]
    sums: Sums


def lost_commits(log: bytes, *, page_bytes: int) -> int:
    """Return how many commits SQLite would leave out of `log`, but for one that may be torn; 0 means it is sound.

    Args:
        log: Content of the `-wal` file.
        page_bytes: Of the database, for a log whose own header is damaged.
    """
    if len(log) < _HEADER.size:
        return 0
    magic, _, own_page_bytes, _, *salts, one, two = _HEADER.unpack_from(log)
    order = _ORDERS.get(magic, "<")
    sums = _checksum(log[:24], (0, 0), order=order)
    if magic not in _ORDERS or sums != (one, two):
        # Which frames are of this turn of the log cannot be told any more: a new header is written before them.
        return max(0, sum(frame.commits for frame in _frames(log, page_bytes)) - TORN_COMMITS)
    frames = _frames(log, own_page_bytes)
    lost = 0
    for frame in frames:
        if frame.salts == tuple(salts):
            sums = _checksum(log[frame.start : frame.start + 8], sums, order=order)
            page = frame.start + _FRAME.size
            sums = _checksum(log[page : page + own_page_bytes], sums, order=order)
            if sums == frame.sums:
                continue
            lost += frame.commits
        break  # here SQLite stops reading
    # Behind that, frames of an earlier turn of the log are usual: they have other salts.
    lost += sum(frame.commits for frame in frames if frame.salts == tuple(salts))
    return max(0, lost - TORN_COMMITS)


def first_commit(log: bytes) -> int | None:
    """Return the number of the first commit in `log`, None if it holds none; a log that is sound is assumed."""
    if len(log) < _HEADER.size:
        return None
    _, _, page_bytes, _, *salts, _, _ = _HEADER.unpack_from(log)
    number = None
    for frame in _frames(log, page_bytes):
        if frame.salts != tuple(salts):
            return None
        if frame.page == 1:
            (number,) = _COMMIT_NUMBER.unpack_from(log, frame.start + _FRAME.size + _COMMIT_NUMBER_AT)
        if frame.commits:
            return number
    return None


def committed(database: bytes, log: bytes) -> bytes:
    """Return the database as of the last commit in `log`, marked as one that keeps no log.

    For reading where SQLite cannot: beside a log it makes a file of shared memory, which a full disk or a directory
    that may not be written to does not let it.
    """
    image = bytearray(database)
    if len(log) >= _HEADER.size:
        magic, _, page_bytes, _, *salts, one, two = _HEADER.unpack_from(log)
        order, sums = _ORDERS.get(magic, "<"), (one, two)
        pending: list[tuple[int, bytes]] = []
        for frame in _frames(log, page_bytes):
            page = log[frame.start + _FRAME.size : frame.start + _FRAME.size + page_bytes]
            sums = _checksum(log[frame.start : frame.start + 8], sums, order=order)
            sums = _checksum(page, sums, order=order)
            if frame.salts != tuple(salts) or sums != frame.sums:
                break
            number, pages_after_commit, *_ = _FRAME.unpack_from(log, frame.start)
            pending.append((number, page))
            if frame.commits:
                length = pages_after_commit * page_bytes
                image = image[:length].ljust(length, b"\0")
                for each, content in pending:
                    image[(each - 1) * page_bytes : each * page_bytes] = content
                pending.clear()
    if len(image) > _VERSIONS.stop:
        image[_VERSIONS] = b"\1\1"
    return bytes(image)


def _frames(log: bytes, page_bytes: int) -> Iterator[_Frame]:
    for start in range(_HEADER.size, len(log) - _FRAME.size - page_bytes + 1, _FRAME.size + page_bytes):
        page, pages_after_commit, *rest = _FRAME.unpack_from(log, start)
        yield _Frame(start, page, pages_after_commit != 0, (rest[0], rest[1]), (rest[2], rest[3]))


def _checksum(data: bytes, sums: Sums, *, order: str) -> Sums:
    """Continue `sums` over `data`, as "Checksum Algorithm" of the file format says."""
    one, two = sums
    words = iter(struct.unpack(f"{order}{len(data) // 4}I", data))
    for even, odd in zip(words, words, strict=True):
        one = (one + even + two) & 0xFFFFFFFF
        two = (two + odd + one) & 0xFFFFFFFF
    return one, two
