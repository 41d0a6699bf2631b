"""Keeps what pytest collected, a million objects that stay, out of every collection of garbage, at no cost to a run."""

from __future__ import annotations

import gc

_count = gc.get_freeze_count


def freeze() -> None:
    """Freeze all that is there now.

    A run asks how much somebody else has frozen, and the answer is counted object by object: 50 ms of each run that a
    test makes. While it stays frozen, it is known.
    """
    gc.collect()
    gc.freeze()
    frozen = _count()
    gc.get_freeze_count = lambda: frozen


def thaw() -> None:
    """Have nothing frozen, and everything counted as it is."""
    gc.get_freeze_count = _count
    gc.unfreeze()
