"""Decides when the next request is due: a token bucket as arithmetic (GCRA), FIFO, for requests and for bytes.

`Pacer` decides, purely, with `now` handed in; `Gate` waits until then. Throttling lowers the rate, and success raises
it again (`throttling.py`); the configured rate is never exceeded, not even in the first second.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from fanout.concurrency.event import Event, make_event
from fanout.engine.throttling import BETA, FLOOR_PER_S, Throttling
from fanout.ports import Clock

__all__ = ["BETA", "CATCH_UP_S", "FLOOR_PER_S", "GRAIN_S", "Bucket", "Gate", "Pacer", "PacerStatistics"]

CATCH_UP_S = 0.005
"""How late a request may leave without pushing the schedule back; only what exceeds it does. Timers of the event loop
wake 1-2 ms late where the kernel has none (`concurrency.timer`), and turns of the loop take time; without this, every
wake-up would cost rate. At R requests a second it lets at most R/200 more through in any window than the configured
rate."""

GRAIN_S = 0.001
"""A schedule that is finer than this is kept in steps of this length, within `CATCH_UP_S`: five requests at a time at
5,000 a second. Steps of 0.7 ms cost a tenth more CPU in all, which the event loop has not to spare at that rate."""


LEASE_LOOK_S = 0.02
"""How soon a request that waits for a lease asks again."""


class Bucket:
    """GCRA over one kind of cost: `rate` units a second, `burst` units beyond the schedule at most."""

    __slots__ = ("_due_last", "_due_next", "_earliest", "burst", "rate")

    def __init__(self, rate: float, *, burst: float = 0.0) -> None:
        self.rate = rate
        self.burst = burst
        self._due_next = float("-inf")  # the theoretical arrival time of GCRA
        self._due_last = float("-inf")
        self._earliest = float("-inf")

    def change(self, rate: float, *, now: float) -> None:
        """Change the rate from now on, or from the last due instant if that is still to come."""
        # Before that instant the old rate holds: a rate that rises while a request waits for a slot of the slower
        # schedule would otherwise draw the next one nearer to it than the new rate allows.
        since = max(now, self._due_last)
        if rate < self.rate:
            # At the lower rate a burst spans more time: the next request would be due before the instant it had.
            self._earliest = self.due_next
        behind = self._due_next - since
        if behind > 0.0:  # counted in units, not in seconds: a lower rate must not grant another burst
            self._due_next = since + behind * self.rate / rate
        self.rate = rate

    def skip(self, now: float) -> None:
        """Leave out one unit of the schedule."""
        self._due_next = max(self._due_next, now) + 1.0 / self.rate

    @property
    def due_next(self) -> float:
        """When the schedule lets the next unit go; long past when the bucket is idle."""
        return max(self._due_next - self.burst / self.rate, self._earliest)

    def take(self, due: float, *, cost: float) -> None:
        """Charge `cost` units for a request due at `due`."""
        self._due_next = max(self._due_next, due) + cost / self.rate
        self._due_last = due


@dataclass(frozen=True, slots=True)
class PacerStatistics:
    """A snapshot of the pacing.

    Attributes:
        configured_per_s: What the user allowed; None means no limit.
        rate_per_s: What is in force now; None means no limit.
        throttles: Replies that said to slow down.
        cuts: How often the rate was lowered for them.
        tolerated: Share of requests that is refused whatever the rate, 0..1; no reason to send fewer.
        phase: What is done to find the service's limit (`throttling.Phase`); None as long as no refusal lowers it.
    """

    configured_per_s: float | None
    rate_per_s: float | None
    throttles: int
    cuts: int
    tolerated: float = 0.0
    phase: str | None = None

    @property
    def held_by(self) -> str | None:
        """What keeps the rate from rising: the "configuration", or the service's "throttling"; None for nothing."""
        if self.rate_per_s is None:
            return None
        return "configuration" if self.rate_per_s == self.configured_per_s else "throttling"


class Pacer:
    """Decides when each request is due.

    Args:
        rate_per_s: Requests a second that are never exceeded; None for no limit.
        bytes_per_s: Payload bytes a second, inline bodies and uploads together; None for no limit.
        burst: Requests that may go at once after a pause, beyond the schedule.
        leased: Whether the rate is another process's to say, from time to time: nothing is due until it does.
    """

    def __init__(
        self,
        *,
        rate_per_s: float | None = None,
        bytes_per_s: float | None = None,
        burst: float = 0.0,
        leased: bool = False,
    ) -> None:
        self._allowed_until = float("-inf") if leased else float("inf")
        self._burst = burst
        self._requests = Bucket(rate_per_s, burst=burst) if rate_per_s else None
        self._bytes = Bucket(bytes_per_s) if bytes_per_s else None
        self._hold_until = float("-inf")
        self._last_due = float("-inf")
        self._limit = Throttling(rate_per_s)

    @property
    def idle(self) -> bool:
        """Whether nothing is limited now: every request is due at once."""
        return self._requests is None and self._bytes is None and self._hold_until == float("-inf")

    def due(self, now: float, *, since: float | None = None, size_bytes: int = 0, requests: int = 1) -> float:
        """Return when the next request in line is due, and change nothing: a caller that then sends calls `charge`.

        Args:
            now: The present instant.
            since: When the request came into the line; None for now.
            size_bytes: Payload bytes that it puts on the wire.
            requests: 1 for an invocation, 0 for an upload, which only costs bytes.
        """
        due = max((bucket.due_next for bucket, _ in self._charged(size_bytes, requests)), default=now)
        if requests:
            if now >= self._allowed_until:
                return now + LEASE_LOOK_S
            due = max(due, self._hold_until)
        # Later than that is a stall, if the request was in line meanwhile; else it is a pause, which earns nothing.
        if due < now - CATCH_UP_S:
            due = max(now - CATCH_UP_S, now if since is None else since)
        # First come, first due, also with a burst in hand.
        return max(due, self._last_due) if requests else due

    def charge(self, due: float, *, size_bytes: int = 0, requests: int = 1) -> None:
        """Charge for a request that `due` said to be due then; the arguments as there."""
        if requests:
            self._last_due = due
        for bucket, cost in self._charged(size_bytes, requests):
            bucket.take(due, cost=cost)

    def ready(self, now: float) -> int:
        """Return how many requests the schedule lets go by now, if they have been in line and for their bytes."""
        if self._requests is None or self._hold_until > now or self._requests.due_next > now:
            return 0
        if now >= self._allowed_until:
            return 0
        return 1 + int(min(now - self._requests.due_next, CATCH_UP_S) * self._requests.rate)

    @property
    def grain_s(self) -> float:
        """The shortest sleep, in seconds, of a request that waits for its turn."""
        return GRAIN_S if self._requests is not None and self._requests.rate * GRAIN_S > 1.0 else 0.0

    def _charged(self, size_bytes: int, requests: int) -> list[tuple[Bucket, int]]:
        charged = []
        if self._requests is not None and requests:
            charged.append((self._requests, requests))
        if self._bytes is not None and size_bytes:
            charged.append((self._bytes, size_bytes))
        return charged

    def allow(self, rate_per_s: float, *, now: float, until: float) -> None:
        """Change the configured rate: from now on it is never exceeded, and nothing is due at `until` or later.

        Args:
            rate_per_s: Requests a second; 0 for none.
            now: The present instant.
            until: When that lapses, unless it is said anew.
        """
        if not rate_per_s:
            self._allowed_until = float("-inf")
            return
        anew = now >= self._allowed_until or rate_per_s != self._limit.configured
        limit = self._limit
        if limit.rate is None or limit.rate == limit.configured or limit.rate > rate_per_s:
            limit.rate = rate_per_s  # else what the service throttled is lower
        limit.configured = rate_per_s
        self._allowed_until = until
        self._follow(now)
        if anew and self._requests is not None:
            # What a second at two rates rounds up to: of many shards that change together, each would send one more.
            self._requests.skip(now)

    def accepted(self, now: float, *, sent_at: float | None = None) -> None:
        """Note an acceptance: climb back if the rate had been lowered.

        Args:
            now: When it came.
            sent_at: When its request left; None for a round trip ago, as long as the last one that is known.
        """
        if now >= self._hold_until:
            self._hold_until = float("-inf")
        self._limit.accepted(now, sent_at=sent_at)
        self._follow(now)

    def throttled(self, now: float, *, sent_at: float, retry_after_s: float | None = None) -> None:
        """Note a throttled request: lower the rate if refusals follow it, once for all sent before the last cut."""
        if retry_after_s is not None:
            self._hold_until = max(self._hold_until, now + min(retry_after_s, 60.0))
        self._limit.refused(now, sent_at=sent_at)
        self._follow(now)

    def _follow(self, now: float) -> None:
        """Send at the rate that is in force."""
        rate = self._limit.rate
        if rate is None:
            return
        if self._requests is None:
            self._requests = Bucket(rate, burst=self._burst)
        elif self._requests.rate != rate:
            self._requests.change(rate, now=now)

    def statistics(self) -> PacerStatistics:
        """Return a snapshot."""
        limit = self._limit
        return PacerStatistics(
            limit.configured, limit.rate, limit.throttles, limit.cuts, limit.tolerated, limit.phase
        )


class Gate:
    """Lets requests through at the instants that a `Pacer` gives, first come first served."""

    def __init__(self, pacer: Pacer, clock: Clock) -> None:
        self.pacer = pacer
        self._clock = clock
        # Uploads wait in a line of their own: what waits for bytes must not hold up what needs none.
        self._requests = _Line()
        self._uploads = _Line()

    async def wait(self, *, size_bytes: int = 0, requests: int = 1) -> float:
        """Return the instant at which this request was due, once it has come."""
        pacer, clock = self.pacer, self._clock
        since = now = clock.now()
        if pacer.idle:
            return now
        line = self._requests if requests else self._uploads
        await line.enter()
        try:
            # Charged in the turn of the event loop in which it leaves, and asked again after every wait: a cut
            # reaches every request in line at once, and however long a turn is, it adds nothing to CATCH_UP_S.
            while True:
                now = clock.now()
                due = pacer.due(now, since=since, size_bytes=size_bytes, requests=requests)
                if due <= now:
                    pacer.charge(due, size_bytes=size_bytes, requests=requests)
                    return due
                await clock.sleep_until(max(due, now + pacer.grain_s) if requests else due)
        finally:
            line.leave(pacer.ready(now) if requests else 0)


class _Line:
    """The requests that wait at the gate: the first is let in, and with it all that are due already.

    If one were let in at a time, each would cost a turn of the event loop, and after every stall the rate would be that
    of the turns: 1 to 4 % were lost at 1,000 a second.
    """

    __slots__ = ("_event", "_inside", "_waiting")

    def __init__(self) -> None:
        self._event: Callable[[], Event] | None = None  # known once a loop runs
        self._waiting: deque[Event] = deque()
        self._inside = 0

    async def enter(self) -> None:
        """Return when this request is let in; it must `leave` afterwards."""
        if not self._inside:
            self._inside = 1
            return
        if self._event is None:
            self._event = make_event()
        event = self._event()
        self._waiting.append(event)
        try:
            await event.wait()
        except BaseException:
            if event.is_set():
                self.leave(0)
            else:
                self._waiting.remove(event)
            raise

    def leave(self, ready: int) -> None:
        """Leave, and let requests in until `ready` of them are inside, at least one."""
        self._inside -= 1
        while self._waiting and self._inside < max(ready, 1):
            self._inside += 1
            self._waiting.popleft().set()
