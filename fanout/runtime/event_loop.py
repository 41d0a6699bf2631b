"""Runs the engine's coroutines from code without an event loop: the command line, scripts, notebooks."""

from __future__ import annotations

import functools
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor, wait
from typing import TypeVar

import anyio

from fanout.concurrency import signals

T = TypeVar("T")
LOOK_EVERY_S = 0.2
"""How often the wait for a thread gives the main thread's handlers their turn: `interrupt_main`, and a signal that the
kernel gave to another thread, wake nothing that waits for a lock."""


def run_in_event_loop(main: Callable[[], Awaitable[T]]) -> T:
    """Return what `main` returns, on an event loop of its own, uvloop where there is one.

    Where a loop runs on this thread already, as in a notebook, that loop is on a thread of its own. In both cases
    signals reach what listens in `main` (`concurrency.signals`), and afterwards their handlers are those of before.

    Raises:
        BaseException: What interrupted the wait for that thread, such as an exception that the handler of another
            signal raises; `main` has stopped in order by then, at once after the second.
    """
    with signals.taken():
        return _on_a_thread(main) if _loop_here() else _on_a_loop(main)


def _on_a_thread(main: Callable[[], Awaitable[T]]) -> T:
    thread: list[int] = []

    def there() -> T:
        thread.append(threading.get_ident())
        return _on_a_loop(main)

    interrupted: BaseException | None = None
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="fanout") as pool:
        future = pool.submit(there)
        while not future.done():
            try:
                wait((future,), timeout=LOOK_EVERY_S)
            except BaseException as error:  # noqa: BLE001 - raised below, once nothing is sent any more
                interrupted = interrupted or error
                for ident in thread:
                    signals.tell(ident, type(error).__name__)
    if interrupted is not None:
        raise interrupted from future.exception()
    return future.result()


def _loop_here() -> bool:
    """Whether an event loop runs on this thread: asyncio's, also in one of its callbacks, or trio's."""
    if signals.in_event_loop():
        return True
    try:
        anyio.get_current_task()
    except RuntimeError:
        return False
    return True


def _on_a_loop(main: Callable[[], Awaitable[T]]) -> T:
    run = functools.partial(anyio.run, main, backend="asyncio")
    try:
        import uvloop  # noqa: F401, PLC0415 - only to see whether it is there
    except ImportError:
        return run()
    return run(backend_options={"use_uvloop": True})
