"""Chooses what takes the shards of a run to their end."""

from __future__ import annotations

from fanout.config.model import Config
from fanout.rundir.paths import RunDirectory
from fanout.runtime.executor import Executor


def executor_of(directory: RunDirectory, config: Config) -> Executor | None:
    """Return what takes a run's shards to their end, None if one process does all of it."""
    if config.run.processes == 1:
        return None
    from fanout.shards.processes import ProcessExecutor

    return ProcessExecutor(directory, config)
