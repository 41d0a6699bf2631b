"""How the interpreter treats memory and threads while a run is under way, and between its phases."""

from __future__ import annotations

import ctypes
import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pyarrow as pa

YOUNG_OBJECTS, YOUNG_ROUNDS, MIDDLE_ROUNDS = 2_000, 10, 20
"""Thresholds of the cycle collector; Python's are 700, 10 and 10. With the collector off, 60,000 rows peaked 18 MB
higher than with Python's: records leave few cycles, and those still go."""
SWITCH_S = 0.001
"""How long a thread that computes, as one that makes a part, keeps the interpreter from the event loop before it is
asked for it; Python's default is 5 ms."""


@contextmanager
def short_pauses() -> Iterator[None]:
    """Keep the pauses of the event loop short inside: a request is to leave when it is due.

    Everything that is there now, all the modules and five clients, is left out of collections: the longest of a run of
    10,000 rows took 141 ms with it. Restored at the end, for whoever runs us inside a program of theirs.
    """
    thresholds, switch_s, frozen = gc.get_threshold(), sys.getswitchinterval(), gc.get_freeze_count()
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS, YOUNG_ROUNDS, MIDDLE_ROUNDS)
    sys.setswitchinterval(SWITCH_S)
    try:
        yield
    finally:
        sys.setswitchinterval(switch_s)
        gc.set_threshold(*thresholds)
        if not frozen:  # else they were frozen by somebody else, and stay so
            gc.unfreeze()


def give_back() -> None:
    """Return freed memory to the system as far as the allocators can: 40 MB after 100,000 rows, measured on glibc."""
    gc.collect()
    pa.default_memory_pool().release_unused()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc keeps what threads freed in their arenas
    if trim is not None:
        trim(0)
