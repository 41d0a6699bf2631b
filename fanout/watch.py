"""What goes on beside a pipeline: the observers look, signals and the deadline stop it in order.

A pipeline enters, its parts leave. Started by the conductor of a run, ended with the pipeline.
"""

from __future__ import annotations

import functools
import logging
import signal
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import anyio

from fanout.errors import DeadlineReached, Interrupted, root_cause
from fanout.output.parts import Part
from fanout.pipeline import Pipeline
from fanout.ports import Clock
from fanout.progress import Observer, Snapshot

_log = logging.getLogger(__name__)
SIGNALS = (signal.SIGINT, signal.SIGTERM)


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """Who watches a run, and what ends it early.

    Attributes:
        observers: Each looks in its own rhythm.
        look: Returns where the run stands.
        clock: The run's clock.
        deadline_at: When the run is to stop, None for never.
        grace_s: How long a stop may take; told to the person who asked for it.
        way_on: What the person can do next, as a sentence's end.
    """

    observers: Sequence[Observer]
    look: Callable[[], Snapshot]
    clock: Clock
    deadline_at: float | None
    grace_s: float
    way_on: str

    async def over(self, pipeline: Pipeline) -> list[Part]:
        """Run the pipeline and return its parts.

        Raises:
            Interrupted: A second signal came; the first is the pipeline's to answer.
            RunError: The pipeline's own.
        """
        parts: list[Part] = []
        at_once = anyio.CancelScope()
        try:
            async with anyio.create_task_group() as beside:
                beside.start_soon(self._listen, pipeline, at_once)
                beside.start_soon(self._expire, pipeline)
                for observer in self.observers:
                    beside.start_soon(functools.partial(observer.watch, self.look, now=self.clock.now))
                with at_once:
                    parts = await pipeline.run()
                beside.cancel_scope.cancel()
        except BaseExceptionGroup as group:
            raise root_cause(group) from group
        if at_once.cancelled_caught:
            raise Interrupted(f"stopped at once; {self.way_on}")
        return parts

    async def _listen(self, pipeline: Pipeline, at_once: anyio.CancelScope) -> None:
        """First signal: stop in order. Second: at once."""
        if threading.current_thread() is not threading.main_thread():
            return  # signals reach the main thread alone; whoever started this one answers them
        with anyio.open_signal_receiver(*SIGNALS) as signals:
            async for number in signals:
                name = signal.Signals(number).name
                pipeline.stop(Interrupted(f"{name}: stopped; {self.way_on}"))
                _log.warning(
                    "%s: collecting what the endpoint has, for %g s at most; again to stop at once",
                    name,
                    self.grace_s,
                )
                async for _ in signals:
                    at_once.cancel()

    async def _expire(self, pipeline: Pipeline) -> None:
        if self.deadline_at is not None:
            await self.clock.sleep_until(self.deadline_at)
            pipeline.stop(DeadlineReached(f"the deadline has passed; {self.way_on}"))
