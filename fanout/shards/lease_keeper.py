"""Asks the process that started this one for a share of the run's rate, again and again, and sends at that."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from contextlib import suppress

from fanout.engine.pacing import Pacer
from fanout.ports import Clock
from fanout.shards.assignment import ParentPipe
from fanout.shards.leases import RENEW_S, Lease


def _write(line: bytes) -> None:
    sys.stderr.buffer.write(line)
    sys.stderr.buffer.flush()


class LeaseKeeper:
    """A child's lease of its share.

    Args:
        parent: The child's end of the pipe, on which grants come.
        write: Takes a line for the process at the other end.
    """

    def __init__(self, parent: ParentPipe, *, write: Callable[[bytes], None] = _write) -> None:
        self._parent = parent
        self._write = write
        self._lease = Lease()

    async def keep(self, pacer: Pacer, clock: Clock) -> None:
        """Ask, for ever; `pacer` sends at what is granted, and nothing without."""

        def granted(number: int, rate_per_s: float, asked_at: float) -> None:
            if self._lease.granted(number, rate_per_s, asked_at=asked_at):
                pacer.allow(rate_per_s, now=clock.now(), until=self._lease.until)

        self._parent.granted = granted
        while True:
            with suppress(
                OSError
            ):  # that process is gone: this one hears of it on its other pipe, and stops in order
                self._write(json.dumps({"lease": [self._lease.held, clock.now()]}).encode() + b"\n")
            await clock.sleep(RENEW_S)
