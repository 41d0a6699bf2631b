"""Says of how many values a percentile can be told, and where it lies between two of them."""

import math

P999_MIN = 1_000
"""Values from which on a p99.9 is one: of fewer, it would be the largest one under another name."""


def place(n: int, q: float) -> tuple[int, float]:
    """Return where the quantile `q` of `n` ordered values lies: a rank, from 0, and the part of the way to the next."""
    exact = q * (n - 1)
    rank = math.floor(exact)
    return rank, exact - rank


def between(lower: float, upper: float, share: float) -> float:
    """Return the quantile that lies `share` of the way from one value to the next, linearly, as DuckDB and numpy do.

    Whatever tells a quantile tells it by this: two ways that differ in the last bit are rounded to different digits.
    """
    return lower + share * (upper - lower)
