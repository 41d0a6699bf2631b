"""Keeps standard input for the rows: no child process and no prompt of a library reads what is piped in.

Descriptor 0 is inherited by each `credential_process` of a profile, and `getpass` falls back to it where there is no
terminal. While rows are read from it, the null device stands in its place.
"""

from __future__ import annotations

import fcntl
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fanout.errors import UsageError

STDIN = "-"
_ALIASES = frozenset({"/dev/stdin", "/dev/fd/0", "/proc/self/fd/0"})
_FIRST_OWN = 3  # 0 to 2 are the standard streams

_one_at_a_time = threading.Lock()
_kept = 0


def is_stdin(path: str) -> bool:
    """Whether a path of the input is standard input; a file that stands behind one of its names is read as a file."""
    return path == STDIN or (path in _ALIASES and not Path(path).is_file())


def descriptor() -> int:
    """Return the descriptor that standard input can be read at now."""
    return _kept


_CLOSED = "-: standard input is closed: send it the rows through a pipe, or name a file"


@contextmanager
def kept_stdin() -> Iterator[int]:
    """Keep standard input, and yield its descriptor, which no child inherits; at the end it is back at 0.

    Raises:
        UsageError: It is closed, or is being read by another run of this process.
    """
    global _kept  # noqa: PLW0603 - as there is one descriptor 0
    if not _one_at_a_time.acquire(blocking=False):
        raise UsageError(
            "standard input is read by another run of this process: name a file, or run them in turn"
        )
    try:
        try:
            own = fcntl.fcntl(0, fcntl.F_DUPFD_CLOEXEC, _FIRST_OWN)
        except OSError as error:
            raise UsageError(_CLOSED) from error
        if (
            fcntl.fcntl(own, fcntl.F_GETFL) & os.O_ACCMODE == os.O_WRONLY
        ):  # see `cli.console.open_descriptors`
            os.close(own)
            raise UsageError(_CLOSED)
        null = os.open(os.devnull, os.O_RDONLY)
        try:
            os.dup2(null, 0)
        finally:
            os.close(null)
        _kept = own
        try:
            yield own
        finally:
            _kept = 0
            os.dup2(own, 0)
            os.close(own)
    finally:
        _one_at_a_time.release()
