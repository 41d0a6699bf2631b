"""Runs, resumes and retries, with and without an event loop; imports the engine when one of them is called."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fanout.commands.rebuild import Rebuilt
    from fanout.config.model import Config
    from fanout.engine.snapshot import Observer
    from fanout.rundir.summary import Summary


async def run_job(config: Config, *, observer: Observer | None = None) -> Summary:
    """Run to the end and return the summary; see `commands.run.run_job`.

    Raises:
        RunError: The run could not be finished; its message names the next step.
        Interrupted: SIGINT or SIGTERM came; what was collected is durable, and `resume_job` goes on.
    """
    from fanout.commands import run as command

    return await command.run_job(config, observer=observer)


async def resume_job(
    path: Path, *, observer: Observer | None = None, changed: Config | None = None
) -> Summary:
    """Finish an interrupted run and return its summary; see `commands.resume.resume_job`.

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
    """Send the rows of a finished run that did not succeed once more; see `commands.retry.retry_job`.

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


def run(config: Config, *, observer: Observer | None = None) -> Summary:
    """Run to the end and return the summary; see `run_job`."""
    from fanout.runtime.event_loop import run_in_event_loop

    return run_in_event_loop(functools.partial(run_job, config, observer=observer))


def resume(path: Path, *, observer: Observer | None = None, changed: Config | None = None) -> Summary:
    """Finish an interrupted run and return its summary; see `resume_job`."""
    from fanout.runtime.event_loop import run_in_event_loop

    return run_in_event_loop(functools.partial(resume_job, path, observer=observer, changed=changed))


def rebuild(path: Path) -> Rebuilt:
    """Put a new journal into a run directory; see `commands.rebuild.rebuild`."""
    from fanout.commands import rebuild as command
    from fanout.runtime.event_loop import run_in_event_loop

    return run_in_event_loop(functools.partial(command.rebuild, path))


def retry(
    path: Path, output: str, *, observer: Observer | None = None, changed: Config | None = None
) -> Summary:
    """Send the rows of a finished run that did not succeed once more; see `retry_job`."""
    from fanout.runtime.event_loop import run_in_event_loop

    return run_in_event_loop(functools.partial(retry_job, path, output, observer=observer, changed=changed))
