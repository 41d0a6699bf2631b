"""Takes the signals to stop while something in this process listens, and puts back the handlers of before.

A signal goes to all that listen, on whichever loop or thread they run: the runs of a process stop together, and when
one of them ends, the others still listen.
"""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from types import FrameType
from typing import Any

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""SIGHUP comes when the terminal is closed; where it is ignored, as under nohup, it stays ignored."""
Hear = Callable[[str], None]


@dataclass(frozen=True, slots=True, eq=False)
class _Listener:
    loop: asyncio.AbstractEventLoop
    thread: int
    hear: Hear

    def tell(self, name: str) -> None:
        with suppress(RuntimeError):  # its loop has been closed
            self.loop.call_soon_threadsafe(self.hear, name)


class Signals:
    """The signals of one process; its functions below are those of the one instance that there is.

    A handler of Python's own, not the loop's `add_signal_handler`: removing that one sets the default instead of what
    was there, and there is one for all runs of a loop. Whatever is changed here is changed in one step, since a handler
    runs between any two of the main thread's instructions.
    """

    def __init__(self) -> None:
        self._takers = 0
        self._before: dict[int, Any] = {}
        self._listeners: tuple[_Listener, ...] = ()
        self._unheard: tuple[int, ...] = ()

    @contextmanager
    def taken(self) -> Iterator[None]:
        """Take the signals inside the block; those that come before anything listens are kept for it.

        What nothing has listened to by the end of the block is raised once more, for the handlers of before. On another
        thread than the main one nothing is taken: signals reach the main thread alone.
        """
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        self._takers += 1
        if self._takers == 1:
            self._take()
        try:
            yield
        finally:
            self._takers -= 1
            if not self._takers:
                self._put_back()

    @contextmanager
    def listening(self, hear: Hear) -> Iterator[None]:
        """Have `hear` called on this loop with the name of each signal that comes inside the block."""
        listener = _Listener(asyncio.get_running_loop(), threading.get_ident(), hear)
        with self.taken():
            self._listeners = (*self._listeners, listener)
            unheard, self._unheard = self._unheard, ()
            for number in unheard:
                hear(signal.Signals(number).name)
            try:
                yield
            finally:
                self._listeners = tuple(each for each in self._listeners if each is not listener)

    def _take(self) -> None:
        for number in SIGNALS:
            handler = signal.getsignal(number)
            if number == signal.SIGHUP and handler == signal.SIG_IGN:
                continue
            if handler is not None:  # None: of a program that embeds Python, and could not be put back
                self._before[number] = handler
                signal.signal(number, self._came)

    def _put_back(self) -> None:
        before, self._before = self._before, {}
        unheard, self._unheard = self._unheard, ()
        for number, handler in before.items():
            if signal.getsignal(number) == self._came:  # else it was changed meanwhile, by whom it concerns
                signal.signal(number, handler)
        for number in unheard:
            signal.raise_signal(number)

    def _came(self, number: int, _frame: FrameType | None) -> None:
        if not self._listeners:
            self._unheard = (*self._unheard, number)
        for listener in self._listeners:
            listener.tell(signal.Signals(number).name)

    def tell(self, thread: int, name: str) -> None:
        """Have what listens on one thread, by its ident, hear of `name` as of a signal."""
        for listener in self._listeners:
            if listener.thread == thread:
                listener.tell(name)


_signals = Signals()
taken = _signals.taken
listening = _signals.listening
tell = _signals.tell


def in_event_loop() -> bool:
    """Whether an asyncio loop runs on this thread, also in a callback of it, which is no task."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def reinstall_handlers() -> None:
    """Have this process's own handlers of the signals to stop hear them first, after a library has put its own before.

    Ray's (abseil's failure handler) ends the process by an alarm 3 s after a SIGTERM that it has passed on.
    """
    if threading.current_thread() is not threading.main_thread():
        return  # which has no handlers
    for number in SIGNALS:
        handler = signal.getsignal(number)
        if handler is not None:
            signal.signal(number, handler)
