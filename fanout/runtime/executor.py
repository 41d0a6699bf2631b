"""Defines the executor, which takes a run's rows to their end: here, in several processes, or, one day, elsewhere."""

from __future__ import annotations

from typing import Protocol

from fanout.observability.metrics.fold import Fold
from fanout.runtime.result import WorkResult
from fanout.runtime.session import Session
from fanout.runtime.supervisor import Work


class Executor(Protocol):
    """Makes the work of one run; `InProcess` here, `shards.executor.ShardExecutor` in several processes."""

    def check_free(self) -> None:
        """Return if no process of an earlier start is still at a part of the run.

        Raises:
            JournalInUse: One is.
        """
        ...

    async def prepare(self, session: Session, *, fold: Fold | None) -> Work[WorkResult]:
        """Return the work, ready to be run.

        Args:
            session: AWS, endpoint and input of the run; stays open until the work has ended.
            fold: Counts every outcome, whichever process sees it; None if no metrics are asked for.

        Raises:
            UsageError: The configuration, or the input, cannot be shared by so many processes.
            RunError: The queue cannot be made, or rows cannot travel as configured.
        """
        ...
