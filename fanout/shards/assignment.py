"""Sends a child process its share of a run on its standard input: one line says what to do, each later one to stop.

The end of the input means that the parent is gone, for whatever reason: the child stops, so that none goes on
unnoticed.
"""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator
from dataclasses import asdict, dataclass

import anyio

from fanout.config.model import Config
from fanout.domain.row_ranges import Stripe
from fanout.runtime.simulated import SimulatorAddress

STOP = b"stop\n"
"""The first stops in order, the second at once, as signals do."""
_READ_BYTES = 65_536


@dataclass(frozen=True, slots=True)
class Assignment:
    """What one process of a run does.

    Attributes:
        run_id: The shard's run id, if the shard has none yet.
        config: Its share of the configuration.
        stripe: Its share of the rows.
        simulator: The local AWS, which lives with the process that started it; None for AWS itself.
        log_level: One of `logging.LEVELS`.
        counts: Whether metrics are asked for.
    """

    run_id: str
    config: Config
    stripe: Stripe
    simulator: SimulatorAddress | None
    log_level: str
    counts: bool

    def encode(self) -> bytes:
        """Return it as a line. It holds the local AWS's credentials, so it is never written down."""
        content = {
            "run": self.run_id,
            "config": self.config.model_dump(mode="json", exclude_defaults=True),
            "stripe": asdict(self.stripe),
            "simulator": None if self.simulator is None else asdict(self.simulator),
            "log_level": self.log_level,
            "counts": self.counts,
        }
        return json.dumps(content).encode() + b"\n"


def decode(line: bytes) -> Assignment:
    """Return what `Assignment.encode` was given."""
    content = json.loads(line)
    return Assignment(
        run_id=content["run"],
        config=Config.model_validate(content["config"]),
        stripe=Stripe(**content["stripe"]),
        simulator=(None if content["simulator"] is None else SimulatorAddress(**content["simulator"])),
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
        """Return this process's assignment; blocks until the line has come.

        Raises:
            EOFError: The process that started it went away before.
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
