"""A request that leaves when it is due, for tests of the schedule without a gate."""

from __future__ import annotations

from typing import Any

from fanout.engine.pacing import Pacer


def reserve(pacer: Pacer, now: float, *, since: float | None = None, **cost: Any) -> float:
    """Return when the next request is due, and charge for it; `cost` as for `Pacer.due`."""
    due = pacer.due(now, since=since, **cost)
    pacer.charge(due, **cost)
    return due
