"""Sends a child process its share of a run on its standard input: one line says what to do, each later one to stop.

The end of the input means that the parent is gone, for whatever reason: the child stops, so that none goes on
unnoticed.
"""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator, Callable
from dataclasses import asdict, dataclass

import anyio

from fanout.config.model import Config
from fanout.domain.row_ranges import Stripe
from fanout.runtime.simulated import SimulatorAddress

GRANT = b"rate "
STOP = b"stop\n"
"""The first stops in order, the second at once, as signals do."""
_READ_BYTES = 65_536


@dataclass(frozen=True, slots=True)
class Assignment:
    """What one process of a run does.

    Attributes:
        run_id: The shard's run id, if the shard has none yet.
        config: Its share of the configuration.
        stripe: Its share of the rows, if they are dealt out one by one; None if the run's plan says what it reads.
        shard: Which of the plan's shards it is; None for a stripe.
        simulator: The local AWS, which lives with the process that started it; None for AWS itself.
        log_level: One of `logging.LEVELS`.
        counts: Whether metrics are asked for.
        place: Of the whole run, where its state is kept in S3; None where that is the shard's directory.
        leased: Whether its rate is what it is granted from time to time (`leases`), and not its share.
    """

    run_id: str
    config: Config
    stripe: Stripe | None
    shard: int | None
    simulator: SimulatorAddress | None
    log_level: str
    counts: bool
    place: str | None = None
    leased: bool = False

    def encode(self) -> bytes:
        """Return it as a line. It holds the local AWS's credentials, so it is never written down."""
        content = {
            "run": self.run_id,
            "config": self.config.model_dump(mode="json", exclude_defaults=True),
            "stripe": None if self.stripe is None else asdict(self.stripe),
            "shard": self.shard,
            "simulator": None if self.simulator is None else asdict(self.simulator),
            "log_level": self.log_level,
            "counts": self.counts,
            "place": self.place,
            "leased": self.leased,
        }
        return json.dumps(content).encode() + b"\n"


def decode(line: bytes) -> Assignment:
    """Return what `Assignment.encode` was given."""
    content = json.loads(line)
    return Assignment(
        run_id=content["run"],
        config=Config.model_validate(content["config"]),
        stripe=None if content["stripe"] is None else Stripe(**content["stripe"]),
        shard=content["shard"],
        simulator=(None if content["simulator"] is None else SimulatorAddress(**content["simulator"])),
        log_level=content["log_level"],
        counts=content["counts"],
        place=content["place"],
        leased=content["leased"],
    )


class ParentPipe:
    """The child's end.

    Args:
        handle: The descriptor to read from.

    Attributes:
        granted: Called with each grant of a share of the rate: its number, the rate, and when it was asked for.
    """

    def __init__(self, handle: int) -> None:
        self.granted: Callable[[int, float, float], None] | None = None
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
            for line in lines:
                if line.startswith(GRANT):
                    self._take(line)
                    continue
                ordered = True
                yield "stopped with the run that it belongs to"
            await anyio.wait_readable(self._handle)
            data = os.read(self._handle, _READ_BYTES)
            if not data:
                break
            self._rest += data
        if not ordered:
            yield "stopped, as the process that started it is gone"

    def _take(self, line: bytes) -> None:
        number, rate, asked_at = json.loads(line.removeprefix(GRANT))
        if self.granted is not None:
            self.granted(int(number), float(rate), float(asked_at))


def grant_line(number: int, rate_per_s: float, *, asked_at: float) -> bytes:
    """Return the line that tells a child what it may send at; see `leases`."""
    return GRANT + json.dumps([number, rate_per_s, asked_at]).encode() + b"\n"
