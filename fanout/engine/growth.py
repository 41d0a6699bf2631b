"""Lets a rate grow that was lowered: CUBIC regains it, and it then probes for more. Pure.

All that share a limit are cut in proportion to what they have. Where their growth differs less than their rates, what
they have becomes equal: the faster it is, the sooner, and the more is refused.
"""

from __future__ import annotations

SCALE = 6.0
"""CUBIC's growth, requests per second cubed: a tenth of 300/s is regained in 1.7 s, of 2,500/s in 3.5 s. It is the same
for all that share a limit, whatever they have, which makes their parts equal. RFC 9438 (5.1) has 0.4; with 0.8, parts
that differed by half did so for another half minute."""
GROWTH = 20.0
"""Growth beyond what was regained, requests per second cubed, with the square of the time: the same for all, too."""
FULL_PER_S = 100.0
"""A rate below which both are less, in proportion: each touch of a limit costs a refusal, a fiftieth of what 50/s send
in a second."""
DOUBLES_S = 4.5
"""Seconds in which a rate that was regained without refusals doubles: not before it is clear that there is room, since
in proportion the one that has more of a limit gains more."""


class Growth:
    """The way of a rate after a cut.

    Attributes:
        plateau_per_s: The rate that was refused: regained quickly, passed slowly.
    """

    def __init__(self) -> None:
        self.plateau_per_s = 0.0
        self._share = 0.0  # of the growth of higher rates
        self._regain_s = 0.0

    def begin(self, *, rate_per_s: float, plateau_per_s: float) -> None:
        """Grow from a rate above 0 to a plateau that is not below it, and slowly past it."""
        self.plateau_per_s = plateau_per_s
        self._share = min(1.0, plateau_per_s / FULL_PER_S)
        self._regain_s = ((plateau_per_s - rate_per_s) / (SCALE * self._share)) ** (1.0 / 3.0)

    def rate_per_s(self, since_s: float) -> float:
        """Return the rate so many seconds after growth began."""
        beyond_s = since_s - self._regain_s
        rate = self.plateau_per_s + self._share * SCALE * beyond_s**3
        if beyond_s > 0.0:
            rate += self._share * GROWTH * beyond_s**2
            rate += self.plateau_per_s * (beyond_s / DOUBLES_S) ** 4
        return rate
