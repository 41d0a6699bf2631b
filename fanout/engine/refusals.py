"""Tells refusals that follow our rate from those that come anyhow. Pure; every instant is handed in.

A limit refuses less when the rate falls; a quota that others use up, or a service in trouble, refuses as much. `Fall`
suspects the latter from what cuts achieved; `Trial` finds out, by a spell at a quarter of the rate.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

SUSPECTED = 4.0  # nats: the share explains twenty times better than a limit what was refused during a fall
STAYS, FALLS = 4.0, -3.0
"""Evidence of a trial, in nats, that refusals stay when the rate falls, and that they fall (Wald's test: wrong once in
fifty, and in twenty)."""

LEANS = 1.0  # evidence that decides for it when the time is up

PERIOD_S = 2.0
"""Trials take place at the beginnings of such periods of the clock, which processes of one machine have in common. All
that share a limit then slow down at once; if each did so by itself, the others would hide what it achieved."""
SPELL_S = 0.3  # of a period, at the lower rate
SETTLE_S = 0.05  # at the beginning of a spell: what was sent before is on its way
LOWERED = 0.25  # of the rate, in a spell
PERIODS_MOST = 6  # of one trial

FEWEST_BEFORE, FEWEST_LOWERED, FEWEST_REFUSALS = 20, 5, 2
FALLS_TO = 0.25
"""What a limit leaves of the share at least: others use it, too, and each need not slow down with us."""
TOLERATED_MOST = 0.6
"""A larger share is no noise: a service that refuses most of all says no."""

LEAST_SHARE = 0.01  # of a fall; less is a limit that is touched now and then
QUIET_ANSWERS, QUIET_SHARE = 200, 0.003

STEPS_MOST, FEWEST_NEW = 40, 4
LIMITS, LIMIT_STEP = 30, 0.8  # limits that are tried out as explanations, each a fifth lower
SPREAD = 0.8  # of the highest rate: without a lower one, both explanations are the same


def log_likelihood(found: Iterable[tuple[float, int, int]]) -> float:
    """Return how well shares explain refusals, in nats; `found` are (share, answers, refusals)."""
    total = 0.0
    for share, answers, refusals in found:
        sure = min(max(share, 1e-6), 1.0 - 1e-6)
        total += refusals * math.log(sure) + (answers - refusals) * math.log(1.0 - sure)
    return total


class Fall:
    """What was refused while the rate was cut again and again.

    Args:
        now: When the first cut was.
        rate_per_s: The rate before it.
        usual: The share of refusals that is put up with already.
    """

    def __init__(self, now: float, rate_per_s: float, *, usual: float) -> None:
        self.rate_per_s = rate_per_s
        self.began_at = now
        self._usual = usual
        self._steps: list[tuple[float, float, list[int]]] = []  # from when, the rate, answers and refusals
        self._noted = self._weighed = 0

    def step(self, now: float, rate_per_s: float) -> None:
        """Take note that requests are sent at another rate from now on."""
        if len(self._steps) < STEPS_MOST:
            self._steps.append((now, rate_per_s, [0, 0]))

    def note(self, refused: int, *, sent_at: float) -> None:
        """Take the answer to a request into account."""
        for since, _, counts in reversed(self._steps):
            if sent_at >= since:
                self._noted += 1
                counts[0] += 1
                counts[1] += refused
                return

    def ripe(self) -> bool:
        """Return whether enough has come since it was last asked: weighing takes up to a millisecond."""
        if self._noted - self._weighed < max(FEWEST_NEW, self._noted // 20):
            return False
        self._weighed = self._noted
        return True

    def evidence(self) -> float:
        """Return for how many nats a share of all requests explains the refusals better than any limit."""
        tried = [(rate, answers, refusals) for _, rate, (answers, refusals) in self._steps if answers]
        every, refused = sum(answers for _, answers, _ in tried), sum(refusals for _, _, refusals in tried)
        if not LEAST_SHARE * every < refused < every:
            return 0.0
        top, low = max(rate for rate, _, _ in tried), min(rate for rate, _, _ in tried)
        if low > SPREAD * top:
            return 0.0
        share, usual = refused / every, self._usual
        least = max(usual, share * FALLS_TO)
        by_share = log_likelihood((share, answers, refusals) for _, answers, refusals in tried)
        by_limit = max(
            log_likelihood(
                (max(1.0 - (1.0 - usual) * limit / rate, least), answers, refusals)
                for rate, answers, refusals in tried
            )
            for limit in (top * LIMIT_STEP**number for number in range(LIMITS))
        )
        return by_share - by_limit


class Trial:
    """What is refused at a rate that is held, and at a quarter of it.

    Args:
        now: When the rate began to be held.
        rate_per_s: That rate.
        left_per_s: The rate that is right if refusals fall.
        restored_per_s: The rate that is right if they stay.
    """

    def __init__(self, now: float, rate_per_s: float, *, left_per_s: float, restored_per_s: float) -> None:
        self.rate_per_s = rate_per_s
        self.left_per_s = left_per_s
        self.restored_per_s = restored_per_s
        self._began_at = now
        self._before = [0, 0]  # answers, refusals
        self._lowered = [0, 0]

    def rate_at(self, now: float) -> float:
        """Return the rate at which requests are to be sent now."""
        return self.rate_per_s * (LOWERED if self._place(now) is not None else 1.0)

    def _place(self, now: float) -> float | None:
        """Return how many seconds into a spell `now` is, None outside of one."""
        into_s = now % PERIOD_S
        return into_s if into_s < SPELL_S and now // PERIOD_S > self._began_at // PERIOD_S else None

    def note(self, refused: int, *, sent_at: float) -> None:
        """Take the answer to a request into account."""
        if sent_at < self._began_at:
            return
        place = self._place(sent_at)
        if place is not None and place < SETTLE_S:
            return
        counts = self._before if place is None else self._lowered
        counts[0] += 1
        counts[1] += refused

    def hopeless(self, now: float) -> bool:
        """Whether nothing will be found out: most is refused, or next to nothing, or it takes too long."""
        if now - self._began_at > PERIODS_MOST * PERIOD_S:
            return True
        answers, refusals = self._before
        if answers < FEWEST_BEFORE:
            return False
        doubt = 2.0 * math.sqrt(TOLERATED_MOST * (1.0 - TOLERATED_MOST) / answers)
        return refusals > (TOLERATED_MOST + doubt) * answers or (
            answers >= QUIET_ANSWERS and refusals < QUIET_SHARE * answers
        )

    def evidence(self) -> float:
        """Return for how many nats a share of all requests explains the refusals better than a limit."""
        (before, refused_before), (lowered, refused_lowered) = self._before, self._lowered
        if before < FEWEST_BEFORE or lowered < FEWEST_LOWERED:
            return 0.0
        share = refused_before / before
        expected = max(1.0 - (1.0 - share) / LOWERED, share * FALLS_TO)
        by_limit = log_likelihood([(share, before, refused_before), (expected, lowered, refused_lowered)])
        by_share = log_likelihood(
            [(self.share, before, refused_before), (self.share, lowered, refused_lowered)]
        )
        evidence = by_share - by_limit
        return evidence if evidence < 0.0 or refused_lowered >= FEWEST_REFUSALS else 0.0

    @property
    def share(self) -> float:
        """Share of refusals at both rates together."""
        return (self._before[1] + self._lowered[1]) / max(self._before[0] + self._lowered[0], 1)

    @property
    def share_left(self) -> float:
        """Share of refusals at the lower rate, 0 if they were few."""
        return self._lowered[1] / self._lowered[0] if self._lowered[1] > FEWEST_REFUSALS else 0.0
