"""Keeps footers of Parquet files in S3 from the look at an input, compressed and up to a bound.

The reader of the same process needs them again, the division of a file by its row groups, and the shards.
"""

from __future__ import annotations

from threading import Lock

import zstandard

KEPT_BYTES = 16 << 20
"""Of compressed footers that are kept: those of 20,000 small files, or of some gigabytes in large ones."""
_LEVEL = 3  # of zstd, its own default: 2 ms a footer of 1 MB, on the threads that wait for S3


class KeptFooters:
    """Footers by the path of their file; each thread may put and get."""

    def __init__(self) -> None:
        self._packed: dict[str, bytes] = {}
        self._room = KEPT_BYTES
        self._lock = Lock()

    def put(self, path: str, footer: bytes) -> None:
        """Keep the footer of a file, if there is room for it."""
        packed = zstandard.compress(footer, _LEVEL)
        with self._lock:
            if len(packed) <= self._room:
                self._room -= len(packed)
                self._packed[path] = packed

    def __contains__(self, path: str) -> bool:
        return path in self._packed

    def get(self, path: str) -> bytes | None:
        """Return the footer of a file; None if it was not kept."""
        packed = self._packed.get(path)
        return None if packed is None else zstandard.decompress(packed)
