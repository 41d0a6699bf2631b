"""Makes a run of one shard of a plan, wherever it is started, and keeps what it came to."""

from __future__ import annotations

import functools
import shutil

from fanout.concurrency.threads import run_in_thread
from fanout.config.model import Config
from fanout.errors import JournalError
from fanout.files import storage
from fanout.ports import Clock, ObjectStore
from fanout.rundir.manifest import read_manifest
from fanout.rundir.paths import RunDirectory
from fanout.rundir.shard_plan import ShardPlan
from fanout.rundir.shard_result import ShardResult
from fanout.runtime.place.place_files import fetch_file
from fanout.runtime.place.run_place import RunPlace
from fanout.runtime.result import RunResult
from fanout.runtime.session import Session
from fanout.runtime.spec import RunSpec
from fanout.shards.plan_footers import fetch_footers, read_footers
from fanout.source.units import InputPart


def shard_spec(plan: ShardPlan, index: int, directory: RunDirectory, *, config: Config) -> RunSpec:
    """Return a shard as a run: the one that its directory holds, or a new one, which makes the directory.

    Args:
        plan: Of the whole run.
        index: Which shard.
        directory: The shard's.
        config: Its share of the configuration.

    Raises:
        JournalError: The directory holds another run.
        StorageError: It cannot be made.
    """
    part = plan.part(index, footers=read_footers(directory.whole, plan.shards[index]))
    if not directory.manifest.exists():
        directory.create()
    return _spec(part, plan.shards[index].run_id, directory, config=config, place=None)


def _spec(
    part: InputPart, run_id: str, directory: RunDirectory, *, config: Config, place: RunPlace | None
) -> RunSpec:
    if not directory.manifest.exists():
        return RunSpec(run_id=run_id, config=config, directory=directory, part=part, place=place)
    manifest = read_manifest(directory)
    if manifest.run_id != run_id:
        raise JournalError(
            f"{directory.path} holds run {manifest.run_id}, and the plan beside it is of another one: "
            "put back what belongs there, or name another directory"
        )
    return RunSpec.resumed(manifest, directory, config=config, part=part, place=place)


async def kept_shard_spec(
    objects: ObjectStore,
    place: RunPlace,
    plan: ShardPlan,
    index: int,
    directory: RunDirectory,
    *,
    config: Config,
    clock: Clock,
) -> RunSpec:
    """Return a shard of a run that is kept in S3 as a run: the one that its place holds, or a new one.

    Args:
        objects: S3.
        place: Of the whole run.
        plan: Of the whole run.
        index: Which shard.
        directory: Scratch of the shard; what a process before left in it goes.
        config: Its share of the configuration.
        clock: The run's clock.

    Raises:
        JournalError: The place holds another run.
        RunError: S3 does not permit it, or does not answer.
        StorageError: The disk is full or failed.
    """
    shard = place.shard(index)
    with storage(directory.path, "remove"):
        await run_in_thread(functools.partial(_empty, directory))
    await run_in_thread(directory.create)
    await fetch_file(objects, shard.manifest, directory.manifest, clock=clock)
    planned = plan.shards[index]
    part = plan.part(index, footers=await fetch_footers(objects, place, planned, clock=clock))
    return await run_in_thread(
        functools.partial(_spec, part, planned.run_id, directory, config=config, place=shard)
    )


def _empty(directory: RunDirectory) -> None:
    if directory.path.exists():
        shutil.rmtree(directory.path)


async def note_result(directory: RunDirectory, result: RunResult, session: Session, /) -> None:
    """Make durable what a shard whose rows have all ended came to.

    Raises:
        StorageError: The disk is full or failed.
        Fenced: Another process owns the shard.
        RunError: Its place does not take it.
    """
    subtotal = ShardResult(result.tally, result.throttles, result.warnings)
    await run_in_thread(functools.partial(subtotal.write, directory.subtotal))
    if session.kept is not None:
        await session.kept.finish_shard()
