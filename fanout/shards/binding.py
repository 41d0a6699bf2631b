"""Compares what a shard was started with to its plan, and gives it its share of the plan's configuration; pure."""

from __future__ import annotations

from fanout.config.model import Config
from fanout.errors import DeadlineReached, UsageError
from fanout.rundir.manifest import MATTERS, changes
from fanout.rundir.shard_plan import ShardPlan
from fanout.shards.plan import split_config
from fanout.shards.planning import heard

_BOUND = {
    **MATTERS,
    "transport": (
        "mode", "inline_max_bytes", "inline_regions", "input_prefix", "keep_inputs", "encryption", "kms_key_id",
        "bucket_key", "input_tags", "request_payer", "concurrency", "uploads",
    ),
    "pacing": None,
    "collect": None,
    "output": ("path", "part_rows", "part_bytes", "part_s"),
    "retry": None,
    "run": ("journal", "shards", "max_failures"),
}  # fmt: skip
"""Sections and keys in which all shards agree: what of it may be each host's own (credentials, metrics, patience) is
not here; None means all keys."""


def as_planned(config: Config, *, shards: int) -> Config:
    """Return the configuration of the whole run that one of so many shards was started with."""
    at_once = config.run.at_once or shards
    update = {"shard": None, "shards": shards, "at_once": None, "processes": 1, "resume": False}
    whole = config.model_copy(update={"run": config.run.model_copy(update=update)})
    return heard(whole, at_once=at_once)[0]


def check_bound(plan: ShardPlan, config: Config, *, shards: int, place: str) -> None:
    """Return if a shard was started with what the plan was made with.

    Args:
        plan: The plan.
        config: As the shard was started, resolved.
        shards: Of how many it is told to be one.
        place: Where the plan is.

    Raises:
        UsageError: They differ; says in what.
    """
    if len(plan.shards) != shards:
        raise UsageError(
            f"this shard is one of {shards}, and the run in {place} is divided into {len(plan.shards)}: start all "
            f"shards with the same number (one alone: --shard i/{len(plan.shards)}), or name another --run-dir"
        )
    asked = as_planned(config, shards=shards)
    differing = changes(plan.config, asked, matters=_BOUND)
    if (config.run.at_once or shards) != plan.at_once:
        differing.append("run.at_once")
    if differing:
        raise UsageError(
            f"{', '.join(differing)} differ from what the first shard of the run in {place} was started with: "
            "start all shards with the same, or name another --run-dir for a new run"
        )


def shard_config(plan: ShardPlan, asked: Config, *, slot: int, now: float) -> Config:
    """Return the configuration of one shard: a share of the plan's, with what is its host's own.

    Args:
        plan: The plan.
        asked: As the shard was started.
        slot: Which of the shares it has.
        now: Seconds since the epoch.

    Raises:
        DeadlineReached: The deadline of the run has passed.
    """
    share = split_config(plan.config, at_once=plan.at_once, one_host=1)[slot]
    left_s = None if plan.deadline_at is None else plan.deadline_at - now
    if left_s is not None and left_s <= 0.0:
        raise DeadlineReached(
            "the deadline of the run has passed: `fanout resume` without --shard gives what is left another one"
        )
    endpoint = share.endpoint.model_copy(
        update={"profile": asked.endpoint.profile, "url": asked.endpoint.url}
    )
    transport = share.transport.model_copy(update={"client": asked.transport.client})
    own = {"deadline_s": left_s, "grace_s": asked.run.grace_s, "rows_failed_exit": asked.run.rows_failed_exit}
    return share.model_copy(
        update={
            "endpoint": endpoint,
            "transport": transport,
            "run": share.run.model_copy(update=own),
            "metrics": asked.metrics,
        }
    )
