"""How much of a service's limit gets through, and how much is refused: in simulation, on a virtual clock, from seeds.

Senders of 64 connections and 20 ms meet a token bucket with a small or a large burst, a limit that halves or doubles
after 30 s, refusals at random, and two of their kind that share a limit. Beside fanout's pacing stands botocore's
adaptive retry mode, which aiobotocore uses as it is: its own classes, on the same clock. Unlike a real client's, its
requests are repeated without end; a real one gives up after three attempts.

    python benchmarks/throttled.py --rounds 3
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from botocore.exceptions import CapacityNotAvailableError
from botocore.retries.adaptive import RateClocker
from botocore.retries.bucket import TokenBucket as Tokens
from botocore.retries.throttling import CubicCalculator
from machine import RESULTS, describe, save

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from support.throttled import CONNECTIONS, ROUND_TRIP_S, AtRandom, Rule, Sender, Service, TokenBucket, play

from fanout.engine.pacing import Pacer

COULD_BE = CONNECTIONS / ROUND_TRIP_S
LIMITS = (50, 300, 1_000, 2_500)
CHANGES_AT_S, LATE_S = 30.0, 10.0
SHARES = (0.01, 0.05, 0.3, 0.5, 0.7)
FIRST_SEED = 1_000
"""The constants of the pacing were chosen with seeds below: a table of those would flatter it."""


class Adaptive:
    """botocore's adaptive mode: `ClientRateLimiter`'s lines, with its own parts, on a clock that is set."""

    def __init__(self) -> None:
        self._now = 0.0
        self._cubic = CubicCalculator(starting_max_rate=0, start_time=0.0)
        self._clocker = RateClocker(self)
        self._tokens = Tokens(max_rate=1, clock=self)
        self._enabled = False

    def current_time(self) -> float:
        """Return the time, as `botocore.retries.bucket.Clock` does."""
        return self._now

    def due(self, now: float, *, since: float | None = None) -> float:  # noqa: ARG002 - Rule's
        if not self._enabled:
            return now
        self._now = now
        self._tokens.max_rate = self._tokens.max_rate  # refills
        return now + max(1.0 - self._tokens.available_capacity, 0.0) / self._tokens.max_rate

    def charge(self, due: float) -> None:  # noqa: ARG002 - Rule's
        if self._enabled:
            with suppress(CapacityNotAvailableError):  # for what rounding takes off a token
                self._tokens.acquire(block=False)

    def accepted(self, now: float, *, sent_at: float) -> None:  # noqa: ARG002 - Rule's
        self._now = now
        measured = self._clocker.record()
        self._tokens.max_rate = min(self._cubic.success_received(now), 2.0 * measured)

    def throttled(self, now: float, *, sent_at: float) -> None:  # noqa: ARG002 - Rule's
        self._now = now
        measured = self._clocker.record()
        used = min(measured, self._tokens.max_rate) if self._enabled else measured
        self._enabled = True
        self._tokens.max_rate = min(self._cubic.error_received(used, now), 2.0 * measured)


RULES: Mapping[str, Callable[[], Rule]] = {"fanout": Pacer, "adaptive": Adaptive}


def main() -> int:
    asked = _arguments()
    machine = describe()
    samples: list[dict[str, Any]] = []
    settings = {"rounds": asked.rounds, "limits": asked.limits, "seconds": asked.seconds}
    for seed in range(FIRST_SEED, FIRST_SEED + asked.rounds):
        for name, rule in RULES.items():
            for case, service, best in _cases(asked.limits):
                found = _one(rule, service, best, seed=seed, seconds=asked.seconds)
                samples.append({"round": seed - FIRST_SEED, "rule": name, "case": case, **found})
            for limit in asked.limits:
                found = _two(rule, limit, seed=seed, seconds=asked.seconds)
                samples.append(
                    {"round": seed - FIRST_SEED, "rule": name, "case": f"two on {limit:,}", **found}
                )
            save(asked.json, machine=machine, settings=settings, samples=samples)
    _report(samples)
    print(f"raw numbers: {asked.json}")
    return 0


Case = tuple[str, Callable[[], Service], Callable[[float], float]]
"""Its name, its service, and what could be accepted a second at an instant."""


def _cases(limits: list[int]) -> Iterator[Case]:
    for limit in limits:
        for burst in (max(5, limit // 50), 2 * limit):
            yield (
                f"{limit:,}, burst {burst:,}",
                partial(TokenBucket, limit, burst=burst),
                partial(_before, limit, limit),
            )
    for before, after in ((300, 600), (1_000, 2_000), (600, 300), (2_000, 1_000)):
        service = partial(TokenBucket, before, burst=before // 50, changes=[(CHANGES_AT_S, after)])
        yield f"{before:,}, then {after:,}", service, partial(_before, before, after)
    for share in SHARES:
        best = COULD_BE * (1.0 - share)
        yield f"{share:.0%} refused at random", partial(AtRandom, share), partial(_before, best, best)


def _before(before: float, after: float, now: float) -> float:
    return before if now < CHANGES_AT_S else after


def _one(
    rule: Callable[[], Rule],
    service: Callable[[], Service],
    best: Callable[[float], float],
    *,
    seed: int,
    seconds: float,
) -> dict[str, float]:
    """Return what got through of what could, in the first minute and after it, and what was refused."""
    sender, half = Sender(rule()), seconds / 2
    play(service(), [sender], seconds=seconds, seed=seed)
    return {
        "first": sender.goodput(0, half) / _mean(best, 0, half),
        "after": sender.goodput(half, seconds) / _mean(best, half, seconds),
        "refused_first": sender.refused_share(1, half),
        "refused_after": sender.refused_share(half, seconds),
        "changed": sender.goodput(CHANGES_AT_S + 8, CHANGES_AT_S + 10) / best(CHANGES_AT_S + 9),
        "refused_changed": sender.refused_share(CHANGES_AT_S + 2, CHANGES_AT_S + 10),
    }


def _mean(best: Callable[[float], float], start: float, end: float) -> float:
    steps = math.ceil(end - start)
    return sum(best(start + (end - start) * (number + 0.5) / steps) for number in range(steps)) / steps


def _two(rule: Callable[[], Rule], limit: int, *, seed: int, seconds: float) -> dict[str, float]:
    """Return what two got of one limit, the second ten seconds late, from thirty seconds after on."""
    senders = [Sender(rule()), Sender(rule(), begins_at=LATE_S)]
    start = LATE_S + min(30.0, seconds / 2)
    play(TokenBucket(limit, burst=2 * limit), senders, seconds=start + 30.0, seed=seed)
    shares = sorted(sender.goodput(start, start + 30.0) / limit for sender in senders)
    refused = sum(sender.refused_share(start, start + 30.0) for sender in senders) / 2
    return {
        "together": sum(shares),
        "less": shares[0] / sum(shares) if sum(shares) else 0.5,
        "refused": refused,
    }


def _report(samples: list[dict[str, Any]]) -> None:
    print(f"{'':9} {'':24} {'first':>7} {'after':>7} {'refused':>8} {'after':>7} {'changed':>8}")
    for sample in samples:
        names = ("first", "after", "refused_first", "refused_after", "changed")
        if "together" in sample:
            names = ("together", "less", "refused")
        found = " ".join(f"{sample[name]:7.1%}" for name in names)
        print(f"{sample['rule']:9} {sample['case']:24} {found}")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=3, help="seeds")
    parser.add_argument("--limits", type=int, nargs="+", default=list(LIMITS), metavar="PER_S")
    parser.add_argument("--seconds", type=float, default=120.0, help="simulated, of each case")
    parser.add_argument("--json", type=Path, default=RESULTS / "throttled.json")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
