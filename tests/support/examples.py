"""How many examples hypothesis draws, as a share of what the profile asks for."""

from __future__ import annotations

from hypothesis import settings


def examples(number: int) -> int:
    """Return `number` where a profile asks for 100, hypothesis's default, and as many times more as it asks for."""
    return max(1, number * settings().max_examples // 100)
