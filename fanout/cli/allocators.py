"""What the command line's process allocates memory from: chosen before anything large is imported."""

from __future__ import annotations

import ctypes
import os
import sys

ARROW = ("ARROW_DEFAULT_MEMORY_POOL", "system")
"""What pyarrow, imported later, is to allocate from, here and in child processes: its own choice, mimalloc, peaked
60 MB higher in runs of 60,000 and 100,000 rows on glibc (267-294 MB beside 217-230), at the same CPU."""

M_ARENA_MAX = -8  # malloc.h
ARENAS = 1
"""glibc gives each thread an arena of its own, and what one thread freed no other uses: 10 MB of a run's peak. Ours
hold the interpreter while they allocate, so that one is hardly ever waited for: the same CPU."""


def choose() -> None:
    """Choose, wherever the user has not."""
    os.environ.setdefault(*ARROW)
    if sys.platform == "linux" and "MALLOC_ARENA_MAX" not in os.environ:
        set_option = getattr(
            ctypes.CDLL(None), "mallopt", None
        )  # musl has no arenas, and none of their options
        if set_option is not None:
            set_option(M_ARENA_MAX, ARENAS)
