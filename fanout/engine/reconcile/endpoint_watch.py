"""Asks whether the endpoint still serves when results are overdue by what was seen so far.

An endpoint that was deleted after it had accepted rows answers nothing and refuses nothing: without a question, a run
that has sent all of its rows would wait for their deadlines. The pipeline starts one worker.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from fanout.engine.open_rows import OpenRows
from fanout.engine.reconcile.service_times import ServiceTimes
from fanout.ports import Clock

TIMES = 4.0
"""Results are overdue after so many times the slowest seen."""
LEAST_S = 30.0
"""Silence that is shorter says nothing: messages and listings come in bursts."""
MOST_S = 300.0
"""Silence that is longer is worth a question, however slow rows were; also before any result was seen."""
SPACING_S = 60.0  # between two questions; doubled by each one that found the endpoint there
MOST_SPACING_S = 600.0


def next_question(
    now: float,
    *,
    started_at: float,
    oldest_wait: float | None,
    last_result_at: float | None,
    slowest_s: float | None,
    asked_at: float | None,
    asked: int,
) -> float:
    """Return when to ask next, in the past or `now` for at once; at the latest, when to decide again. Pure.

    Args:
        now: The present instant.
        started_at: When this process began.
        oldest_wait: Since when the oldest row waits for its result; None if none waits.
        last_result_at: When a result was last fetched; None if none was.
        slowest_s: The longest that a row took; None if no result was seen.
        asked_at: When the last question was answered, after `asked` questions since the last result; None if none was.
        asked: See `asked_at`.
    """
    if oldest_wait is None:
        return now + LEAST_S
    overdue_s = MOST_S if slowest_s is None else min(MOST_S, max(LEAST_S, TIMES * slowest_s))
    silent_since = max(started_at, oldest_wait, last_result_at or oldest_wait)
    due = silent_since + overdue_s
    if asked_at is None:
        return due
    return max(due, asked_at + min(MOST_SPACING_S, SPACING_S * 2.0 ** min(max(asked - 1, 0), 10)))


class EndpointWatch:
    """Asks about the endpoint while its results are overdue.

    Args:
        rows: The open rows.
        service_times: What was seen of the endpoint's results.
        look: Asks; raises `RunError` when the endpoint is gone or serves no more, and for no other reason.
        clock: The run's clock.
    """

    def __init__(
        self,
        *,
        rows: OpenRows,
        service_times: ServiceTimes,
        look: Callable[[], Awaitable[None]],
        clock: Clock,
    ) -> None:
        self._rows = rows
        self._service_times = service_times
        self._look = look
        self._clock = clock
        self._started_at = clock.now()
        self._asked_at: float | None = None
        self._asked = 0

    async def worker(self) -> None:
        """Watch for ever.

        Raises:
            RunError: The endpoint is gone or serves no more.
        """
        while True:
            now = self._clock.now()
            due = self._next(now)
            if due > now:
                await self._clock.sleep_until(due)  # a result that comes meanwhile puts it off
                continue
            await self._look()
            self._asked_at = self._clock.now()
            self._asked += 1

    def _next(self, now: float) -> float:
        seen = self._service_times
        if self._asked_at is not None and (seen.last_result_at or self._asked_at) > self._asked_at:
            self._asked = 0
        return next_question(
            now,
            started_at=self._started_at,
            oldest_wait=self._rows.oldest_wait(),
            last_result_at=seen.last_result_at,
            slowest_s=seen.whole.quantile(1.0),
            asked_at=self._asked_at,
            asked=self._asked,
        )
