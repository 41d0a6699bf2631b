"""Deals out the rate of a run to those of its shards that are at work, by leases that lapse; pure, `now` is handed in.

A shard asks again every half second. What one that has ended had is the others' at their next asking; what one that is
silent had, once its lease has lapsed. So the shares never add up to more than the rate, whatever is lost meanwhile.
"""

from __future__ import annotations

import math
from collections import deque

from fanout.shards.plan import deal_rate

TERM_S = 2.0
"""How long a lease holds, from when it was asked for: a shard that hears nothing for so long sends nothing."""
RENEW_S = 0.5
"""Between two askings: what a shard that was killed had is another's after so long, and after `TERM_S` more at most."""


class Leases:
    """The rate of one run, and what of it each shard has.

    Args:
        rate_per_s: Requests a second that all shards together never exceed.
    """

    def __init__(self, rate_per_s: float) -> None:
        self._rate = rate_per_s
        # Of each shard that is at work: what it may still go by, as (number of the grant, rate, when it lapses).
        self._grants: dict[int, deque[tuple[int, float, float]]] = {}
        self._number = 0

    def started(self, shard: int) -> None:
        """Note that a shard is at work: the others make room for it."""
        self._grants.setdefault(shard, deque())

    def ended(self, shard: int) -> None:
        """Note that the process of a shard is gone, and can send nothing any more."""
        self._grants.pop(shard, None)

    def lost(self, shard: int) -> None:
        """Note that a shard is not to be heard of: it may send until its lease lapses, and is not asked for more."""
        if shard in self._grants:
            self._grants[shard].append((-1, 0.0, float("-inf")))

    def renew(self, shard: int, *, held: int, now: float) -> tuple[int, float]:
        """Return a grant, from 1, and the rate that the shard may send at for `TERM_S` after it asked.

        Args:
            shard: Which one.
            held: The last grant that it goes by; 0 for none. It goes by no earlier one any more.
            now: Seconds on any clock.
        """
        self.started(shard)
        for each, grants in list(self._grants.items()):
            gone = any(number == -1 for number, _, _ in grants)
            while grants and (grants[0][2] <= now or (each == shard and 0 <= grants[0][0] < held)):
                grants.popleft()
            if gone and not any(until > now for _, _, until in grants):
                del self._grants[each]
        self.started(shard)
        mine = max((rate for _, rate, _ in self._grants[shard]), default=0.0)
        free = self._rate - sum(
            max((rate for _, rate, _ in grants), default=0.0) for grants in self._grants.values()
        )
        target = self._targets()[shard]
        more = target - mine
        if more > 0.0:
            # In whole requests: a fraction of one lets a whole one through in some second.
            target = mine + (more if more <= free else max(math.floor(free + 1e-9), 0.0))
        self._number += 1
        self._grants[shard].append((self._number, target, now + TERM_S))
        return self._number, target

    def _targets(self) -> dict[int, float]:
        """Return what each shard that is to be heard of shall have in the end."""
        present = sorted(
            shard for shard, grants in self._grants.items() if all(number != -1 for number, _, _ in grants)
        )
        shares = deal_rate(self._rate, len(present))
        return {shard: share or 0.0 for shard, share in zip(present, shares, strict=True)}


class Lease:
    """A shard's end: what it asks with, and what it may send at. Pure as well.

    Attributes:
        held: The last grant that it goes by; 0 for none.
        rate_per_s: What that allows; 0 for nothing.
        until: When it lapses.
    """

    def __init__(self) -> None:
        self.held = 0
        self.rate_per_s = 0.0
        self.until = float("-inf")

    def granted(self, number: int, rate_per_s: float, *, asked_at: float) -> bool:
        """Take a grant over; return whether it is newer than the one that is held."""
        if number <= self.held:
            return False
        self.held, self.rate_per_s, self.until = number, rate_per_s, asked_at + TERM_S
        return True
