"""Models the asynchronous endpoint as a queue in front of instances x slots, first come first served.

`admit` takes a request at an instant; `advance` returns how and when it ended: served, failed, timed out or expired.
Pure and deterministic for a seed; knows nothing of payloads, S3 or messages. Owned by `world`.
"""

from __future__ import annotations

import heapq
import math
import random
from collections import deque
from dataclasses import dataclass
from enum import Enum, unique
from itertools import count
from typing import Generic, NamedTuple, TypeVar

from fanout.simulator.backlog import BacklogHistory
from fanout.simulator.errors import ServiceError
from fanout.simulator.settings import SimulatorSettings, Spread, ThrottleSettings

Task = TypeVar("Task")


@unique
class Verdict(Enum):
    """How a task ended."""

    COMPLETED = "completed"
    FAILED = "failed"
    """The model answered with an error."""
    TIMED_OUT = "timed out"
    """The model took longer than the request allowed."""
    EXPIRED = "expired"
    """No slot became free within the request's time to live."""


class Finished(NamedTuple, Generic[Task]):
    """One task's end, at `at` (seconds since the epoch); `started_at` is None if it never reached a slot."""

    task: Task
    verdict: Verdict
    at: float
    started_at: float | None


@dataclass(slots=True, eq=False)
class _Waiting(Generic[Task]):
    """A task without a slot; `over` once it has one or has expired, since two structures hold it."""

    task: Task
    timeout_s: float
    expires_at: float
    over: bool = False


@dataclass(frozen=True, slots=True)
class EndpointStatistics:
    """The endpoint now: requests without a slot, in the model, its slots, and all that were let in or refused."""

    waiting: int
    running: int
    slots: int
    admitted: int
    throttled: int


class EndpointModel(Generic[Task]):
    """One endpoint's slots and queue; events are heaps, so that a step costs O(log n) whatever waits.

    Args:
        settings: Instances, slots, service time, shares of failures.
        rng: Where service times and failures are drawn from, in the order in which tasks start.
    """

    def __init__(self, settings: SimulatorSettings, *, rng: random.Random) -> None:
        self.instances = settings.instances
        self._per_instance = settings.concurrency_per_instance
        self._cold_instances = settings.cold_instances
        self._cold_start_s = settings.cold_start_s
        self._service_time: Spread = settings.service_time
        self._failure_share = settings.failure_share
        self._expired_share = settings.faults.expired_share
        self._rng = rng
        self._bucket = _TokenBucket(settings.throttle)
        self.backlog = BacklogHistory()
        self._warm_at: float | None = None
        self._running: list[tuple[float, int, Task, float, Verdict]] = []
        self._waiting: deque[_Waiting[Task]] = deque()
        self._expiries: list[tuple[float, int, _Waiting[Task]]] = []
        self._waiting_count = 0
        self._admitted = 0
        self._throttled = 0
        self._order = count()  # ties of the heaps are broken by age, never by comparing tasks

    @property
    def slots(self) -> int:
        """Requests that can be in the model at once."""
        return self.instances * self._per_instance

    def admit(self, task: Task, *, now: float, ttl_s: float, timeout_s: float) -> None:
        """Take the task: it starts at once if a slot is free, else waits for at most `ttl_s`.

        Call `advance(now)` before, so that what ended until now has left its slot.

        Raises:
            ServiceError: ThrottlingException; the task is not taken.
        """
        try:
            self._bucket.take(now)
        except ServiceError:
            self._throttled += 1
            raise
        self._admitted += 1
        if len(self._running) < self.slots and not self._waiting_count:
            self._start(task, timeout_s, now=now)
            self._note_backlog(now)
            return
        waiting = _Waiting(task, timeout_s, now + ttl_s)
        self._waiting.append(waiting)
        self._waiting_count += 1
        heapq.heappush(self._expiries, (waiting.expires_at, next(self._order), waiting))
        self._note_backlog(now)
        if self.instances == 0 and self._warm_at is None:
            self._warm_at = now + self._cold_start_s

    def scale(self, instances: int, *, now: float) -> None:
        """Change the number of instances at once; what is in the model goes on to its end.

        Call `advance(now)` before.
        """
        self.instances = instances
        self._warm_at = None
        if instances == 0 and self._waiting_count:
            self._warm_at = now + self._cold_start_s
        self._fill(now)

    def clear(self, *, now: float) -> None:
        """Forget all tasks, as when the endpoint is deleted: none of them ends."""
        self._running.clear()
        self._waiting.clear()
        self._expiries.clear()
        self._waiting_count = 0
        self._warm_at = None
        self._note_backlog(now)

    def next_at(self) -> float | None:
        """Return the instant of the next event, None while nothing is under way."""
        while self._expiries and self._expiries[0][2].over:
            heapq.heappop(self._expiries)
        earliest = self._running[0][0] if self._running else math.inf
        if self._expiries:
            earliest = min(earliest, self._expiries[0][0])
        if self._warm_at is not None:
            earliest = min(earliest, self._warm_at)
        return None if earliest == math.inf else earliest

    def advance(self, now: float) -> list[Finished[Task]]:
        """Let time pass until `now` and return what ended, in the order of its ends.

        At one instant, slots become free before anything expires: a task whose turn comes in time is served.
        """
        finished: list[Finished[Task]] = []
        while (at := self.next_at()) is not None and at <= now:
            if self._running and self._running[0][0] == at:
                _, _, task, started_at, verdict = heapq.heappop(self._running)
                finished.append(Finished(task, verdict, at, started_at))
                if self._waiting_count:
                    self._fill(at)
            elif self._warm_at == at:
                self._warm_at = None
                self.instances = self._cold_instances
                self._fill(at)
            else:
                waiting = heapq.heappop(self._expiries)[2]
                waiting.over = True
                self._waiting_count -= 1
                finished.append(Finished(waiting.task, Verdict.EXPIRED, at, None))
            self._note_backlog(at)
        return finished

    def statistics(self) -> EndpointStatistics:
        """Return a snapshot."""
        return EndpointStatistics(
            self._waiting_count, len(self._running), self.slots, self._admitted, self._throttled
        )

    def _note_backlog(self, now: float) -> None:
        self.backlog.note(now, self._waiting_count + len(self._running))

    def _fill(self, now: float) -> None:
        """Give free slots to the tasks that have waited longest."""
        while self._waiting_count and len(self._running) < self.slots:
            waiting = self._waiting.popleft()
            if not waiting.over:
                waiting.over = True
                self._waiting_count -= 1
                self._start(waiting.task, waiting.timeout_s, now=now)

    def _start(self, task: Task, timeout_s: float, *, now: float) -> None:
        duration_s = self._service_time.draw(self._rng)
        verdict = Verdict.COMPLETED
        if self._failure_share and self._rng.random() < self._failure_share:
            verdict = Verdict.FAILED
        if duration_s > timeout_s:
            duration_s, verdict = timeout_s, Verdict.TIMED_OUT
        if self._expired_share and self._rng.random() < self._expired_share:
            # A real expiry takes hours; this one is decided when its turn comes, and takes no time in the model.
            duration_s, verdict = 0.0, Verdict.EXPIRED
        heapq.heappush(self._running, (now + duration_s, next(self._order), task, now, verdict))


class _TokenBucket:
    """GCRA: refuses what comes earlier than `burst` requests ahead of the steady rate."""

    def __init__(self, settings: ThrottleSettings) -> None:
        self._interval_s = 1 / settings.rate_per_s if settings.rate_per_s else 0.0
        self._slack_s = (settings.burst - 1) * self._interval_s
        self._retry_after_s = settings.retry_after_s
        self._due_at = -math.inf

    def take(self, now: float) -> None:
        """Take one token.

        Raises:
            ServiceError: ThrottlingException when there is none.
        """
        if not self._interval_s:
            return
        due_at = max(self._due_at, now)
        # Sums of intervals drift in the last digits; a nanosecond must not refuse a request that is on time.
        if due_at - now > self._slack_s + 1e-9:
            raise ServiceError(400, "ThrottlingException", "Rate exceeded", retry_after_s=self._retry_after_s)
        self._due_at = due_at + self._interval_s
