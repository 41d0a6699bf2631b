"""Makes the plan of a run of several shards from a look at its endpoint and its input."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from fanout.concurrency.threads import run_in_thread
from fanout.config.model import Config
from fanout.rundir.shard_plan import ShardPlan, idle_warning, planned
from fanout.runtime.session import Session
from fanout.source.units import Unit

LISTENERS_MAX = 64
"""Shards at once of which each has a queue. A topic takes 200 subscriptions with a filter policy (Amazon SNS quotas), a
shard makes two, and other runs want some: beyond this, results are found by listing."""
UNEVEN = 1.25
"""By how much the largest share may be above the mean where rows can be dealt out one by one instead."""


@dataclass(frozen=True, slots=True)
class Draft:
    """A plan that is not written yet.

    Attributes:
        plan: The plan.
        footers: What is written beside it, before it (`plan_footers`); nothing where no shard saves bytes by that.
    """

    plan: ShardPlan
    footers: bytes


async def make_plan(
    session: Session,
    config: Config,
    divided: Sequence[tuple[Unit, ...]],
    *,
    run_id: str,
    at_once: int,
    now: float,
    deadline_at: float | None,
) -> Draft:
    """Return the plan of a new run, which is not written yet.

    Args:
        session: AWS and the input.
        config: The run's, resolved.
        divided: What each shard reads, of `Source.units`.
        run_id: The run's id.
        at_once: How many shards may be at work at once.
        now: Seconds since the epoch.
        deadline_at: When every shard stops, likewise; None for never.

    Raises:
        RunError: The endpoint is not there, or the input cannot be read.
    """
    source = await session.source()
    config, listing = heard(config, at_once=at_once)
    warnings = [*source.warnings, *(text for text in (idle_warning(divided), listing) if text is not None)]
    packs = await run_in_thread(partial(source.packs, divided))
    plan = ShardPlan(
        run_id=run_id,
        config=config,
        endpoint=session.endpoint_name,
        simulated=await session.is_simulated(),
        fingerprint=source.fingerprint(),
        created_at=now,
        deadline_at=deadline_at,
        at_once=at_once,
        known=source.known,
        warnings=tuple(dict.fromkeys(warnings)),
        shards=planned(divided, packs.places),
    )
    return Draft(plan, packs.body)


def heard(config: Config, *, at_once: int) -> tuple[Config, str | None]:
    """Return the configuration with notifications only where there may be so many queues, and what to say of it."""
    collect = config.collect
    if at_once <= LISTENERS_MAX or not collect.notifications:
        return config, None
    text = (
        f"{at_once} shards at once would need more subscriptions than a topic takes beside those of other runs: "
        f"results are found by listing; with --at-once {LISTENERS_MAX} or less, each shard has a queue of its own"
    )
    silent = collect.model_copy(update={"notifications": False})
    return config.model_copy(update={"collect": silent}), text


def is_even(divided: Sequence[tuple[Unit, ...]]) -> bool:
    """Whether no shard has much more to read than the others."""
    sizes = [sum(unit.size_bytes for unit in units) for units in divided]
    return max(sizes) * len(sizes) <= UNEVEN * sum(sizes)
