"""What goes on beside a run's work: the observers look, signals and the deadline stop it in order.

The work enters, an engine or the processes of a run; what it comes to leaves. Started by the conductor, ended with it.
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
from fanout.errors import DeadlineReached, Interrupted, RunError, root_cause
from fanout.ports import Clock, T_co

T = TypeVar("T")
_log = logging.getLogger(__name__)
SIGNALS = (signal.SIGINT, signal.SIGTERM)


@dataclass(frozen=True, slots=True, kw_only=True)
class Supervisor:
    """Who watches a run, and what ends it early.

    Attributes:
        observers: Each looks in its own rhythm.
        look: Returns where the run stands.
        clock: The run's clock.
        deadline_at: When the run is to stop, None for never.
        grace_s: How long a stop may take; told to the person who asked for it.
        next_step: What the person can do next, as a sentence's end.
        orders: Of the process that started this one: each is a reason to stop, the first in order, the second at
            once; None if nobody gives any.
    """

    observers: Sequence[Observer]
    look: Callable[[], Snapshot]
    clock: Clock
    deadline_at: float | None
    grace_s: float
    next_step: str
    orders: Callable[[], AsyncIterator[str]] | None = None

    async def over(self, work: Work[T]) -> T:
        """Do the work and return what it comes to.

        Raises:
            Interrupted: A second signal came; the first is the work's to answer.
            RunError: The work's own.
        """
        result: list[T] = []
        at_once = anyio.CancelScope()
        try:
            async with anyio.create_task_group() as beside:
                beside.start_soon(self._listen, work, at_once)
                beside.start_soon(self._obey, work, at_once)
                beside.start_soon(self._expire, work)
                for observer in self.observers:
                    beside.start_soon(functools.partial(observer.watch, self.look, now=self.clock.now))
                with at_once:
                    result.append(await work.run())
                beside.cancel_scope.cancel()
        except BaseExceptionGroup as group:
            raise root_cause(group) from group
        if at_once.cancelled_caught:
            raise Interrupted(f"stopped at once; {self.next_step}")
        return result[0]

    async def _listen(self, work: Work[T], at_once: anyio.CancelScope) -> None:
        """First signal: stop in order. Second: at once."""
        if threading.current_thread() is not threading.main_thread():
            return  # signals reach the main thread alone; whoever started this one answers them
        with anyio.open_signal_receiver(*SIGNALS) as signals:
            async for number in signals:
                name = signal.Signals(number).name
                work.stop(Interrupted(f"{name}: stopped; {self.next_step}"))
                _log.warning(
                    "%s: collecting what the endpoint has, for %g s at most; again to stop at once",
                    name,
                    self.grace_s,
                )
                async for _ in signals:
                    at_once.cancel()

    async def _obey(self, work: Work[T], at_once: anyio.CancelScope) -> None:
        """As for signals, and without a word: whoever gives the order has told the person."""
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
    """What a run consists of: an engine, or several processes that each run one."""

    async def run(self) -> T_co:
        """Take every row to its end.

        Raises:
            RunError: It could not go on, or `stop` was called; rows that had ended are durable.
        """
        ...

    def stop(self, reason: RunError) -> None:
        """Send nothing more, collect what the endpoint has while the grace lasts, then leave with `reason`."""
        ...
