"""Runs an engine, or several processes, while observers watch; stops the work at a signal or at the deadline.

The tasks beside the work are started with it and have ended when it has.
"""

from __future__ import annotations

import functools
import logging
import signal
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

import anyio

from fanout.engine.snapshot import Observer, Snapshot
from fanout.errors import DeadlineReached, Interrupted, RunError, unwrapped
from fanout.ports import Clock, T_co

T = TypeVar("T")
_log = logging.getLogger(__name__)
SIGNALS = (signal.SIGINT, signal.SIGTERM)


@dataclass(frozen=True, slots=True, kw_only=True)
class Supervisor:
    """What watches a run, and what ends it early.

    Attributes:
        observers: Each looks in its own rhythm.
        clock: The run's clock.
        next_step: What the person can do next, as a sentence's end.
        grace_s: How long a stop may take, for the line that a signal is answered with; None if nothing bounds it.
        deadline_at: When the run stops; None for never.
        orders: Of the process that started this one: each is a reason to stop, the first in order, the second at
            once; None if no process gives any.
    """

    observers: Sequence[Observer]
    clock: Clock
    next_step: str
    grace_s: float | None
    deadline_at: float | None = None
    orders: Callable[[], AsyncIterator[str]] | None = None

    async def run(self, work: Work[T]) -> T:
        """Do the work and return what it comes to.

        Raises:
            Interrupted: A second signal came; the first is the work's to answer.
            RunError: The work's own.
        """
        result: list[T] = []
        at_once = anyio.CancelScope()
        with unwrapped():
            async with anyio.create_task_group() as beside:
                beside.start_soon(self._listen, work, at_once)
                beside.start_soon(self._obey, work, at_once)
                beside.start_soon(self._expire, work)
                for observer in self.observers:
                    beside.start_soon(functools.partial(observer.watch, work.look, now=self.clock.now))
                with at_once:
                    result.append(await work.run())
                beside.cancel_scope.cancel()
        if at_once.cancelled_caught:
            raise Interrupted(f"stopped at once; {self.next_step}")
        return result[0]

    async def _listen(self, work: Work[T], at_once: anyio.CancelScope) -> None:
        """First signal: stop in order. Second: at once."""
        if threading.current_thread() is not threading.main_thread():
            return  # signals reach the main thread alone, which answers them
        with anyio.open_signal_receiver(*SIGNALS) as signals:
            async for number in signals:
                name = signal.Signals(number).name
                work.stop(Interrupted(f"{name}: stopped; {self.next_step}", by=name))
                most = "" if self.grace_s is None else f", for {self.grace_s:g} s at most"
                _log.warning("%s: collecting what the endpoint has%s; again to stop at once", name, most)
                async for _ in signals:
                    at_once.cancel()

    async def _obey(self, work: Work[T], at_once: anyio.CancelScope) -> None:
        """Act as on signals, but print nothing: the process that gives the order informs the person."""
        if self.orders is None:
            return
        ordered = False
        async for reason in self.orders():
            if ordered:
                at_once.cancel()
            else:
                work.stop(Interrupted(f"{reason}; {self.next_step}"))
            ordered = True

    async def _expire(self, work: Work[T]) -> None:
        if self.deadline_at is not None:
            await self.clock.sleep_until(self.deadline_at)
            work.stop(DeadlineReached(f"the deadline has passed; {self.next_step}"))


class Work(Protocol[T_co]):
    """What takes rows to their end: an engine, or several processes that each run one."""

    async def run(self) -> T_co:
        """Take every row to its end.

        Raises:
            RunError: It could not go on, or `stop` was called; rows that had ended are durable.
        """
        ...

    def stop(self, reason: RunError) -> None:
        """Send nothing more, collect what the endpoint has while the grace lasts, then leave with `reason`."""
        ...

    def look(self) -> Snapshot:
        """Return where it stands."""
        ...
