"""How the interpreter treats memory and threads while a run is under way, and between its phases."""

from __future__ import annotations

import ctypes
import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pyarrow as pa

YOUNG_OBJECTS, YOUNG_ROUNDS, MIDDLE_ROUNDS = 2_000, 10, 20
"""Thresholds of the cycle collector, three times the usual. A record leaves no cycle: what is collected here comes from
errors and their tracebacks."""
SWITCH_S = 0.001
"""How long a thread that has the interpreter keeps it from the event loop, at most; Python's default is 5 ms. A part of
5,000 rows is made on a thread, and with the default each request of that time left up to 5 ms late."""


@contextmanager
def short_pauses() -> Iterator[None]:
    """Keep the pauses of the event loop short inside: a request is to leave when it is due.

    Everything that is there now is left out of collections: all the modules and five clients, 300,000 objects, which
    took 140 ms four times in 10,000 rows. Restored at the end, for whoever runs us inside a program of theirs.
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
