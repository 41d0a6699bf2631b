"""Puts bytes on this process's standard input for a while."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def piped(data: bytes, *, instead: int | None = None) -> Iterator[None]:
    """Have descriptor 0 be a pipe with `data` in it, which ends there, or what the descriptor `instead` is."""
    before = _duplicate(0)
    if instead is None:
        end, start = os.pipe()
        os.write(start, data)  # less than a pipe holds
        os.close(start)
    else:
        end = os.dup(instead)
    os.dup2(end, 0)
    if end:
        os.close(end)
    try:
        yield
    finally:
        if before is None:
            os.close(0)
        else:
            os.dup2(before, 0)
            os.close(before)


def _duplicate(descriptor: int) -> int | None:
    try:
        return os.dup(descriptor)
    except OSError:  # closed
        return None
