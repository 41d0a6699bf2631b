"""Tells refusals that follow our rate from those that come anyhow. Pure; every instant is handed in.

A limit refuses less when the rate falls, and more when it rises; a quota that others use up, or a service in trouble,
refuses as much. `Fall` suspects the latter from what cuts achieved; `Trial` finds out, by spells at another rate: where
few are refused at up to twice of it, as a limit would refuse a share there that few answers show, else at a quarter.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

SUSPECTED = 4.0  # nats: the share explains twenty times better than a limit what was refused during a fall
STAYS, FALLS = 4.0, -3.0
"""Evidence of a trial, in nats, that refusals stay when the rate falls, and that they fall (Wald's test: wrong once in
fifty, and in twenty)."""
FOLLOWS = -6.0
"""The same of refusals that rise with the rate. The limit that is tried out there is the likeliest of many, which alone
is worth a nat or two."""

SLOW_PER_S = 200.0
"""A rate below which a spell at twice of it brings few answers: a bucket, or another run that has less just then, hides
a limit from them. More answers and stronger evidence are asked for there, until refusals are taken to stay."""
STAYS_SLOW = 8.0  # in place of STAYS
LEANS = 1.0  # evidence that decides for it when the time is up

PERIOD_S = 2.0
"""Trials take place in such periods of the clock, which processes of one machine share: at a higher rate when one
begins, at a lower one halfway. All that share a limit then change their rate at once, in one direction; if each
did so by itself, the others would hide what it achieved."""
SPELL_S = 0.3  # of a period, at the other rate
TAIL_S = 0.1
"""After a spell: the rate falls with the first answer that comes then, and what was sent before is on its way."""
LONG_S = 0.9
"""Length of a spell at a lower rate where few answers come and many of them are refusals: in 0.3 s at a quarter of 50 a
second come four. With fewer refusals another run that shares the limit would take what is left to it."""
LONG_BELOW_PER_S, LONG_SHARE = 100.0, 0.2
SETTLE_S = 0.05  # at the beginning of a spell: what was sent before is on its way
LOWERED = 0.25  # of the rate, in a spell
RAISED, RAISED_LEAST = 2.0, 1.25  # of the rate, in a spell
PERIODS_MOST = 6  # of one trial

FEWEST_HELD, FEWEST_SPELL, FEWEST_REFUSALS = 20, 5, 2
FEWEST_RAISED, FEWEST_SLOW = 30, 60
"""Answers in spells that show that refusals stay: what a bucket holds hides a limit from fewer."""
FALLS_TO = 0.25
"""What a limit leaves of the share at least: others use it, too, and each need not slow down with us."""
TOLERATED_MOST = 0.6
"""A larger share is no noise: a service that refuses most of all says no."""

SMALL_SHARE = 0.1
"""Refusals up to here are few: at twice the rate a limit refuses five times as much and more."""

LEAST_SHARE = 0.01  # of a fall; less is a limit that is touched now and then
QUIET_ANSWERS, QUIET_SHARE = 200, 0.003

STEPS_MOST, FEWEST_NEW = 40, 4
LIMITS, LIMIT_STEP = 30, 0.8  # limits that are tried out as explanations, each a fifth lower
SPREAD = 0.8  # of the highest rate: without a lower one, both explanations are the same


def others_try(at: float) -> bool:
    """Return whether runs that share our limit may be trying a higher rate at that instant of the clock.

    What is refused then says little about ours: cutting for it gave away what the others only borrowed.
    """
    return at % PERIOD_S < SPELL_S + TAIL_S


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

    @property
    def found(self) -> tuple[int, int]:
        """Answers since it began, and refusals among them."""
        counts = [counts for _, _, counts in self._steps]
        return sum(answers for answers, _ in counts), sum(refusals for _, refusals in counts)

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
    """What is refused at a rate that is held, and in spells at another one.

    Args:
        now: When the rate began to be held.
        rate_per_s: That rate.
        top_per_s: The rate that is right if refusals stay: one that was used before.
        room_per_s: A rate that is known to be within reach, for spells at a higher one.
        small: Whether refusals are few, and answers many enough that a higher rate shows them soon to follow it.
        share: Share of refusals that is to be explained.
        before: Answers during the fall that led to it, and refusals among them.
    """

    def __init__(
        self,
        now: float,
        rate_per_s: float,
        *,
        top_per_s: float,
        room_per_s: float = 0.0,
        small: bool = False,
        share: float = 0.0,
        before: tuple[int, int] = (0, 0),
    ) -> None:
        self.rate_per_s = rate_per_s
        self._top_per_s = top_per_s
        raised = (min(room / rate_per_s, RAISED) for room in (top_per_s, room_per_s) if small)
        self._factor = next((factor for factor in raised if factor >= RAISED_LEAST), LOWERED)
        self._began_at = now
        self._before = before
        long = share >= LONG_SHARE and rate_per_s <= LONG_BELOW_PER_S and not self.raises
        self._spell_s = LONG_S if long else SPELL_S
        self._held = [0, 0]  # answers, refusals
        self._spell = [0, 0]

    @property
    def raises(self) -> bool:
        """Whether its spells are at a higher rate."""
        return self._factor > 1.0

    def rate_at(self, now: float) -> float:
        """Return the rate at which requests are to be sent now."""
        return self.rate_per_s * (self._factor if self._place(now) is not None else 1.0)

    @property
    def _slow(self) -> bool:
        return self.raises and self.rate_per_s < SLOW_PER_S

    @property
    def _fewest_raised(self) -> int:
        return FEWEST_SLOW if self._slow else FEWEST_RAISED

    def _place(self, now: float) -> float | None:
        """Return how many seconds into a spell `now` is, None outside of one."""
        first_s = 0.0 if self.raises else PERIOD_S / 2
        period, into_s = divmod(now - first_s, PERIOD_S)
        return into_s if into_s < self._spell_s and period > (self._began_at - first_s) // PERIOD_S else None

    def note(self, refused: int, *, sent_at: float) -> None:
        """Take the answer to a request into account."""
        if sent_at < self._began_at:
            return
        place = self._place(sent_at)
        if place is not None and place < SETTLE_S:
            return
        counts = self._held if place is None else self._spell
        counts[0] += 1
        counts[1] += refused

    def hopeless(self, now: float) -> bool:
        """Whether nothing will be found out: most is refused, or next to nothing, or it takes too long."""
        if now - self._began_at > PERIODS_MOST * PERIOD_S:
            return True
        answers, refusals = self._held
        if answers < FEWEST_HELD:
            return False
        if self.raises:
            if not self.share and self._spell[0] >= self._fewest_raised:
                return True  # nothing is refused any more, so that there is nothing to explain
            return refusals > 2.0 * SMALL_SHARE * answers  # they are no longer few: no time to try more
        spells_s = PERIODS_MOST * (self._spell_s - SETTLE_S)
        if self._factor * self.rate_per_s * spells_s * (refusals + 1) < answers:
            return True  # all its spells together would have less than one refusal, and tell nothing
        doubt = 2.0 * math.sqrt(TOLERATED_MOST * (1.0 - TOLERATED_MOST) / answers)
        return refusals > (TOLERATED_MOST + doubt) * answers or (
            answers >= QUIET_ANSWERS and refusals < QUIET_SHARE * answers
        )

    def stays(self, now: float) -> bool:
        """Return whether refusals have been found to come whatever the rate, and are few enough to put up with."""
        least = LEANS if self.hopeless(now) else STAYS_SLOW if self._slow else STAYS
        return self.evidence() >= least and 0.0 < self.share <= TOLERATED_MOST

    def follows(self) -> bool:
        """Return whether refusals have been found to follow the rate."""
        return self.evidence() <= (FOLLOWS if self.raises else FALLS)

    def evidence(self) -> float:
        """Return for how many nats a share of all requests explains the refusals better than a limit."""
        (held, refused_held), (spell, refused_spell) = self._held, self._spell
        if held < FEWEST_HELD or spell < FEWEST_SPELL:
            return 0.0
        share = refused_held / held
        # Of a limit that is the rate held, or less, all that is sent beyond it is refused.
        expected = 1.0 - (1.0 - share) / self._factor
        if self.raises:  # it may lie between the two rates, the likeliest of those not next to the higher one
            nearest = 1.0 - (1.0 - share) / math.sqrt(self._factor)
            expected = min(max(refused_spell / spell, nearest), expected)
        else:
            expected = max(expected, share * FALLS_TO)
        by_limit = log_likelihood([(share, held, refused_held), (expected, spell, refused_spell)])
        by_share = log_likelihood([(self.share, held, refused_held), (self.share, spell, refused_spell)])
        evidence = by_share - by_limit
        if self.raises:
            evidence -= self._doubt()
        enough = spell >= self._fewest_raised if self.raises else refused_spell >= FEWEST_REFUSALS
        return evidence if enough else min(evidence, 0.0)

    def _doubt(self) -> float:
        """Return for how many nats fewer are refused at the rate held than before: of a share there were as many."""
        (answers, refusals), (held, refused_held) = self._before, self._held
        if not answers or not held or refused_held * answers >= refusals * held:
            return 0.0
        found = ((answers, refusals), (held, refused_held))
        share = (refusals + refused_held) / (answers + held)
        apart = log_likelihood((refused / every, every, refused) for every, refused in found)
        return apart - log_likelihood((share, every, refused) for every, refused in found)

    @property
    def share(self) -> float:
        """Share of refusals at both rates together."""
        return (self._held[1] + self._spell[1]) / max(self._held[0] + self._spell[0], 1)

    @property
    def share_left(self) -> float:
        """Share of refusals in spells at a lower rate, 0 if they were few."""
        answers, refusals = self._spell
        return refusals / answers if refusals > FEWEST_REFUSALS else 0.0

    @property
    def proven_per_s(self) -> float:
        """The rate that is right if refusals stay; spells at a higher one prove no more than they tried."""
        if not self.raises:
            return self._top_per_s
        return max(min(self._top_per_s, self.rate_per_s * self._factor), self.rate_per_s)
