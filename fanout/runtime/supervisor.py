"""Stops a run, whatever it is at, at a signal or by order of the process that started it; its work, at the deadline.

While it starts, it is cancelled, and what it has opened is closed; its work stops in order, then at once; what comes
after the work is brought to its end. Observers watch the work.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol, TypeVar

import anyio
from anyio.abc import TaskGroup

from fanout.concurrency import signals
from fanout.concurrency.clock import SystemClock
from fanout.engine.snapshot import Observer, Snapshot
from fanout.errors import DeadlineReached, Interrupted, RunError, unwrapped
from fanout.ports import Clock, T_co

T = TypeVar("T")
_log = logging.getLogger(__name__)


class Supervisor:
    """What ends one run early.

    Args:
        clock: The run's clock.
        next_step: What the person can do next, as a sentence's end.
        grace_s: How long a stop may take, for the line that a signal is answered with; None if nothing bounds it.
        deadline_at: When the work stops; None for never. While the run starts, its session sees to it.
        orders: Of the process that started this one: each is a reason to stop, the first in order, the second at
            once; None if no process gives any.
    """

    def __init__(
        self,
        *,
        clock: Clock,
        next_step: str,
        grace_s: float | None,
        deadline_at: float | None = None,
        orders: Callable[[], AsyncIterator[str]] | None = None,
    ) -> None:
        self._clock = clock
        self._next_step = next_step
        self._grace_s = grace_s
        self._deadline_at = deadline_at
        self._orders = orders
        self._start = anyio.CancelScope()
        self._at_once = anyio.CancelScope()
        self._reason: RunError | None = None
        self._work: Work[Any] | None = None
        self._ended = False
        self._ordered = False
        self._by: str | None = None
        self._beside: TaskGroup | None = None

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Take the signals of this process inside the block: each is an order to stop."""
        with signals.listening(self._hear):
            yield

    async def run(self, main: Callable[[], Awaitable[T]]) -> T:
        """Return what `main` returns, which opens what the run needs and hands its work to `attend`.

        Raises:
            Interrupted: A signal or an order came before the work began.
            RunError: `main`'s own.
        """
        result: list[T] = []
        with unwrapped():
            async with anyio.create_task_group() as beside:
                self._beside = beside
                beside.start_soon(self._obey)
                with self._start:
                    result.append(await main())
                beside.cancel_scope.cancel()
        if not result and self._reason is not None:
            raise self._reason
        return result[0]

    @property
    def reason(self) -> RunError | None:
        """What a signal, an order or the deadline has stopped the run for; None while nothing has."""
        return self._reason

    def alongside(self, task: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Have `task` go on beside `main` until that has ended; what it raises ends `main`, at once."""
        assert self._beside is not None, "main is not running"
        self._beside.start_soon(task)

    async def attend(self, work: Work[T], observers: Sequence[Observer]) -> T:
        """Do the work while `observers` watch, each in its own rhythm, and return what it comes to.

        Raises:
            Interrupted: A second signal came; the first is the work's to answer.
            RunError: The work's own.
        """
        result: list[T] = []
        self._work = work
        try:
            with unwrapped():
                async with anyio.create_task_group() as watching:
                    watching.start_soon(self._expire)
                    for observer in observers:
                        watching.start_soon(functools.partial(observer.watch, work.look, now=self._clock.now))
                    with self._at_once:
                        result.append(await work.run())
                    watching.cancel_scope.cancel()
        finally:
            self._ended = True
        if not result:
            raise Interrupted(f"stopped at once; {self._next_step}", by=self._by)
        return result[0]

    def _hear(self, name: str) -> None:
        """Act on a signal, and tell the person."""
        if name == "SIGHUP" and self._ordered:
            return  # a closed terminal is told by the shell and by the kernel: that is one order, not two
        stopping = self._order(Interrupted(f"{name}: stopped; {self._next_step}", by=name))
        if self._ended:
            _log.warning("%s: every row has ended; what is left is brought to its end", name)
        elif stopping:
            most = "" if self._grace_s is None else f", for {self._grace_s:g} s at most"
            _log.warning("%s: collecting what the endpoint has%s; again to stop at once", name, most)

    async def _obey(self) -> None:
        """Act as on signals, but print nothing: the process that gives the order informs the person."""
        if self._orders is not None:
            async for reason in self._orders():
                self._order(Interrupted(f"{reason}; {self._next_step}"))

    async def _expire(self) -> None:
        if self._deadline_at is not None:
            await self._clock.sleep_until(self._deadline_at)
            self._stop(DeadlineReached(f"the deadline has passed; {self._next_step}"))

    def _order(self, reason: Interrupted) -> bool:
        """Stop in order by the first order, at once by the second; return whether work stops in order now."""
        self._by = reason.by
        if self._ordered:
            self._at_once.cancel()
            return False
        self._ordered = True
        return self._stop(reason)

    def _stop(self, reason: RunError) -> bool:
        """Stop for `reason`; return whether there is work to stop. What has ended cannot be stopped."""
        if self._ended:
            return False
        self._reason = self._reason or reason
        if self._work is None:
            self._start.cancel()
            return False
        self._work.stop(reason)
        return True


async def until_stopped(main: Callable[[], Awaitable[T]], *, next_step: str) -> T:
    """Return what `main` returns, which is cancelled by the first signal.

    Raises:
        Interrupted: A signal came; names `next_step`.
    """
    supervisor = Supervisor(clock=SystemClock(), next_step=next_step, grace_s=None)
    with supervisor.listening():
        return await supervisor.run(main)


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
