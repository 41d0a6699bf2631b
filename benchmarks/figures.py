"""What samples come to: cost per record apart from start-up, medians over rounds, and ratios within a round. Pure.

A contender runs twice a round, with few rows and with many. What differs between the two is what rows cost; what is
left over is what starting costs. Ratios are taken within a round, where both sides met the same machine.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

Sample = Mapping[str, Any]
"""One run: `round`, `contender`, `rows`, `seconds`, `cpu_s`, `peak_bytes`, and perhaps `server_cpu_s`."""


@dataclass(frozen=True, slots=True)
class Spread:
    """The median over rounds, and the least and the greatest."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Iterable[float]) -> Spread:
        """Return the spread of `values`, of which there must be one at least."""
        ordered = sorted(values)
        return cls(median(ordered), ordered[0], ordered[-1])

    def scaled(self, factor: float) -> Spread:
        """Return the same in another unit."""
        return Spread(self.median * factor, self.low * factor, self.high * factor)

    def __format__(self, spec: str) -> str:
        """Return all three, each by `spec`: `12.0 (11.5-13.1)`."""
        return f"{self.median:{spec}} ({self.low:{spec}}-{self.high:{spec}})"


@dataclass(frozen=True, slots=True)
class Cost:
    """What one contender cost in one round.

    Attributes:
        per_s: Rows a second once it runs.
        cpu_us: CPU of the client per row, in microseconds.
        start_s: CPU of its start and end, in seconds.
        peak_bytes: Peak memory of the larger run.
        server_share: Share of one core that the server was busy, while rows ran.
    """

    per_s: float
    cpu_us: float
    start_s: float
    peak_bytes: int
    server_share: float


def cost(samples: Sequence[Sample]) -> Cost:
    """Return what a row costs, from a contender's smallest and largest run of one round.

    A single run (a client of which a start costs nothing) is its own slope. Two runs so small that noise makes the
    larger one the quicker give a rate of 0 and a cost of 0 or below: too small to say anything.
    """
    small, large = (
        min(samples, key=lambda sample: sample["rows"]),
        max(samples, key=lambda sample: sample["rows"]),
    )
    if small["rows"] == large["rows"]:
        small = dict.fromkeys(("rows", "seconds", "cpu_s", "server_cpu_s"), 0)
    rows, seconds = large["rows"] - small["rows"], large["seconds"] - small["seconds"]
    per_row_s = (large["cpu_s"] - small["cpu_s"]) / rows
    server_s = large.get("server_cpu_s", 0.0) - small.get("server_cpu_s", 0.0)
    return Cost(
        per_s=rows / seconds if seconds > 0 else 0.0,
        cpu_us=per_row_s * 1e6,
        start_s=large["cpu_s"] - per_row_s * large["rows"],
        peak_bytes=large["peak_bytes"],
        server_share=server_s / seconds if seconds > 0 else 0.0,
    )


def costs(samples: Iterable[Sample]) -> dict[str, dict[int, Cost]]:
    """Return each contender's cost by round, in the order in which contenders first appear."""
    runs: dict[str, dict[int, list[Sample]]] = {}
    for sample in samples:
        runs.setdefault(sample["contender"], {}).setdefault(sample["round"], []).append(sample)
    return {name: {number: cost(found) for number, found in rounds.items()} for name, rounds in runs.items()}


def over_rounds(rounds: Mapping[int, Cost], name: str) -> Spread:
    """Return the spread of one attribute of `Cost`."""
    return Spread.of(getattr(each, name) for each in rounds.values())


def ratio(rounds: Mapping[int, Cost], other: Mapping[int, Cost], name: str) -> Spread | None:
    """Return how many times `other`'s an attribute is, round by round; None if no round has both above 0."""
    pairs = [(rounds[number], other[number]) for number in rounds.keys() & other.keys()]
    values = [
        getattr(ours, name) / getattr(theirs, name)
        for ours, theirs in pairs
        if getattr(ours, name) > 0 and getattr(theirs, name) > 0
    ]
    return Spread.of(values) if values else None
