"""Runs the engine's coroutines from code without an event loop: the command line, scripts, notebooks."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import anyio

T = TypeVar("T")


def run_in_event_loop(main: Callable[[], Awaitable[T]]) -> T:
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
