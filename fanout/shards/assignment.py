"""How a process of a run is led by the one that started it: one line says what to do, each later one says to stop.

The lines travel on the child's standard input. Its end says that whoever holds the other side is gone, however that
came, so that no child goes on unnoticed.
"""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator

import anyio

from fanout.config.model import Config
from fanout.domain.row_ranges import Stripe
from fanout.runtime.share import Assignment
from fanout.runtime.simulated import SimulatorAddress

STOP = b"stop\n"
"""The first stops in order, the second at once, as signals do."""
_READ_BYTES = 65_536


def decode(line: bytes) -> Assignment:
    """Return what `Assignment.encode` was given."""
    content = json.loads(line)
    return Assignment(
        run_id=content["run"],
        config=Config.model_validate(content["config"]),
        stripe=Stripe(**content["stripe"]),
        simulator=None if content["ready"] is None else SimulatorAddress(**content["ready"]),
        log_level=content["log_level"],
        counts=content["counts"],
    )


class ParentPipe:
    """The child's end.

    Args:
        handle: The descriptor to read from.
    """

    def __init__(self, handle: int) -> None:
        self._handle = handle
        self._rest = b""

    def assignment(self) -> Assignment:
        """Return what this process is to do; blocks until it is told.

        Raises:
            EOFError: Whoever started it went away before.
        """
        while b"\n" not in self._rest:
            data = os.read(self._handle, _READ_BYTES)
            if not data:
                raise EOFError
            self._rest += data
        line, _, self._rest = self._rest.partition(b"\n")
        return decode(line)

    async def orders(self) -> AsyncIterator[str]:
        """Yield the reason for each order to stop; ends when no more can come."""
        ordered = False
        while True:
            *lines, self._rest = self._rest.split(b"\n")
            for _ in lines:
                ordered = True
                yield "stopped with the run that it belongs to"
            await anyio.wait_readable(self._handle)
            data = os.read(self._handle, _READ_BYTES)
            if not data:
                break
            self._rest += data
        if not ordered:
            yield "stopped, as the process that started it is gone"
