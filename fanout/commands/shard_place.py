"""Has a run of several shards begin in its place: the shard that comes first makes its plan, the others take it."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

import anyio

from fanout.commands.earlier_run import seen_unfinished, unfinished_error, unfinished_run
from fanout.commands.paths import check_complete, check_paths
from fanout.concurrency.clock import SystemClock, uptime_s
from fanout.concurrency.threads import run_in_thread
from fanout.config.model import Config
from fanout.domain.ids import new_run
from fanout.domain.shard_index import ShardIndex, shard_index
from fanout.errors import UsageError, next_time
from fanout.files import write_new
from fanout.output.destination import claim
from fanout.output.object_place import is_remote, object_place
from fanout.rundir import identity
from fanout.rundir.claim import OutputInUse, Owner, claimed, read_claim
from fanout.rundir.journal import Journal, JournalInUse
from fanout.rundir.manifest import Manifest
from fanout.rundir.paths import RunDirectory
from fanout.rundir.shard_plan import ShardPlan, read_plan
from fanout.runtime import settings as compose
from fanout.runtime.finish import prove_output
from fanout.runtime.object_claim import ObjectClaim
from fanout.runtime.schedule import same_night, scheduled
from fanout.runtime.session import open_session
from fanout.runtime.spec import AGAIN
from fanout.shards.binding import as_planned, check_bound
from fanout.shards.plan import split_config
from fanout.shards.plan_footers import write_footers
from fanout.shards.planning import Draft, make_plan

LOOK_S = 0.5
PATIENCE_S = 60.0
"""How long another shard may take to have the run begin."""


def asked_index(config: Config) -> ShardIndex:
    """Return which shard of how many this process was started as.

    Raises:
        UsageError: It cannot be told, or does not fit the configuration.
    """
    run = config.run
    try:
        index = shard_index(run.shard or "", os.environ)
    except ValueError as error:
        raise UsageError(str(error)) from error
    if run.shards not in {None, index.of}:
        raise UsageError(f"--shards {run.shards} and --shard {index} disagree: leave out --shards")
    if run.processes > 1:
        raise UsageError(
            "--shard and --processes: a shard is one process; start more shards, or leave out --shard"
        )
    return index


def named_place(config: Config) -> str:
    """Return where all shards of a run meet, as it is named: a directory, or a place in S3.

    Raises:
        UsageError: None is named, or the configuration is of no run that could be shared.
    """
    check_complete(config)
    named = config.run.dir
    if named is None or named.endswith("/"):
        raise UsageError(
            "each shard has to find the others: name one place that all hosts see with --run-dir (no slash at its "
            "end), s3://BUCKET/runs/NAME or a directory such as one on EFS or NFS"
        )
    if config.local.enabled:
        raise UsageError(
            "--local starts an AWS of its own for each shard: start one for all of them with `fanout simulate`"
        )
    if config.input.since is not None:
        raise UsageError(
            "input.since is compared once, by the command that starts a run, and shards that are started one by one "
            "would each read everything: start all of them by one command (--shards N), or name the night's own files"
        )
    if not config.run.journal:
        raise UsageError("a shard is started again by its journal: leave run.journal as it is")
    return named


async def take_plan(config: Config, index: ShardIndex) -> tuple[RunDirectory, ShardPlan, Config]:
    """Return where the run is, its plan, which is made if this shard is the first, and the configuration as resolved.

    Args:
        config: As the shard was started, paths absolute.
        index: Which shard.

    Raises:
        UsageError: The shard was started with another configuration than the first, or the output is taken.
        JournalError: The plan is damaged, or of another version.
        RunError: AWS cannot be asked, or the input not be read.
    """
    now = SystemClock().now()
    tonight = scheduled(config, now=now)
    place = RunDirectory(Path(named_place(tonight)).absolute())
    if not place.plan.exists():
        if place.manifest.exists():
            raise UsageError(
                f"{place.path} holds a run of one process: name another directory with --run-dir"
            )
        await _put(place, await draft_plan(tonight, index))
    plan = await run_in_thread(partial(read_plan, place))
    resolved = same_night(config, plan.config, now=now)
    check_bound(plan, resolved, shards=index.of, place=str(place.path))
    await _begin(place, plan)
    return place, plan, resolved


async def draft_plan(config: Config, index: ShardIndex) -> Draft:
    """Return the plan that this shard would make, which is not written yet.

    Raises:
        UsageError: The configuration cannot be shared, or the output is taken.
        RunError: AWS cannot be asked, or the input not be read.
    """
    output = config.output.path or ""
    whole = as_planned(config, shards=index.of)
    at_once = min(config.run.at_once or index.of, index.of)
    split_config(whole, at_once=at_once, one_host=1)
    check_paths(config.input.paths, output)
    if not is_remote(output):
        with next_time(AGAIN):
            if (earlier := await run_in_thread(partial(seen_unfinished, output))) is not None:
                raise unfinished_error(output, earlier)
            claim(output, run_id="", overwrite=config.output.overwrite)
    run_id, deadline_s = new_run(), config.run.deadline_s
    async with open_session(whole, chosen=None) as session:
        now = session.clock.now()
        source = await session.source()
        draft = await make_plan(
            session,
            whole,
            await run_in_thread(partial(source.units, index.of)),
            run_id=run_id,
            at_once=at_once,
            now=now,
            deadline_at=None if deadline_s is None else now + deadline_s,
        )
        await prove_output(session, whole, run_id=run_id, warn=session.warnings.warn)
    return draft


async def _put(place: RunDirectory, draft: Draft) -> None:
    """Write the plan, unless another shard was faster."""
    with next_time(AGAIN):
        for directory in reversed((place.path, *place.path.parents)):
            if not directory.is_dir():
                directory.mkdir(mode=0o700, exist_ok=True)
        await run_in_thread(partial(write_footers, place, draft.footers))
        await run_in_thread(partial(write_new, place.plan, draft.plan.dump()))


async def _begin(place: RunDirectory, plan: ShardPlan) -> None:
    """Have the run of the plan begin, whichever shard does it: its output is claimed, and its `run.json` is there.

    Raises:
        OutputInUse: A live run has the output.
        UsageError: Another run of it is unfinished.
        RunError: S3 does not permit it.
    """
    waited_s = 0.0
    while not place.manifest.exists():
        try:
            await _claim_output(place, plan)
        except (OutputInUse, JournalInUse):
            if waited_s >= PATIENCE_S or await run_in_thread(partial(_is_anothers, plan)):
                raise
            # Another shard is at the same, for a moment.
            await anyio.sleep(LOOK_S)
            waited_s += LOOK_S


def _is_anothers(plan: ShardPlan) -> bool:
    """Whether what has the output on this machine is certainly no other shard of the plan."""
    output = plan.config.output.path or ""
    owner = None if is_remote(output) else read_claim(output)
    return owner is not None and owner.run_id != plan.run_id


async def _claim_output(place: RunDirectory, plan: ShardPlan) -> None:
    async def write() -> bool:
        await run_in_thread(partial(_write_manifest, place, plan))
        return True

    await begin_with_output(plan, where=str(place.path), begin=write)


async def begin_with_output(plan: ShardPlan, *, where: str, begin: Callable[[], Awaitable[bool]]) -> None:
    """Have the run of a plan begin while its output is this process's; its claim names the run from then on.

    Args:
        plan: The plan.
        where: The run's directory, or its place in S3.
        begin: Makes the run's `run.json`; returns whether it is there.

    Raises:
        OutputInUse: A live run has the output.
        UsageError: Another run of it is unfinished.
        RunError: S3 does not permit it.
    """
    output = plan.config.output.path or ""
    owner = Owner.here(plan.run_id, run_dir=where, now=SystemClock().now(), begun=True)
    if is_remote(output):
        async with open_session(compose.s3_alone(plan.config)) as session:
            claim_ = ObjectClaim(
                session.cloud.objects,
                object_place(output),
                owner=owner,
                clock=session.clock,
                uptime=uptime_s,
            )
            await claim_.take()
            begun = False
            try:
                begun = await begin()
            finally:
                await claim_.release("stopped" if begun else "released")
        return
    with claimed(output) as held:
        # A shard that was killed on its way here left the claim of this run, which begins by the same plan again.
        if held.previous is None or held.previous.run_id != plan.run_id:
            earlier = unfinished_run(output, held.previous)
            if earlier is not None:
                raise unfinished_error(output, earlier)
        claim(output, run_id=plan.run_id, overwrite=plan.config.output.overwrite)
        held.note(owner)
        await begin()


def _write_manifest(place: RunDirectory, plan: ShardPlan) -> None:
    """Write what makes the place a run's directory, its `run.json` last."""
    if place.manifest.exists():
        return
    place.parts.mkdir(mode=0o700, exist_ok=True)
    with_journal = Journal(
        place.journal
    )  # it knows no rows: it is the lock of those that work on the whole run
    try:
        identity.claim(place)
        Manifest(plan.run_id, plan.config, plan.fingerprint, plan.endpoint).write(place.manifest)
    finally:
        with_journal.close()
