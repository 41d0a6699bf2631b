"""What a runner sees of the processes, or machines, that take the shards of a run to their end."""

from __future__ import annotations

from typing import Protocol

from fanout.engine.snapshot import Snapshot
from fanout.observability.metrics.fold import Fold
from fanout.observability.warnings import WarningLog
from fanout.output.parts import Part
from fanout.rundir.shard_result import ShardResult
from fanout.runtime.simulated import SimulatorAddress
from fanout.runtime.supervisor import Work


class Executor(Work[list[Part]], Protocol):
    """Runs the shards of one run: `prepare`, then `run`, then `subtotal`."""

    def check_free(self) -> None:
        """Return if no process of an earlier start has a shard of the run.

        Raises:
            JournalInUse: One has.
        """
        ...

    def prepare(
        self,
        *,
        simulator: SimulatorAddress | None,
        fold: Fold | None,
        warning_log: WarningLog,
        next_step: str,
    ) -> None:
        """Take what is known only once the run is open.

        Args:
            simulator: The local AWS, if that is what it runs against.
            fold: Is to hold what all processes count, None if nobody wants it.
            warning_log: What a person has been warned of.
            next_step: What the person can do next, as a sentence's end.

        Raises:
            UsageError: The configuration cannot be shared by so many shards.
        """
        ...

    def look(self) -> Snapshot:
        """Return where all shards stand together."""
        ...

    def subtotal(self) -> ShardResult:
        """Return what all shards came to; they have finished.

        Raises:
            JournalError: A shard's figures are damaged.
        """
        ...
