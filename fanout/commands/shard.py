"""Runs one shard of a run, as a scheduler of array jobs starts it on any host, and starts it again."""

from __future__ import annotations

import logging
from functools import partial

from fanout.commands.kept_shard import run_kept_shard
from fanout.commands.shard_place import asked_index, take_plan
from fanout.commands.shard_summary import shard_summary
from fanout.concurrency.clock import SystemClock
from fanout.concurrency.threads import run_in_thread
from fanout.config.model import Config
from fanout.domain.shard_index import ShardIndex
from fanout.engine.snapshot import Observer
from fanout.rundir.paths import RunDirectory
from fanout.rundir.shard_plan import ShardPlan
from fanout.rundir.shard_result import ShardResult, read_shard_result
from fanout.rundir.summary import Summary
from fanout.runtime import settings as compose
from fanout.runtime.place.run_place import is_place
from fanout.runtime.result import RunResult
from fanout.runtime.runner import Runner
from fanout.runtime.session import Session
from fanout.runtime.spec import AGAIN
from fanout.runtime.supervisor import until_stopped
from fanout.shards.binding import shard_config
from fanout.shards.cancellation import cancellation, check_not_cancelled
from fanout.shards.one_shard import note_result, shard_spec
from fanout.shards.slots import slot

_log = logging.getLogger(__name__)


async def run_shard(config: Config, *, observer: Observer | None = None) -> Summary:
    """Take the rows of one shard to their end, or go on where an earlier process of it was; return their summary.

    A shard that has finished is left as it is. `commands.merge` makes the output of all of them.

    Args:
        config: Names the shard (`run.shard`) and the place of the run (`run.dir`).
        observer: Watches.

    Raises:
        UsageError: The configuration cannot be meant, or is another than that of the run's other shards.
        JournalInUse: Another process is at the shard.
        DeadlineReached: The run's deadline has passed.
        Interrupted: A signal came, or the run was cancelled; started again, the shard goes on.
        RunError: It could not be finished.
    """
    asked = compose.absolute(config)
    index = asked_index(asked)
    if is_place(asked.run.dir or ""):
        return await run_kept_shard(asked, index, observer=observer)
    step = f"nothing was sent: {AGAIN}"
    place, plan, resolved = await until_stopped(partial(take_plan, asked, index), next_step=step)
    directory = place.shard(index.index)
    if directory.subtotal.exists():
        _log.warning("shard %s was finished by an earlier process: nothing was sent", index)
        return shard_summary(plan, directory, read_shard_result(directory.subtotal), latency=False)
    check_not_cancelled(place)
    if plan.at_once == len(plan.shards):
        return await _run(place, plan, index, resolved, slot_number=index.index, observer=observer)
    turn = slot(place.slots, slots=plan.at_once, first=index.index % plan.at_once)
    number = await until_stopped(turn.__aenter__, next_step=step)
    try:
        return await _run(place, plan, index, resolved, slot_number=number, observer=observer)
    finally:
        await turn.__aexit__(None, None, None)


async def _run(
    place: RunDirectory,
    plan: ShardPlan,
    index: ShardIndex,
    asked: Config,
    *,
    slot_number: int,
    observer: Observer | None,
) -> Summary:
    config = shard_config(plan, asked, slot=slot_number, now=SystemClock().now())
    directory = place.shard(index.index)
    spec = await run_in_thread(partial(shard_spec, plan, index.index, directory, config=config))
    if index.index == 0:
        for text in plan.warnings:
            _log.warning("%s", text)
    runner = Runner(spec, observer=observer, orders=partial(cancellation, place))

    async def finish(result: RunResult, session: Session, /) -> Summary:
        await note_result(directory, result, session)
        noted = ShardResult(result.tally, result.throttles, result.warnings)
        summary = await run_in_thread(partial(shard_summary, plan, directory, noted, latency=True))
        return summary.lasted(started_at=result.started_at, seconds=session.clock.now() - result.started_at)

    return await runner.run(finish)
