"""How long this machine, or this interpreter, stood still during a test: what a bound on time may be exceeded by.

A bound that allows for every busy machine allows for every bug, too. `elapsed < wanted + small + machine.late_s` grows
with what the machine did in that very second, and with nothing else.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

TICK_S = 0.01


class Machine:
    """A thread that wants to wake every 10 ms, and sums how late it woke: for want of a core, or of the GIL."""

    def __init__(self) -> None:
        self._late_s = 0.0
        self._due = time.monotonic() + TICK_S
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._tick, name="stalls")

    @property
    def late_s(self) -> float:
        """Seconds of standstill so far, with the one that may be going on; nothing is added once it was closed."""
        return self._late_s + max(0.0, time.monotonic() - self._due)

    def _tick(self) -> None:
        while not self._ended.wait(max(0.0, self._due - time.monotonic())):
            woke = time.monotonic()
            self._late_s += max(0.0, woke - self._due)
            self._due = woke + TICK_S

    def _close(self) -> None:
        self._ended.set()
        self._thread.join()
        self._late_s, self._due = self.late_s, float("inf")


@contextmanager
def watched() -> Iterator[Machine]:
    """Yield what is told, during the block and after it, of how long the machine stood still in it."""
    machine = Machine()
    machine._thread.start()
    try:
        yield machine
    finally:
        machine._close()
