"""Plays senders against a service that throttles, on a virtual clock: what got through, and when.

A service decides on each request as it arrives; senders are connections that take turns at a `Pacer`, as at its gate.
Everything is drawn from a seed.
"""

from __future__ import annotations

import heapq
import math
import random
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

CONNECTIONS = 64
ROUND_TRIP_S = 0.02
JITTER = 0.1  # of a round trip, as the sigma of its logarithm


class Service(Protocol):
    """Decides whether a request is taken."""

    def takes(self, now: float, draw: float) -> bool:
        """Return whether a request that arrives now is accepted; `draw` is uniform in 0..1."""
        ...


class TokenBucket:
    """A limit of so many requests a second and a burst, which may change at given instants.

    Args:
        rate_per_s: Requests a second at first.
        burst: Requests that are taken at once after a quiet time.
        changes: (instant, rate) in order.
    """

    def __init__(
        self, rate_per_s: float, *, burst: float, changes: Sequence[tuple[float, float]] = ()
    ) -> None:
        self._rate, self._burst = rate_per_s, burst
        self._tokens, self._at = burst, 0.0
        self._changes = deque(changes)

    def takes(self, now: float, draw: float) -> bool:
        while self._changes and self._changes[0][0] <= now:
            at, rate = self._changes.popleft()
            self._refill(at)
            self._rate = rate
        self._refill(now)
        if self._tokens < 1.0:
            return False
        self._tokens -= 1.0
        return True

    def _refill(self, now: float) -> None:
        self._tokens = min(self._tokens + (now - self._at) * self._rate, self._burst)
        self._at = now


@dataclass(frozen=True, slots=True)
class AtRandom:
    """Refuses a share of all requests, whatever the rate."""

    share: float

    def takes(self, now: float, draw: float) -> bool:
        return draw >= self.share


class Both:
    """Takes what all of several services take."""

    def __init__(self, *services: Service) -> None:
        self._services = services

    def takes(self, now: float, draw: float) -> bool:
        return all(service.takes(now, draw) for service in self._services)


class Rule(Protocol):
    """Says when requests leave: a `Pacer`, or what it is compared with."""

    def due(self, now: float, *, since: float | None = None) -> float:
        """Return when the next request is due."""
        ...

    def charge(self, due: float) -> None:
        """Charge for it."""
        ...

    def accepted(self, now: float, *, sent_at: float) -> None:
        """Note an acceptance."""
        ...

    def throttled(self, now: float, *, sent_at: float) -> None:
        """Note a refusal."""
        ...


@dataclass
class Sender:
    """One program: its rule, its connections, when it begins, and when its requests were accepted and refused."""

    rule: Rule
    connections: int = CONNECTIONS
    begins_at: float = 0.0
    grain_s: float = 0.001
    accepted: list[float] = field(default_factory=list)
    refused: list[float] = field(default_factory=list)

    def goodput(self, start: float, end: float) -> float:
        """Return the requests a second that were accepted in [start, end)."""
        return sum(start <= at < end for at in self.accepted) / (end - start)

    def refused_share(self, start: float, end: float) -> float:
        """Return the share of the answers in [start, end) that were refusals."""
        refused = sum(start <= at < end for at in self.refused)
        return refused / max(refused + sum(start <= at < end for at in self.accepted), 1)


def play(
    service: Service,
    senders: Sequence[Sender],
    *,
    seconds: float,
    seed: int = 0,
    round_trip_s: float = ROUND_TRIP_S,
    late_s: float = 0.001,
) -> None:
    """Let the senders send as fast as their rules and connections allow until `seconds`.

    Args:
        service: Decides on each request, halfway through its round trip.
        senders: Programs that do not know of each other.
        seconds: Length in simulated seconds.
        seed: Of the jitter and of random refusals.
        round_trip_s: From a request to its answer, in the middle.
        late_s: Timers wake up to so much too late.
    """
    rng = random.Random(seed)
    events: list[tuple[float, int, str, int, float]] = []
    number = 0
    lines = [deque([sender.begins_at] * sender.connections) for sender in senders]
    asleep = [False] * len(senders)

    def at(instant: float, what: str, who: int, sent_at: float = 0.0) -> None:
        nonlocal number
        number += 1
        heapq.heappush(events, (instant, number, what, who, sent_at))

    def pump(who: int, now: float) -> None:
        line, sender = lines[who], senders[who]
        while line and not asleep[who]:
            due = sender.rule.due(now, since=line[0])
            if due > now:
                asleep[who] = True
                at(max(due, now + sender.grain_s) + rng.random() * late_s, "wake", who)
                return
            sender.rule.charge(due)
            line.popleft()
            half_s = round_trip_s * math.exp(JITTER * rng.gauss(0.0, 1.0)) / 2
            at(now + half_s, "arrive", who, now)

    for who, sender in enumerate(senders):
        at(sender.begins_at, "wake", who)
    while events:
        now, _, what, who, sent_at = heapq.heappop(events)
        if now >= seconds:
            return
        sender = senders[who]
        if what == "wake":
            asleep[who] = False
        elif what == "arrive":
            taken = service.takes(now, rng.random())
            at(2 * now - sent_at, "accepted" if taken else "refused", who, sent_at)
            continue
        elif what == "accepted":
            sender.accepted.append(now)
            sender.rule.accepted(now, sent_at=sent_at)
            lines[who].append(now)
        else:
            sender.refused.append(now)
            sender.rule.throttled(now, sent_at=sent_at)
            lines[who].append(now)
        pump(who, now)
