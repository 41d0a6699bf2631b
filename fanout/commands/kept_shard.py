"""Runs one shard of a run whose state is kept in S3: any host can go on with it, and one has it at a time."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from functools import partial

import anyio

from fanout.commands.find_place import looking, scratch_of
from fanout.commands.shard_place import begin_with_output, draft_plan, named_place
from fanout.commands.shard_summary import shard_summary
from fanout.concurrency.clock import SystemClock
from fanout.concurrency.threads import run_in_thread
from fanout.config.model import Config
from fanout.domain.shard_index import ShardIndex
from fanout.engine.snapshot import Observer
from fanout.errors import JournalError, UsageError
from fanout.files import make_directory
from fanout.rundir.manifest import Manifest
from fanout.rundir.paths import RunDirectory
from fanout.rundir.shard_plan import ShardPlan
from fanout.rundir.shard_result import ShardResult, read_shard_result
from fanout.rundir.summary import Summary
from fanout.runtime.object_claim import ObjectClaim
from fanout.runtime.place.place_files import fetch_file
from fanout.runtime.place.run_place import RunPlace, run_place
from fanout.runtime.place.sign_of_life import until_silent
from fanout.runtime.result import RunResult
from fanout.runtime.runner import Runner
from fanout.runtime.schedule import same_night, scheduled
from fanout.runtime.session import Session
from fanout.runtime.spec import AGAIN
from fanout.runtime.supervisor import until_stopped
from fanout.shards.binding import check_bound, shard_config
from fanout.shards.kept_plan import read_shard_plan
from fanout.shards.kept_planning import planned_once
from fanout.shards.kept_shards import cancellation, is_there, put_new
from fanout.shards.kept_slots import kept_slot
from fanout.shards.one_shard import kept_shard_spec, note_result
from fanout.shards.plan_footers import put_footers
from fanout.text import quoted

_log = logging.getLogger(__name__)
LOOK_S = 1.0
PATIENCE_S = 20.0
"""How long the shard that made the plan may take to have the run begin, before another one does it."""


async def run_kept_shard(config: Config, index: ShardIndex, *, observer: Observer | None = None) -> Summary:
    """Take the rows of one shard to their end, or go on where an earlier process of it was; see `shard.run_shard`.

    Args:
        config: Names the place of the run (`run.dir`); paths absolute.
        index: Which shard.
        observer: Watches.

    Raises:
        Fenced: Another process has taken the shard over from this one.
        RunError: As `shard.run_shard`, or S3 does not permit it.
    """
    step = f"nothing was sent: {AGAIN}"
    with scratch_of(config) as whole:
        take = partial(_take_plan, config, index, whole)
        place, plan, asked = await until_stopped(take, next_step=step)
        directory = whole.shard(index.index)
        async with looking(asked) as session:
            ready = partial(_is_finished, session, place, directory, index)
            if await until_stopped(ready, next_step=step):
                _log.warning("shard %s was finished by an earlier process: nothing was sent", index)
                result = read_shard_result(directory.subtotal)
                return shard_summary(plan, directory, result, latency=False, place=place.shard(index.index))
            run = partial(
                _run, _Shard(session, place, plan, index.index, directory), asked, observer=observer
            )
            if plan.at_once == len(plan.shards):
                return await run(slot_number=index.index, slot=None)
            turn = kept_slot(
                session.cloud.objects,
                place,
                run_id=plan.shards[index.index].run_id,
                slots=plan.at_once,
                first=index.index % plan.at_once,
                clock=session.clock,
            )
            number, slot = await until_stopped(turn.__aenter__, next_step=step)
            try:
                return await run(slot_number=number, slot=slot)
            finally:
                await turn.__aexit__(None, None, None)


async def _take_plan(
    config: Config, index: ShardIndex, directory: RunDirectory
) -> tuple[RunPlace, ShardPlan, Config]:
    """Return where the run is, its plan, which the first shard makes, and the configuration as resolved."""
    now = SystemClock().now()
    tonight = scheduled(config, now=now)
    place = run_place(named_place(tonight))
    async with looking(tonight) as session:
        objects, clock = session.cloud.objects, session.clock
        made = False
        plan = await read_shard_plan(objects, place, index.index, clock=clock)
        if plan is None:
            if await is_there(objects, place.manifest, clock=clock):
                raise UsageError(f"{place.uri} holds a run of one process: name another place with --run-dir")

            async def make() -> bool:
                draft = await draft_plan(tonight, index)
                await put_footers(objects, place, draft.footers, clock=clock)
                return await put_new(objects, place.plan, draft.plan.dump_packed(), clock=clock)

            made = await planned_once(objects, place, make, clock=clock)
            plan = await read_shard_plan(objects, place, index.index, clock=clock)
        if plan is None:
            raise JournalError(f"{place.plan.uri} is gone: it was removed as this shard began; {AGAIN}")
        resolved = same_night(config, plan.config, now=now)
        check_bound(plan, resolved, shards=index.of, place=place.uri)
        await _begin(session, place, plan, directory, made=made)
    return place, plan, resolved


async def _begin(
    session: Session, place: RunPlace, plan: ShardPlan, directory: RunDirectory, *, made: bool
) -> None:
    """Have the run of the plan begin: its output is claimed, and its `run.json` is there.

    The shard that made the plan does it; another one where that seems to be gone.
    """
    objects, clock = session.cloud.objects, session.clock

    async def write() -> bool:
        await run_in_thread(
            partial(
                Manifest(plan.run_id, plan.config, plan.fingerprint, plan.endpoint).write, directory.manifest
            )
        )
        await put_new(objects, place.manifest, directory.manifest.read_bytes(), clock=clock)
        return True

    waited_s = 0.0
    while not await fetch_file(objects, place.manifest, directory.manifest, clock=clock):
        if made or waited_s >= PATIENCE_S:
            await begin_with_output(plan, where=place.uri, begin=write)
        else:
            await anyio.sleep(LOOK_S)
            waited_s += LOOK_S


async def _is_finished(session: Session, place: RunPlace, directory: RunDirectory, index: ShardIndex) -> bool:
    """Return whether a shard has finished; else it may be begun, or gone on with, by this process.

    Raises:
        UsageError: The run was cancelled.
        PlaceInUse: Another process is at the shard.
    """
    objects, clock, shard = session.cloud.objects, session.clock, place.shard(index.index)
    for path in (directory.path.parent, directory.path):
        make_directory(path)
    if await fetch_file(objects, shard.subtotal, directory.subtotal, clock=clock):
        return True
    if await is_there(objects, place.cancel, clock=clock):
        raise UsageError(
            f"the run in {place.uri} was cancelled: `fanout resume {quoted(place.uri)}` goes on with it, "
            f"`fanout discard {quoted(place.uri)}` gives it up"
        )
    await until_silent(objects, shard, clock=clock)
    return await fetch_file(
        objects, shard.subtotal, directory.subtotal, clock=clock
    )  # it has ended as we watched


@dataclass(frozen=True, slots=True)
class _Shard:
    """One shard of a run: the whole run's place and plan, and the shard's number and scratch directory."""

    session: Session
    place: RunPlace
    plan: ShardPlan
    index: int
    directory: RunDirectory


async def _run(
    shard: _Shard, asked: Config, *, slot_number: int, slot: ObjectClaim | None, observer: Observer | None
) -> Summary:
    plan, directory, place = shard.plan, shard.directory, shard.place
    objects, clock = shard.session.cloud.objects, shard.session.clock
    config = shard_config(plan, asked, slot=slot_number, now=clock.now())
    spec = await kept_shard_spec(objects, place, plan, shard.index, directory, config=config, clock=clock)
    if shard.index == 0:
        for text in plan.warnings:
            _log.warning("%s", text)
    runner = Runner(spec, observer=observer, orders=partial(cancellation, objects, place), slot=slot)

    async def finish(result: RunResult, own: Session, /) -> Summary:
        await note_result(directory, result, own)
        noted = ShardResult(result.tally, result.throttles, result.warnings)
        summarize = partial(
            shard_summary, plan, directory, noted, latency=True, place=place.shard(shard.index)
        )
        summary = await run_in_thread(summarize)
        return summary.lasted(started_at=result.started_at, seconds=own.clock.now() - result.started_at)

    return await runner.run(finish)
