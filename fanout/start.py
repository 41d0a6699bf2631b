"""Runs the engine's coroutines from code without an event loop: the command line, scripts, notebooks."""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import anyio

from fanout.config import Config
from fanout.progress import Observer
from fanout.rebuild import Rebuilt
from fanout.rebuild import rebuild as rebuild_journal
from fanout.runs import resume_job, retry_job, run_job
from fanout.summary import Summary

T = TypeVar("T")


def run(config: Config, *, observer: Observer | None = None) -> Summary:
    """Run to the end and return the summary; see `runs.run_job`."""
    return blocking(functools.partial(run_job, config, observer=observer))


def resume(path: Path, *, observer: Observer | None = None, changed: Config | None = None) -> Summary:
    """Finish an interrupted run and return its summary; see `runs.resume_job`."""
    return blocking(functools.partial(resume_job, path, observer=observer, changed=changed))


def rebuild(path: Path) -> Rebuilt:
    """Put a new journal into a run directory; see `rebuild.rebuild`."""
    return blocking(functools.partial(rebuild_journal, path))


def retry(
    path: Path, output: str, *, observer: Observer | None = None, changed: Config | None = None
) -> Summary:
    """Send the rows of a finished run that did not succeed once more; see `runs.retry_job`."""
    return blocking(functools.partial(retry_job, path, output, observer=observer, changed=changed))


def blocking(main: Callable[[], Awaitable[T]]) -> T:
    """Return what `main` returns, on an event loop of its own, uvloop where there is one.

    Inside a running loop, as in a notebook, that loop is on a thread: signals are then the notebook's.
    """
    try:
        anyio.get_current_task()
    except RuntimeError:  # no loop here
        return _on_a_loop(main)
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="fanout") as thread:
        return thread.submit(_on_a_loop, main).result()


def _on_a_loop(main: Callable[[], Awaitable[T]]) -> T:
    try:
        import uvloop  # noqa: F401, PLC0415 - only to see whether it is there
    except ImportError:
        return anyio.run(main, backend="asyncio")
    return anyio.run(main, backend="asyncio", backend_options={"use_uvloop": True})
