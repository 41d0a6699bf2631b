"""How far the reading has come: counted by the readers, read by whoever shows progress."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SourceStatistics:
    """A snapshot.

    Attributes:
        rows: Rows read, rejected ones included.
        bytes_read: Bytes of the files behind these rows, as they are stored.
        bytes_total: Bytes of all files; None with stdin or a pipe among them.
        files_read: Files read to their end.
    """

    rows: int
    rejected: int
    bytes_read: int
    bytes_total: int | None
    files_read: int
    files: int


@dataclass(slots=True)
class Meter:
    """Counters of one pass over the input; written by the reading thread alone."""

    rows: int = 0
    rejected: int = 0
    bytes_read: int = 0
    files_read: int = 0
