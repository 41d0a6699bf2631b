"""What one seed stands for: an input, a world with faults, bounds, and interruptions; all drawn from the seed alone.

`draw(seed, rows=...)` is the only entrance. Shares are drawn as floats that do not repeat, so that a fault can be
counted by the share that caused it (`support.fault_counts`).
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from functools import cache
from typing import Literal

from support.settings import engine_limits, lookup_policy, model_retry, part_limits

from fanout.domain.ids import RUN_LENGTH
from fanout.domain.location import Location
from fanout.domain.records import Options, Record, Rejected
from fanout.domain.retry_policy import ModelRetry
from fanout.engine.reconcile.reconciler import MAX_RESENDS
from fanout.engine.reconcile.schedule import LookupPolicy
from fanout.engine.settings import EngineLimits
from fanout.simulator.settings import ForgerySettings, SimulatorSettings, Spread

Kind = Literal["instant", "step", "disk", "stop", "abort", "outage"]
"""How a process ends: killed at an instant, killed around the n-th effect on the world or the disk, the disk full at
the n-th write, the first signal, the second signal, the endpoint out of service from an instant on."""

BUCKET = "simulated"
LARGE_BYTES = 128_001  # the smallest that may not go inline
PAUSES_S = (1.0, 5.0, 45.0, 700.0, 30_000.0)
"""Until the next process: more than the bucket of a rate, a visibility timeout, TTL and timeout by default."""


@dataclass(frozen=True, slots=True)
class Interruption:
    """How and when a process ends; `at` is in seconds since it began, `step` counts from 1."""

    kind: Kind
    at: float
    step: int
    pause_s: float


@dataclass(frozen=True, slots=True)
class Scenario:
    """Everything about one seed.

    Attributes:
        rows: The input.
        payloads: What the model is to receive for each row; None for a row that is bad input.
        existing: Objects of the user's that rows name.
        chunk: Rows of a chunk of the source.
        fsync_s: How long a write to the disk takes.
        interruptions: Of the first process, the second, ...; the process after the last ends by itself.
    """

    seed: int
    run: str
    rows: tuple[Record | Rejected, ...]
    payloads: tuple[bytes | None, ...]
    existing: tuple[tuple[Location, bytes], ...]
    chunk: int
    simulator: SimulatorSettings
    limits: EngineLimits
    retry: ModelRetry
    patience: LookupPolicy
    rate: float | None
    bytes_per_s: float | None
    fsync_s: float
    listens: bool
    shared_queue: bool
    trusts: bool
    keep_inputs: bool
    interruptions: tuple[Interruption, ...]
    horizon_s: float
    """Virtual seconds after which a run that has not ended hangs."""


def draw(seed: int, *, rows: int = 500) -> Scenario:
    """Return the scenario of `seed`."""
    rng = random.Random(f"{seed}.scenario")
    limits = _limits(rng)
    unknown: Literal["resend", "wait", "never"] = rng.choices(("resend", "wait", "never"), (8, 1, 1))[0]
    options = _options(rng, hasty=limits.window < 100 or unknown != "resend")
    records, payloads, existing = _input(rng, rows, options)
    notifications = _notifications(rng)
    trusts = _chance(rng, 0.15)
    faults = _faults(rng, trusts=trusts) | _flaws(seed)
    simulator = _forged(_world(rng, seed, notifications=notifications, faults=faults), seed, trusts=trusts)
    rate = None if _chance(rng, 0.6) else rng.choice((20.0, 75.0, 400.0))
    quiet_s = rng.choice((2.0, 10.0))
    retry = model_retry(generations=rng.choice((0, 1, 1, 3)))
    interruptions = _interruptions(rng)
    ttl_s, timeout_s = options.ttl_s or 21_600, options.invocation_timeout_s or 900
    # Each generation may wait for a deadline, with `wait` for one a re-send; a full window of such rows at a time.
    deadlines = (MAX_RESENDS + 1 if unknown == "wait" else 2) * (retry.generations + 1)
    patient_s = deadlines * (ttl_s + timeout_s + 960.0)
    turns = 1 + len(interruptions) + 0.5 * rows / limits.window
    pauses_s = sum(each.pause_s for each in interruptions)
    return Scenario(
        seed=seed,
        run="".join(rng.choice("abcdefghijklmnopqrstuvwxyz234567") for _ in range(RUN_LENGTH)),
        rows=records,
        payloads=payloads,
        existing=existing,
        chunk=rng.choice((7, 64, 512)),
        simulator=simulator,
        limits=limits,
        retry=retry,
        patience=lookup_policy(
            notified=notifications["enabled"] is True,
            quiet_s=quiet_s,
            unknown_s=quiet_s
            if seed % 2
            else None,  # drawn by no generator: the other draws stay what they were
            unknown=unknown,
        ),
        rate=rate,
        bytes_per_s=rng.choice((None, None, None, 2e6)),
        fsync_s=rng.choice((0.0, 0.0, 0.002, 0.05)),
        listens=notifications["enabled"] is True,
        shared_queue=_chance(rng, 0.1),
        trusts=trusts,
        keep_inputs=_chance(rng, 0.1),
        interruptions=interruptions,
        horizon_s=20.0 * rows + turns * patient_s + pauses_s,
    )


def _options(rng: random.Random, *, hasty: bool) -> Options:
    """Return what every row asks for; where rows wait for their deadlines one by one, these are near."""
    ttls, timeouts = ((60, 300), (5, 60)) if hasty else ((None, 60, 300, 3_600), (None, 5, 60))
    return Options(
        content_type="application/json", ttl_s=rng.choice(ttls), invocation_timeout_s=rng.choice(timeouts)
    )


def _chance(rng: random.Random, share: float) -> bool:
    return rng.random() < share


@cache
def _large(number: int, size_bytes: int) -> bytes:
    """Return one of a few large payloads: hashing is what they cost, so seeds share them."""
    return random.Random(number).randbytes(size_bytes)


def _input(
    rng: random.Random, count: int, options: Options
) -> tuple[tuple[Record | Rejected, ...], tuple[bytes | None, ...], tuple[tuple[Location, bytes], ...]]:
    bad_share = rng.choice((0.0, 0.02))
    existing_share = rng.choice((0.0, 0.02))
    large_share = rng.choices((0.0, 4 / count, 16 / count), (5, 4, 1))[0]
    records: list[Record | Rejected] = []
    payloads: list[bytes | None] = []
    existing: list[tuple[Location, bytes]] = []
    for row in range(count):
        draw = rng.random()
        if draw < bad_share:
            records.append(Rejected(row, None, "InvalidJSON", f"in.jsonl:{row + 1}: not JSON"))
            payloads.append(None)
            continue
        if draw > 1.0 - large_share:
            number = rng.randrange(8)
            payload = _large(number, 128_000 if number == 0 else LARGE_BYTES + number)
        else:
            payload = rng.randbytes(rng.choice((0, 1, 20, 60)))
        location = None
        if rng.random() < existing_share:
            place = Location(BUCKET, f"theirs/{row}")
            existing.append((place, payload))
            location = place.uri
        records.append(Record(row, f"id-{row}", b"" if location else payload, options, location=location))
        payloads.append(payload)
    return tuple(records), tuple(payloads), tuple(existing)


def _world(
    rng: random.Random, seed: int, *, notifications: dict[str, object], faults: dict[str, object]
) -> SimulatorSettings:
    slow = _chance(rng, 0.3)
    latency_s = rng.choice((0.0, 0.0, 0.02, 0.3))
    spread = {"median_s": latency_s, "sigma": 0.5}
    # A reply that waits for its notification waits no longer than a client does, so not for a cold start; nor behind
    # 32 requests in four places at 2 s: what times out is sent again, and then nothing is ever answered in time.
    early = "early" in notifications
    cold = _chance(rng, 0.1) and not early
    throttle: dict[str, object] = {}
    if _chance(rng, 0.15):
        throttle = {
            "rate_per_s": rng.choice((15.0, 60.0)),
            "burst": rng.choice((1, 20)),
            "retry_after_s": rng.choice((None, 0.5)),
        }
    return SimulatorSettings.model_validate(
        {
            "seed": seed,
            "instances": 0 if cold else rng.choice((1, 2)),
            "cold_instances": 2,
            "cold_start_s": 90.0 if cold else 0.0,
            "concurrency_per_instance": rng.choice((4, 16)),
            "service_time": {
                "median_s": (0.4 if early else 2.0) if slow else rng.choice((0.05, 0.4)),
                "sigma": rng.choice((0.0, 1.0)),
            },
            "failure_share": rng.choice((0.0, 0.0, rng.uniform(0.005, 0.3))),
            # Without failure objects, a failure whose notification is lost is only ever told by its deadline.
            "failure_prefix": None if _chance(rng, 0.1) else "async-failures",
            "join": rng.choices(("joined", "suffixed", "ignored"), (6, 2, 1))[0],
            "throttle": throttle,
            "latency": {"runtime": spread, "s3": spread, "sqs": spread},
            "notifications": notifications,
            "faults": faults,
            # Of its own generator: what the other draws make of a seed stays as it was.
            "inline": random.Random(f"{seed}.inline").random() > 0.05,
        }
    )


def _forged(settings: SimulatorSettings, seed: int, *, trusts: bool) -> SimulatorSettings:
    """Return the world with forged ends in a third of the seeds; drawn apart, so that nothing else is drawn anew."""
    rng = random.Random(f"{seed}.forgery")
    if trusts or not _chance(rng, 0.35):  # who trusts the topic has been promised that no message is forged
        return settings
    statuses = rng.choice((("Failed",), ("Expired",), ("Completed",), ("Failed", "Expired", "Completed")))
    forgery = ForgerySettings(
        statuses=statuses,
        delay=Spread(median_s=rng.choice((0.0, 0.1, 1.0, 30.0)), sigma=rng.choice((0.0, 1.0))),
        copies=rng.choice((1, 1, 3)),
        apart_s=rng.choice((0.05, 1.0, 12.0)),
    )
    faults = settings.faults.model_copy(update={"forged_ends": rng.uniform(0.02, 0.6)})
    return settings.model_copy(update={"forgery": forgery, "faults": faults})


def _notifications(rng: random.Random) -> dict[str, object]:
    drawn: dict[str, object] = {
        "enabled": not _chance(rng, 0.12),
        "separate_topics": _chance(rng, 0.5),
        "includes_response": _chance(rng, 0.5),
    }
    if _chance(rng, 0.35):
        drawn["loss_share"] = rng.choice((rng.uniform(0.001, 0.3), 1.0))
    if _chance(rng, 0.3):
        drawn |= {"duplicate_share": rng.uniform(0.1, 1.0), "copies": rng.choice((2, 5))}
    if _chance(rng, 0.3):
        drawn |= {"delay_s": rng.choice((0.0, 1.0, 30.0)), "spread_s": rng.choice((0.0, 5.0))}
    if _chance(rng, 0.15):
        drawn |= {"early": True, "delay_s": rng.choice((0.0, 1.0)), "spread_s": 0.0}
    return drawn


_FAULTS: tuple[tuple[str, float, float], ...] = (
    ("refuse_share", 0.01, 0.4),
    ("reset_before_share", 0.005, 0.08),
    ("throttle_share", 0.01, 0.6),
    ("server_error_share", 0.005, 0.15),
    ("html_error_share", 0.005, 0.1),
    ("server_error_after_accept_share", 0.005, 0.08),
    ("reset_after_accept_share", 0.005, 0.1),
    ("hang_share", 0.002, 0.03),
    ("dribble_share", 0.002, 0.03),
    ("garbage_reply_share", 0.005, 0.08),
    ("reply_without_location_share", 0.005, 0.08),
    ("reply_foreign_location_share", 0.005, 0.08),
    ("s3_slowdown_share", 0.01, 0.3),
    ("s3_truncated_get_share", 0.01, 0.3),
    ("partial_delete_failure_share", 0.05, 0.6),
    ("expired_share", 0.005, 0.05),
    ("failed_then_completed_share", 0.005, 0.1),
    ("complete_without_object_share", 0.002, 0.03),
    ("empty_output_share", 0.01, 0.1),
    ("foreign_messages", 0.05, 0.6),
    ("forged_messages", 0.05, 0.6),
)


def _faults(rng: random.Random, *, trusts: bool) -> dict[str, object]:
    chosen = rng.sample(_FAULTS, rng.choices((0, 1, 2, 4, 8), (2, 3, 3, 2, 1))[0])
    drawn: dict[str, object] = {name: rng.uniform(least, most) for name, least, most in chosen}
    if trusts:  # who trusts the topic has been promised that no message is forged
        drawn.pop("forged_messages", None)
    if _chance(rng, 0.15):
        drawn["s3_forbidden_for_missing"] = True
    return drawn


def _flaws(seed: int) -> dict[str, object]:
    """Return a share of unreadable objects, now and then; drawn apart: seeds that were kept stay what they are."""
    rng = random.Random(f"{seed}.flaws")
    return {"unreadable_share": rng.uniform(0.002, 0.05)} if _chance(rng, 0.1) else {}


def _limits(rng: random.Random) -> EngineLimits:
    concurrency = rng.choice((1, 4, 12, 32))
    return engine_limits(
        concurrency=concurrency,
        window=rng.choice((concurrency, 40, 150, 10_000)),
        held_bytes=rng.choice((2_000, 300_000, 256 * 1024 * 1024)),
        uploads=rng.choice((1, 4)),
        fetches=rng.choice((1, 4, 8)),
        pollers=rng.choice((1, 2)),
        poll_s=20.0,
        grace_s=rng.choice((0.0, 5.0, 60.0)),
        parts=part_limits(rows=rng.choice((60, 250, 10_000)), age_s=rng.choice((10.0, 60.0, 300.0))),
    )


_KINDS: tuple[tuple[Kind, int], ...] = (
    ("instant", 4),
    ("step", 5),
    ("disk", 2),
    ("stop", 2),
    ("abort", 1),
    ("outage", 1),
)


def _interruptions(rng: random.Random) -> tuple[Interruption, ...]:
    count = rng.choices((0, 1, 2, 3), (4, 3, 2, 1))[0]
    kinds, weights = zip(*_KINDS, strict=True)
    return tuple(
        Interruption(
            kind=rng.choices(kinds, weights)[0],
            at=_between(rng, 0.01, 60.0),
            step=round(_between(rng, 1, 2_500)),
            pause_s=rng.choice(PAUSES_S),
        )
        for _ in range(count)
    )


def _between(rng: random.Random, least: float, most: float) -> float:
    """Return a number between, each order of magnitude as likely: the beginning of a run is full of edges."""
    return float(least * (most / least) ** rng.random())
