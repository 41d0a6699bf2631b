"""Decides how long to wait before a call is repeated, and whether a row that the model failed is sent again."""

from __future__ import annotations

import re
from dataclasses import dataclass

PATTERNS = (
    r"server error \(5\d\d\)",
    r"tim(?:ed|e)?[ -]?out",
    r"internal ?server ?error",
)
"""What tells of a passing failure. SageMaker's texts are not documented; these were seen in public logs."""


@dataclass(frozen=True, slots=True)
class ModelRetry:
    """Which rows that the model failed are sent again within the run.

    Attributes:
        generations: How often at most, beyond the first.
        patterns: Regular expressions, searched in the failure's text without regard to case; one that matches
            allows it.
    """

    generations: int
    patterns: tuple[str, ...]

    def allows(self, *, generation: int, text: str | None) -> bool:
        """Whether a row of this generation that failed with `text` may be sent again."""
        if generation >= self.generations or not text:
            return False
        return any(re.search(pattern, text, re.IGNORECASE) for pattern in self.patterns)


def backoff_s(tries: int, *, draw: float, base_s: float = 0.2, cap_s: float = 20.0) -> float:
    """Return how long to wait after the `tries`-th failure (from 1): exponential with full jitter.

    Args:
        tries: Failures so far.
        draw: A uniform random number in [0, 1), handed in.
        base_s: Upper end of the first wait.
        cap_s: Upper end of every wait.
    """
    exponent = min(tries - 1, 16)
    return draw * min(cap_s, base_s * float(1 << exponent))
