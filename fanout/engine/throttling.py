"""Estimates the rate that a service takes from what it accepted and refused. Pure, with `now` handed in.

A cut goes to what was accepted while refusals came, CUBIC regains the rate, and growth then probes for more. A share
of refusals that stays when the rate falls (`refusals.py`) is tolerated: only what exceeds it lowers the rate.
"""

from __future__ import annotations

import math
from collections import deque
from typing import Literal

from fanout.engine.growth import Growth
from fanout.engine.rate_meter import SHORTEST_S, RateMeter
from fanout.engine.refusals import FALLS, SMALL_SHARE, SUSPECTED, Fall, Trial, others_try

Phase = Literal["regaining", "probing", "testing"]
"""`regaining`: the rate rises to where it was refused. `probing`: beyond, for more. `testing`: it changes for a
moment, to see whether refusals change with it."""

BETA = 0.7
"""What throttling leaves of the rate at least; gentler than TCP's half, because AWS throttles by token bucket."""

FULL_CUT_SHARE = 0.1
"""Share of throttled answers, since the last cut, from which on the rate is cut to `BETA`; below, it is cut in
proportion, as DCTCP does (RFC 8257, 3.3)."""

FEWEST_ANSWERS = 10  # that make a share; some refusals among fewer are a full cut
LONE_ANSWERS = 20
"""Answers that one refusal among fewer than `FEWEST_ANSWERS` counts for. With a full cut for it, chance moved the parts
of two that share a limit: after a cut the other one still passes it, so that another refusal is soon to come."""

MINOR_SHARE = 0.01
"""A smaller share of refusals is no cut: the limit is touched, not passed. BBR's BBRLossThresh is 2 %."""
MINOR_ANSWERS = 100  # that tell a share so small
MINOR_STEP = 0.005
"""Share of the rate that a touch takes all the same, after the first. Of two that share a limit the one with more of it
touches it more often, so that small steps even them out; with larger ones chance decides which of the two has more."""

GOODPUT_ANSWERS, HEAVY_ANSWERS = 20, 5
"""Acceptances between two refusals that tell the limit: at both the bucket was empty, so what came in went out. Fewer
do after refusals that ask for a full cut, since that goes too far otherwise."""
MARKS = 32  # refusals that are remembered for it
PLAUSIBLE = 2.0
"""Times the rate of sending: what was accepted in an instant, or at an earlier rate, tells no limit."""
DRAIN = 0.9
"""Share of the goodput that a cut leaves, so that the bucket is not empty again at once. The deeper, the sooner two
that share a limit have equal parts, and the more of a limit without a burst is lost."""

FLOOR_PER_S = 0.2
"""The rate is never cut below one request in five seconds: something must find out that the storm is over."""

SETTLED_S = 5.0
"""From the first request on, before refusals are put down to others who try a higher rate (`refusals.others_try`)."""
FALL_S = 30.0
"""How long cuts belong together: what a rate was refused before says nothing of the service now."""
FALLEN = 0.75
"""Share of a rate below which cuts have not helped, if few requests are still refused: of a limit 0.94 is left."""
QUICK_PER_S, QUICK_CONFIGURED_PER_S = 80.0, 40.0
"""A rate from which on spells at twice of it bring answers enough. With less than 80/s each, many that share a limit
refuse each other a twentieth by trying; a configured rate is below most limits, and is tried out sooner."""
RETRIAL_S = 10.0
"""How often a tolerated share is tried again at another rate, as BBR measures the shortest round trip again: where a
multiple of it passes on the clock that processes of one machine have in common. Of eight that tolerate what they refuse
each other none finds it out alone."""
ROUND_ANSWERS = 200  # that the tolerated share is compared with, and then follows
FOLLOW = 0.1  # of the difference
NOISE = 3.5  # standard deviations of a tolerated share that are no reason to cut


class Throttling:
    """The rate in force, what lowered it, and the share of refusals that is put up with.

    Args:
        configured: The rate that is never exceeded; None for no limit until a request is refused.

    Attributes:
        rate: Requests a second that are allowed now; None for no limit.
        throttles: Refusals.
        cuts: How often they lowered the rate, or would have had there been more of them.
        tolerated: Share of refusals that does not follow the rate, 0..1.
    """

    def __init__(self, configured: float | None) -> None:
        self.configured = configured
        self.rate = configured
        self.throttles = self.cuts = 0
        self.tolerated = 0.0
        # As a trial found it: a limit that is passed slowly must not pass for noise.
        self._tolerated_most = 0.0
        self._cut_at = float("-inf")
        self._growth = Growth()
        self._meter = RateMeter()
        self._unpaced = self._unpaced_refused = 0  # answers to what was sent before there was a rate
        self._guessed = False  # the first cut was made before all of them had come
        self._answers = self._refusals = 0  # since the last cut
        self._accepted = 0
        # Instants of refusals, each with the acceptances and refusals by then.
        self._marks: deque[tuple[float, int, int]] = deque(maxlen=MARKS)
        self._fall: Fall | None = None
        self._trial: Trial | None = None
        self._tried_at = float("-inf")

    @property
    def phase(self) -> Phase | None:
        """What is done to find the limit; None as long as no refusal lowers the rate."""
        if self._trial is not None:
            return "testing"
        if self.rate is None or not self.cuts or (self.configured and self.rate >= self.configured):
            return None
        return "regaining" if self.rate < self._growth.plateau_per_s else "probing"

    def accepted(self, now: float, *, sent_at: float | None = None) -> None:
        """Note an acceptance: the rate grows if it was lowered."""
        self._answer(now, 0, sent_at)
        self._accepted += 1
        if self.rate is None or not self.cuts or self._trial is not None or self._disturbed(now):
            return
        target = self._growth.rate_per_s(now - self._cut_at)
        # Sending less than allowed says nothing about the limit: the rate does not climb far above what is used.
        self._set(max(self.rate, min(target, 2.0 * self._meter.settled_per_s)))

    def refused(self, now: float, *, sent_at: float) -> None:
        """Note a refusal: the rate falls, once for all requests sent before the last cut."""
        self.throttles += 1
        self._answer(now, 1, sent_at)
        if self._trial is not None or sent_at < self._cut_at or self._disturbed(sent_at):
            return
        excess = self._excess()
        if excess <= 0.0:
            return
        few = self._few(self.rate or 0.0)
        self._cut(now, excess)
        self._marks.append((now, self._accepted, self.throttles))
        fall, rate = self._fall, self.rate
        # The first cut is a guess: the rate from which it fell is known after the second.
        if few and fall and rate and self.cuts > 2 and rate <= FALLEN * fall.rate_per_s:
            self._trial = self._tried(now, rate, top=fall.rate_per_s, small=True, fall=fall)

    def _disturbed(self, at: float) -> bool:
        """Return whether others may try a higher rate at that instant: no reason to cut then, and no time to grow.

        Until the first refusal nothing says that there is a limit to share: that one is always a reason.
        """
        return self.cuts > 0 and at - self._meter.began_at > SETTLED_S and others_try(at)

    def _set(self, rate: float) -> None:
        rate = max(rate, FLOOR_PER_S)
        self.rate = min(rate, self.configured) if self.configured else rate

    def _answer(self, now: float, refused: int, sent_at: float | None) -> None:
        if sent_at is None:
            sent_at = now - self._meter.round_trip_s
        self._meter.note(now, sent_at=sent_at)
        if not self._disturbed(sent_at):
            self._answers += 1
            self._refusals += refused
        if self.rate is None or (self.cuts == 1 and sent_at < self._cut_at):
            self._unpaced += 1
            self._unpaced_refused += refused
        if self.rate is None:
            return
        if self._guessed and sent_at >= self._cut_at:
            self._weigh_anew()
        if self._trial is not None:
            self._trial.note(refused, sent_at=sent_at)
            self._judge(now, self._trial)
            return
        if self._fall is not None:
            self._fall.note(refused, sent_at=sent_at)
            self._suspect(now, self._fall, rate=self.rate, refused=refused)
        if self.tolerated and self._trial is None:
            self._review(now, rate=self.rate)

    def _suspect(self, now: float, fall: Fall, *, rate: float, refused: int) -> None:
        """Begin a trial if cuts did not help, and forget them once the rate is regained or they are long ago."""
        evidence = fall.evidence() if refused and fall.ripe() else 0.0
        if evidence >= SUSPECTED:
            self._trial = self._tried(now, rate, top=fall.rate_per_s, small=self._few(rate), fall=fall)
        elif evidence <= FALLS or rate >= fall.rate_per_s or now - fall.began_at > FALL_S:
            self._fall = None

    @property
    def _quick_per_s(self) -> float:
        return QUICK_CONFIGURED_PER_S if self.configured else QUICK_PER_S

    def _few(self, rate: float) -> bool:
        """Return whether few of the answers since the last cut are refusals, and answers come fast."""
        few = self._answers >= FEWEST_ANSWERS and self._refusals <= SMALL_SHARE * self._answers
        return few and rate >= self._quick_per_s

    def _review(self, now: float, *, rate: float) -> None:
        """Let the tolerated share follow what is refused, and try now and then whether it still stays."""
        if self._answers >= ROUND_ANSWERS:
            share = self._refusals / self._answers
            self.tolerated = min(self.tolerated + FOLLOW * (share - self.tolerated), self._tolerated_most)
            self._answers = self._refusals = 0
        if now // RETRIAL_S > self._tried_at // RETRIAL_S and now - self._tried_at >= RETRIAL_S / 2:
            sending = min(rate, self._meter.rate_per_s(now, paced=self.rate))
            small = self.tolerated < SMALL_SHARE and rate >= self._quick_per_s
            self._trial = self._tried(now, sending, top=sending, small=small)

    def _tried(self, now: float, rate: float, *, top: float, small: bool, fall: Fall | None = None) -> Trial:
        answers, refusals = fall.found if fall else (0, 0)
        share = refusals / answers if answers else self.tolerated
        room, before = self._meter.peak_per_s, (answers, refusals)
        return Trial(now, rate, top_per_s=top, room_per_s=room, small=small, share=share, before=before)

    def _judge(self, now: float, trial: Trial) -> None:
        """Act on what a trial has found out, if it has."""
        stays = trial.stays(now)
        if not stays and not trial.follows() and not trial.hopeless(now):
            self._set(trial.rate_at(now))
            return
        fall, self._fall, self._trial = self._fall, None, None
        self._tried_at = now
        self._answers = self._refusals = 0
        rate = trial.proven_per_s if stays else trial.rate_per_s
        self._set(rate)
        if stays:
            self.tolerated = trial.share
        else:
            # Of a limit that may lie below the rate that was held, nothing says which refusals it did not cause.
            self.tolerated = 0.0 if trial.raises or not trial.follows() else trial.share_left
        self._tolerated_most = self.tolerated
        self._cut_at = now  # growth goes on from here, and refusals of the spells are no reason to cut
        if not stays and trial.raises:
            return
        self._growth.begin(rate_per_s=rate, plateau_per_s=rate)
        self._marks.clear()
        if stays and fall is not None and trial.raises and rate < FALLEN * fall.rate_per_s:
            self._fall = Fall(now, fall.rate_per_s, usual=self.tolerated)
            self._trial = self._tried(now, rate, top=fall.rate_per_s, small=True)

    def _excess(self) -> float:
        """Return the share of the answers since the last cut that are refusals beyond those tolerated."""
        lone = self._refusals == 1 and self._answers < FEWEST_ANSWERS
        answers = LONE_ANSWERS if lone else max(self._answers, FEWEST_ANSWERS)
        if not self.tolerated:
            return self._refusals / answers
        usual = self.tolerated * answers
        if self._refusals <= usual + NOISE * math.sqrt(usual * (1.0 - self.tolerated)) + 1.0:
            return 0.0
        return (self._refusals - usual) / answers

    def _cut(self, now: float, excess: float) -> None:
        """Lower the rate in proportion to `excess`, but not below what was accepted."""
        sending = self._meter.rate_per_s(now, paced=self.rate)
        plateau = sending if self.rate is None else min(self.rate, sending)
        if self.cuts == 1 and self._meter.fresh and self.configured is None:
            # The first was a guess from a few answers; by now all that was on its way then has come.
            plateau = max(plateau, self._unpaced_per_s)
        cut = (1.0 - BETA) * min(excess / FULL_CUT_SHARE, 1.0)
        if self._answers >= MINOR_ANSWERS and excess < MINOR_SHARE:
            plateau, cut = plateau * (1.0 - MINOR_STEP if self.cuts else 1.0), 0.0
        rate = plateau * (1.0 - cut)
        good = self._goodput(now, excess)
        if good is not None and good <= PLAUSIBLE * plateau:
            rate = max(rate, min(DRAIN * good / (1.0 - self.tolerated), plateau))
        if rate < plateau and self._fall is None:
            self._fall = Fall(now, plateau, usual=self.tolerated)
        self._growth.begin(rate_per_s=rate, plateau_per_s=plateau)
        self._set(rate)
        if self._fall is not None:
            self._fall.step(now, rate)
        self._guessed = not self.cuts and self.configured is None
        self._cut_at = now
        self.cuts += 1
        self._answers = self._refusals = 0

    def _weigh_anew(self) -> None:
        """Correct the first cut, a guess from a few answers, once all that was on its way then has come."""
        self._guessed = False
        share = self._unpaced_refused / self._unpaced
        # What left at once at the start is a round trip's worth.
        seen = self._unpaced / (
            self._cut_at - self._meter.began_at + max(self._meter.round_trip_s, SHORTEST_S)
        )
        if share > SMALL_SHARE:  # a limit, and the rest is what it took
            seen *= 1.0 - share
            rate = seen * DRAIN
        else:
            rate = seen * (1.0 - (1.0 - BETA) * share / FULL_CUT_SHARE)
        if self.rate is None or rate > self.rate:
            self._growth.begin(rate_per_s=rate, plateau_per_s=seen)
            self._set(rate)

    @property
    def _unpaced_per_s(self) -> float:
        """Return the rate at which requests were sent before there was one."""
        return self._unpaced / max(self._cut_at - self._meter.began_at, self._meter.round_trip_s, SHORTEST_S)

    def _goodput(self, now: float, excess: float) -> float | None:
        """Return what was accepted a second since an earlier refusal, None if that is not to be told."""
        heavy = excess >= FULL_CUT_SHARE
        fewest = HEAVY_ANSWERS if heavy else GOODPUT_ANSWERS
        for at, accepted, throttles in reversed(self._marks):
            taken, refused = self._accepted - accepted, self.throttles - throttles
            if taken < fewest or now - at < 0.5 * self._meter.round_trip_s or now <= at:
                continue
            if heavy and refused < 0.5 * excess * (taken + refused):
                return None  # most of them were accepted before these refusals began
            return (taken + 1) / (now - at)
        return None
