"""Tunes the interpreter's garbage collection and threads during a run, and frees memory between its phases."""

from __future__ import annotations

import ctypes
import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pyarrow as pa

YOUNG_OBJECTS, YOUNG_ROUNDS, MIDDLE_ROUNDS = 1_000, 5, 3
"""Thresholds of the cycle collector; Python's are 700, 10 and 10. With the collector off, 60,000 rows peaked 18 MB
higher than with Python's: records leave few cycles, but these must be freed. A full collection comes after 24,000
objects that stay, and looks at those only, since the ones before are frozen: at 0.2 us each, 5 ms."""
OLDEST = 2  # generations are 0, 1 and 2
SWITCH_S = 0.001
"""How long a thread that computes (one that makes a part, say) keeps the interpreter before the event loop gets it;
Python's default is 5 ms."""


@contextmanager
def tuned_gc() -> Iterator[None]:
    """Keep the pauses of the event loop short inside: a request should leave when it is due.

    Collections leave out everything that is there now, all the modules and five clients: with it, the longest
    collection of a run of 10,000 rows took 141 ms. Later they also leave out what has survived a full collection, the
    open rows: these form no cycles, so reference counts free them. Looking at 50,000 of them took 50 ms each time.
    Restored at the end, for a program that runs fanout inside its own process.
    """
    thresholds, switch_s, frozen = gc.get_threshold(), sys.getswitchinterval(), gc.get_freeze_count()
    gc.freeze()
    gc.callbacks.append(_freeze_survivors)
    # Collects nothing, but makes the collector forget how many objects there were: it puts off a full collection
    # until the new ones are a quarter of them.
    gc.collect()
    gc.set_threshold(YOUNG_OBJECTS, YOUNG_ROUNDS, MIDDLE_ROUNDS)
    sys.setswitchinterval(SWITCH_S)
    try:
        yield
    finally:
        sys.setswitchinterval(switch_s)
        gc.set_threshold(*thresholds)
        gc.callbacks.remove(_freeze_survivors)
        if not frozen:  # else other code froze them, and they stay so
            gc.unfreeze()


def _freeze_survivors(phase: str, info: dict[str, int]) -> None:
    if phase == "stop" and info["generation"] == OLDEST:
        gc.freeze()


def release_memory() -> None:
    """Return freed memory to the system as far as the allocators can: 40 MB after 100,000 rows, measured on glibc."""
    gc.collect()
    pa.default_memory_pool().release_unused()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc keeps what threads freed in their arenas
    if trim is not None:
        trim(0)
