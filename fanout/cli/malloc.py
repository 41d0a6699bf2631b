"""Chooses the allocators of the command line's process, before anything large is imported."""

from __future__ import annotations

import os
import sys
from contextlib import suppress

ARROW = ("ARROW_DEFAULT_MEMORY_POOL", "system")
"""What pyarrow, imported later, allocates from, here and in child processes: its own choice, mimalloc, peaked
60 MB higher in runs of 60,000 and 100,000 rows on glibc (267-294 MB beside 217-230), at the same CPU."""

M_ARENA_MAX = -8  # malloc.h
ARENAS = ("MALLOC_ARENA_MAX", "1")
"""glibc gives each thread an arena of its own, and what one thread freed no other uses: 7 to 10 MB of a run's peak, at
the same CPU."""


def choose() -> None:
    """Choose, wherever the user has not."""
    os.environ.setdefault(*ARROW)
    name, arenas = ARENAS
    if sys.platform != "linux" or name in os.environ or "arena_max" in os.environ.get("GLIBC_TUNABLES", ""):
        return
    os.environ[name] = arenas  # glibc reads it when a process starts: the shards'
    with suppress(
        ImportError, OSError, AttributeError
    ):  # an interpreter without ctypes, a libc without arenas
        import ctypes

        ctypes.CDLL(None).mallopt(M_ARENA_MAX, int(arenas))
