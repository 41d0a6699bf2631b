"""Finds the payload size at which one transport overtakes the other, if the pairs can tell.

It takes sizes and the paired differences of their totals, and returns a `Crossing`. Only a difference whose interval
leaves out zero counts as a sign, so that a crossing is never read out of noise. Pure.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from fanout.analysis.quantiles import Interval
from fanout.analysis.units import size_text

Kind = Literal["inline", "s3", "crosses", "undecided"]


@dataclass(frozen=True, slots=True)
class Crossing:
    """Which transport is faster at which size.

    Attributes:
        kind: `inline` or `s3`: faster at every size whose sign is certain; `crosses`: one below, the other above;
            `undecided`: no sign is certain, or it changes more than once.
        at_bytes: Where the two are equal, interpolated on a logarithmic scale of sizes; only for `crosses`.
        between_bytes: The nearest sizes with a certain sign, on either side of it.
        below: The faster transport below it.
        untold: Sizes whose interval holds zero.
    """

    kind: Kind
    at_bytes: int | None = None
    between_bytes: tuple[int, int] | None = None
    below: Literal["inline", "s3"] | None = None
    untold: tuple[int, ...] = ()

    def __str__(self) -> str:
        """The finding, in a sentence."""
        if self.kind == "crosses" and self.between_bytes is not None and self.at_bytes is not None:
            above = "S3" if self.below == "inline" else "inline"
            below = "inline" if self.below == "inline" else "S3"
            first, last = (size_text(size) for size in self.between_bytes)
            return (
                f"{below} is faster up to about {size_text(self.at_bytes)}, {above} beyond "
                f"(the crossing lies between {first} and {last})"
            )
        if self.kind == "undecided":
            return "these pairs cannot tell which way is faster"
        name = "inline" if self.kind == "inline" else "S3"
        if not self.untold:
            return f"{name} is faster at every size: the two do not cross"
        sizes = ", ".join(size_text(size) for size in self.untold)
        return (
            f"{name} is faster at every size that can be told apart (not at {sizes}): no crossing was found"
        )


def crossing(points: Sequence[tuple[int, Interval]]) -> Crossing:
    """Return where the sign of the difference (S3 minus inline) changes along `points`: (bytes, difference)."""
    ordered = sorted(points, key=lambda point: point[0])
    untold = tuple(size for size, difference in ordered if not difference.excludes_zero)
    told = [(size, difference.median) for size, difference in ordered if difference.excludes_zero]
    if not told:
        return Crossing("undecided", untold=untold)
    changes = [(one, other) for one, other in pairwise(told) if (one[1] > 0) != (other[1] > 0)]
    if not changes:
        return Crossing("inline" if told[0][1] > 0 else "s3", untold=untold)
    if len(changes) > 1:
        return Crossing("undecided", untold=untold)
    (low, before), (high, after) = changes[0]
    share = before / (before - after)
    at = math.exp(math.log(max(low, 1)) * (1 - share) + math.log(high) * share)
    return Crossing("crosses", round(at), (low, high), "inline" if before > 0 else "s3", untold)
