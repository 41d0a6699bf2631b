"""`run`, `resume` and `retry` for code without an event loop."""

from __future__ import annotations

import functools
from pathlib import Path

from fanout.commands.rebuild import Rebuilt
from fanout.commands.rebuild import rebuild as rebuild_journal
from fanout.commands.resume import resume_job
from fanout.commands.retry import retry_job
from fanout.commands.run import run_job
from fanout.config.model import Config
from fanout.engine.snapshot import Observer
from fanout.rundir.summary import Summary
from fanout.runtime.event_loop import run_in_event_loop


def run(config: Config, *, observer: Observer | None = None) -> Summary:
    """Run to the end and return the summary; see `runs.run_job`."""
    return run_in_event_loop(functools.partial(run_job, config, observer=observer))


def resume(path: Path, *, observer: Observer | None = None, changed: Config | None = None) -> Summary:
    """Finish an interrupted run and return its summary; see `runs.resume_job`."""
    return run_in_event_loop(functools.partial(resume_job, path, observer=observer, changed=changed))


def rebuild(path: Path) -> Rebuilt:
    """Put a new journal into a run directory; see `rebuild.rebuild`."""
    return run_in_event_loop(functools.partial(rebuild_journal, path))


def retry(
    path: Path, output: str, *, observer: Observer | None = None, changed: Config | None = None
) -> Summary:
    """Send the rows of a finished run that did not succeed once more; see `runs.retry_job`."""
    return run_in_event_loop(functools.partial(retry_job, path, output, observer=observer, changed=changed))
