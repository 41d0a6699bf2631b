"""Runs the dataset that a configuration names through an endpoint, and returns the summary of its output file.

Signals and deadlines stop a run in order, and `resume_job` finishes it.
"""

from __future__ import annotations

from fanout.commands.new_run import start_run
from fanout.commands.shard import run_shard
from fanout.concurrency.clock import SystemClock
from fanout.config.model import Config
from fanout.engine.snapshot import Observer
from fanout.rundir.summary import Summary
from fanout.runtime import settings as compose
from fanout.runtime.schedule import scheduled


async def run_job(config: Config, *, observer: Observer | None = None) -> Summary:
    """Run to the end and return the summary.

    Raises:
        RunError: The run could not be finished; its message names the next step.
        Interrupted: SIGINT, SIGTERM or SIGHUP came; what was collected is durable, and `resume_job` goes on.
    """
    if config.run.shard is not None:
        return await run_shard(config, observer=observer)
    tonight = scheduled(compose.absolute(config), now=SystemClock().now())
    return await start_run(tonight, observer=observer)
