"""Plans the experiment: which payload is sent how, in which order, and when; pure, seeded, lazy.

From a seed, a rate and sizes come offsets in seconds from the start, fixed before the first request is sent, pairs in
randomized blocks, and the order within each pair. Owned by `arrivals`.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Literal

from fanout.domain.records import Transport

Arrivals = Literal["poisson", "constant"]


@dataclass(frozen=True, slots=True)
class Plan:
    """What is tried, and when.

    Attributes:
        seed: Of the arrivals and of both orders; each has a stream of its own, so that changing one leaves the others.
        rate_per_s: Requests a second, both transports together; the schedule is made of it.
        arrivals: `poisson` sees what an average arrival sees and cannot fall in step with anything periodic;
            `constant` spaces requests evenly.
        pairs: Pairs of each size.
        warmup: Pairs before the first that counts: connections, signatures and the endpoint's caches.
        sizes: Payload bytes.
    """

    seed: int
    rate_per_s: float
    arrivals: Arrivals
    pairs: int
    warmup: int
    sizes: tuple[int, ...]


def offsets(plan: Plan) -> Iterator[float]:
    """Yield when each request is due, in seconds from the start, without end."""
    if plan.arrivals == "constant":
        yield from (index / plan.rate_per_s for index in count())
        return
    rng = _stream(plan, "arrivals")
    due_s = 0.0
    while True:
        yield due_s
        due_s += rng.expovariate(plan.rate_per_s)


def orders(plan: Plan) -> Iterator[tuple[Transport, Transport]]:
    """Yield the order of each pair's two requests, without end; a coin decides which comes first.

    The two are neighbours in time, so that whatever drifts (the network, the endpoint, this machine) meets both.
    """
    rng = _stream(plan, "orders")
    while True:
        yield ("inline", "s3") if rng.random() < 0.5 else ("s3", "inline")


def blocks(plan: Plan, *, pairs: int) -> Iterator[int]:
    """Yield the sizes of `pairs` pairs: each block holds every size once, in an order of its own.

    Time is thereby shared by all sizes evenly, and a comparison between them does not compare two hours of a day.
    """
    rng = _stream(plan, "blocks")
    given = 0
    while given < pairs:
        block: Sequence[int] = rng.sample(plan.sizes, len(plan.sizes))
        yield from block[: pairs - given]
        given += len(block)


def _stream(plan: Plan, name: str) -> random.Random:
    return random.Random(f"{plan.seed}:{name}")  # noqa: S311 - an experiment that can be repeated
