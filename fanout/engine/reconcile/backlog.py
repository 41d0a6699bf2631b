"""Asks for the endpoint's backlog while rows wait that nothing else can settle, at most once a minute.

The pipeline starts one worker. An answer that does not come, or is not permitted, never fails the run.
"""

from __future__ import annotations

import logging

from fanout.concurrency.notify import Notify
from fanout.engine.reconcile.evidence import empty_from
from fanout.errors import CallError, RunError
from fanout.ports import Clock, Control

_log = logging.getLogger(__name__)
EVERY_S = 60.0
"""ApproximateBacklogSize has a point a minute."""
AT_FIRST_S = 6 * 3_600.0  # a night that a resumed run has missed
LATER_S = 900.0  # what may have been told since the last answer


class BacklogWatch:
    """Knows since when the endpoint's backlog was empty.

    Args:
        control: Tells the backlog.
        endpoint: The endpoint's name.
        clock: The run's clock.
    """

    def __init__(self, *, control: Control, endpoint: str, clock: Clock) -> None:
        self._control = control
        self._endpoint = endpoint
        self._clock = clock
        self._wanted = Notify()
        self._since: float | None = None
        self._empty_from: float | None = None
        self._behind_s = 0.0
        self.told = False
        """Whether it was told at least once: then it will be told again."""
        self.refused = False
        """Whether no answer will ever come."""

    @property
    def empty_from(self) -> float | None:
        """Since when the backlog was empty, by the run's clock; None if that is not known."""
        return None if self._empty_from is None else self._empty_from - self._behind_s

    def compare_clocks(self, modified_at: float) -> None:
        """Note an instant of AWS's clock that has passed: by a clock that is behind, a row seems older than it is."""
        self._behind_s = max(self._behind_s, modified_at - self._clock.now())

    def want(self, since: float) -> None:
        """Have the backlog asked for: a row waits that was accepted, or sent, at `since`."""
        self._since = since if self._since is None else min(self._since, since)
        self._wanted.notify()

    async def worker(self) -> None:
        """Ask whenever that is wanted, until it turns out that no answer will come."""
        span_s = AT_FIRST_S
        while True:
            while self._since is None:
                await self._wanted.wait()
            since, self._since = self._since, None
            asked_at = self._clock.now()
            if not await self._ask(max(since, asked_at - span_s), asked_at):
                return
            span_s = LATER_S
            await self._clock.sleep_until(asked_at + EVERY_S)

    async def _ask(self, since: float, until: float) -> bool:
        """Take note of the backlog; return whether it is worth asking again."""
        try:
            points = await self._control.backlog(self._endpoint, since=since, until=until)
        except (CallError, RunError) as error:
            _log.debug("the endpoint's backlog could not be read: %s", error)
            return True
        if points is None:
            self.refused = True
            _log.info("the endpoint's backlog cannot be read: rows without a result wait for their deadlines")
            return False
        self.told = self.told or bool(points)
        began_at = empty_from(points)
        if began_at is not None and (self._empty_from is None or began_at > self._empty_from):
            self._empty_from = began_at
        return True
