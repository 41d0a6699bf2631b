"""Messages that anyone can forge, and failures that leave no object: for the table and the tests."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path

from support.audit import audit
from support.engine import Ran, random_payloads, records, run_engine
from support.faults import QUICK

from fanout.engine.reconcile.evidence import SLACK_S
from fanout.engine.reconcile.settle import EVERY_S
from fanout.simulator.settings import SimulatorSettings

TIMEOUT_S = 900.0  # InvocationTimeoutSeconds, by default
ADDED_MAX_S = TIMEOUT_S + 60.0
"""What genuine failures may add to a run: the first row after them is seen a little after they are accepted."""
assert SLACK_S + EVERY_S < 60.0


@dataclass(frozen=True)
class Case:
    """One line of the table: a name, and what differs from a quick and quiet world."""

    name: str
    world: dict[str, object]
    genuine: bool = False


@dataclass(frozen=True)
class Result:
    """What came of it: rows that ended otherwise than without the messages, acceptances that nothing counts."""

    rows: int
    statuses: Counter[str]
    forged: int
    wrong: int
    uncounted: int
    resends: int
    seconds: float


def forged() -> Iterator[Case]:
    """Yield the forged cases: three messages about each row, half a second apart."""
    whens = {
        # The first comes before the 202, which is 0.1 s away, the others while the row is queued or served.
        "before the 202 and the output": {"forgery": {"delay": {"median_s": 0.0}}},
        # The outputs stand after 0.2 s; what SageMaker says of them comes only after 8 s.
        "after the output": {
            "forgery": {"delay": {"median_s": 3.0}},
            "notifications": {"delay_s": 8.0},
            "instances": 100,
        },
    }
    for status, path, (when, changes) in product(
        ("Failed", "Expired", "Completed"), (True, False), whens.items()
    ):
        forgery = {**changes["forgery"], "statuses": [status], "copies": 3, "apart_s": 0.5}
        world = {
            **QUICK,
            "latency": {"runtime": {"median_s": 0.1}},
            "failure_prefix": "async-failures" if path else None,
            **changes,
            "faults": {"forged_ends": 1.0},
            "forgery": forgery,
        }
        yield Case(f"forged {status}, {'failure path' if path else 'no failure path'}, {when}", world)


def genuine(*, share: float) -> Iterator[Case]:
    """Yield the genuine failures that leave no object."""
    told = {"announced": {}, "not announced": {"enabled": False}}
    for (how, notifications), permitted in product(told.items(), (True, False)):
        if notifications and not permitted:
            continue  # nothing tells of such a row: it waits for its deadline
        cloudwatch = "CloudWatch permitted" if permitted else "CloudWatch not permitted"
        faults = {} if permitted else {"faults": {"denied": ["GetMetricStatistics"]}}
        world = {
            **QUICK,
            "failure_prefix": None,
            "failure_share": share,
            "notifications": notifications,
            **faults,
        }
        yield Case(f"the model fails {share:.0%}, no failure path, {how}, {cloudwatch}", world, genuine=True)


def play(case: Case, directory: Path, *, rows: int, seed: int = 1) -> Result:
    """Run one case and audit it."""
    payloads = random_payloads(rows, seed=seed, large_share=0.05)
    world = SimulatorSettings.model_validate({**case.world, "seed": seed})
    ran = run_engine(
        records(payloads),
        directory,
        simulator=world,
        notified=world.notifications.enabled,
        seed=seed,
    )
    audit(ran.table, payloads, accepted=ran.accepted)
    statuses = Counter(ran.table["status"].to_pylist())
    failures = ran.world.stats()["failed"]
    return Result(
        rows=rows,
        statuses=statuses,
        forged=ran.world.stats()["notifications_forged_ends"],
        wrong=0 if case.genuine else rows - statuses["succeeded"],
        uncounted=_uncounted(ran, proven=failures if world.failure_path else 0),
        resends=sum(ran.table["resends"].to_pylist()),
        seconds=ran.seconds,
    )


def _uncounted(ran: Ran, *, proven: int) -> int:
    """Return the acceptances beyond one a row, one a proven failure, and the counted re-sends."""
    taken = Counter(line.row for line in ran.world.log)
    resends = dict(zip(ran.table["row"].to_pylist(), ran.table["resends"].to_pylist(), strict=True))
    return max(0, sum(max(0, count - 1 - resends[row]) for row, count in taken.items()) - proven)
