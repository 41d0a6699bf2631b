"""Runs the verbs where an event loop is running already; `api.verbs` has them for code without one.

Nothing of the engine is imported until one is called.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Unpack

from fanout.api.verbs import StrPath, configured
from fanout.config.keywords import RunKeywords, spelled_out

if TYPE_CHECKING:
    from fanout.config.model import Config
    from fanout.engine.snapshot import Observer
    from fanout.rundir.summary import Summary


@spelled_out(RunKeywords)
async def run_job(
    config: Config | StrPath | Sequence[StrPath] | None = None,
    *,
    observer: Observer | None = None,
    **keywords: Unpack[RunKeywords],
) -> Summary:
    """Run to the end and return the summary; it takes what `fanout.run` takes.

    Raises:
        UsageError: A keyword, a value, the input or the output is not what it should be, or no asyncio loop runs.
        RunError: The run could not be finished; its message names the next step.
        Interrupted: SIGINT, SIGTERM or SIGHUP came; what was collected is durable, and `resume_job` continues.
    """
    from fanout.commands import run as command

    _require_asyncio("run")
    return await command.run_job(configured(config, keywords), observer=observer)


async def resume_job(
    path: StrPath, *, observer: Observer | None = None, changed: Config | None = None
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

    _require_asyncio("resume")
    return await command.resume_job(Path(path), observer=observer, changed=changed)


async def retry_job(
    path: StrPath, output: StrPath, *, observer: Observer | None = None, changed: Config | None = None
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

    _require_asyncio("retry")
    return await command.retry_job(Path(path), os.fspath(output), observer=observer, changed=changed)


def _require_asyncio(verb: str) -> None:
    from fanout.concurrency.signals import in_event_loop
    from fanout.errors import UsageError

    if not in_event_loop():
        raise UsageError(
            f"{verb}_job needs an asyncio event loop: under trio, call fanout.{verb} on a thread, "
            f"trio.to_thread.run_sync(fanout.{verb}, ...)"
        )
