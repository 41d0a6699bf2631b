"""The share of a run that one of its processes takes, as one line of JSON."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

from fanout.config.model import Config
from fanout.domain.row_ranges import Stripe
from fanout.runtime.simulated import SimulatorAddress


@dataclass(frozen=True, slots=True)
class Assignment:
    """What a process is to do.

    Attributes:
        run_id: The shard's run id, if the shard has none yet.
        config: Its share of the configuration.
        stripe: Its share of the rows.
        simulator: The local AWS, which lives with the process that started it; None for AWS itself.
        log_level: One of `logs.LEVELS`.
        counts: Whether somebody wants metrics.
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
            "ready": None if self.simulator is None else asdict(self.simulator),
            "log_level": self.log_level,
            "counts": self.counts,
        }
        return json.dumps(content).encode() + b"\n"
