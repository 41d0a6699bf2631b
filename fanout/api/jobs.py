"""Runs the verbs where an event loop is running already; `api.verbs` has them for code without one.

Nothing of the engine is imported until one is called.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fanout.config.model import Config
    from fanout.engine.snapshot import Observer
    from fanout.rundir.summary import Summary


async def run_job(config: Config, *, observer: Observer | None = None) -> Summary:
    """Run to the end and return the summary; see `fanout.run`.

    Raises:
        RunError: The run could not be finished; its message names the next step.
        Interrupted: SIGINT or SIGTERM came; what was collected is durable, and `resume_job` continues.
    """
    from fanout.commands import run as command

    return await command.run_job(config, observer=observer)


async def resume_job(
    path: Path, *, observer: Observer | None = None, changed: Config | None = None
) -> Summary:
    """Finish an interrupted run and return its summary; see `fanout.resume`.

    Args:
        path: The run directory.
        observer: Watches.
        changed: A configuration that may differ from the run's in what does not matter to its result.

    Raises:
        RunError: The run could not be finished, or is not one that can be resumed; names the next step.
    """
    from fanout.commands import resume as command

    return await command.resume_job(path, observer=observer, changed=changed)


async def retry_job(
    path: Path, output: str, *, observer: Observer | None = None, changed: Config | None = None
) -> Summary:
    """Send the rows of a finished run that did not succeed once more; see `fanout.retry`.

    Args:
        path: The run directory of the finished run.
        output: Where the new run writes.
        observer: Watches.
        changed: A configuration that may differ from the run's.

    Raises:
        RunError: The run could not be finished; its message names the next step.
    """
    from fanout.commands import retry as command

    return await command.retry_job(path, output, observer=observer, changed=changed)
