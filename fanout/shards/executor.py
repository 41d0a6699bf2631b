"""Chooses the executor of a run: this process alone, or several."""

from __future__ import annotations

from fanout.runtime.executor import Executor
from fanout.runtime.spec import RunSpec


def executor_of(spec: RunSpec) -> Executor | None:
    """Return the executor of a run's shards, None if one process does all of it."""
    if spec.config.run.processes == 1:
        return None
    from fanout.shards.processes import ProcessExecutor

    return ProcessExecutor(spec)
