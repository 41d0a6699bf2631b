"""Keeps the number of the journal's last commit outside of the journal, in `journal.sqlite-written`.

SQLite reads a log that was cut, or is gone, as one that had less to say. The file's number, written after each commit
and before a row of it is sent, tells that the journal has less than it had. It is not synced: a killed process leaves
it exact, and a power cut leaves it behind, never ahead.
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path

from fanout.files import storage, sync_directory

SUFFIX = "-written"
"""Sorts behind `-wal`: what copies a directory in the order of its names, while a process writes, takes this later."""

_DIGITS = 20


class CommitMark:
    """The file beside one journal; one thread at a time uses it."""

    def __init__(self, journal: Path) -> None:
        self.path = journal.with_name(f"{journal.name}{SUFFIX}")
        self._file: int | None = None

    def read(self) -> int | None:
        """Return the number, None if the file is missing or holds none.

        Raises:
            StorageError: It cannot be read.
        """
        with storage(self.path, "read"):
            try:
                text = self.path.read_bytes()
            except FileNotFoundError:
                return None
        return int(text) if len(text) == _DIGITS + 1 and text[:-1].isdigit() else None

    def create(self) -> None:
        """Make the file anew, durably, with the number of a journal without commits.

        Raises:
            StorageError: It cannot be written.
        """
        self.write(0)
        assert self._file is not None
        with storage(self.path, "write"):
            os.fsync(self._file)
        sync_directory(self.path.parent)

    def write(self, number: int) -> None:
        """Put `number` in place of the one before; it outlives this process, not a power cut.

        Raises:
            StorageError: It cannot be written.
        """
        with storage(self.path, "write"):
            if self._file is None:
                self._file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            os.pwrite(self._file, b"%0*d\n" % (_DIGITS, number), 0)

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            os.close(self._file)
            self._file = None


def commits_without_log(journal: Path) -> int | None:
    """Return the number of the last commit that the file alone holds, its log left aside; None if it cannot tell.

    SQLite opens it: a descriptor of our own would, when it is closed, let go of the locks that this process has on it.
    """
    try:
        with closing(
            sqlite3.connect(f"{journal.absolute().as_uri()}?mode=ro&immutable=1", uri=True)
        ) as database:
            return int(database.execute("PRAGMA application_id").fetchone()[0])
    except sqlite3.Error:
        return None
