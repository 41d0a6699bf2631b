"""Counts how far the reading has come, for progress and metrics."""

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
        limit: Rows after which reading ends, None for all.
    """

    rows: int
    rejected: int
    bytes_read: int
    bytes_total: int | None
    files_read: int
    files: int
    limit: int | None = None

    @property
    def share(self) -> float | None:
        """Share of what is to be read that was, 0..1, by bytes or by rows up to the limit; None if it is not known."""
        by_bytes = self.bytes_read / self.bytes_total if self.bytes_total else None
        by_rows = self.rows / self.limit if self.limit else None
        return max((share for share in (by_bytes, by_rows) if share is not None), default=None)


@dataclass(slots=True)
class Meter:
    """Counters of one pass over the input; written by the reading thread alone."""

    rows: int = 0
    rejected: int = 0
    bytes_read: int = 0
    files_read: int = 0
    ended: bool = False
