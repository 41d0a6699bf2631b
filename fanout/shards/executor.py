"""Decides how the rows of a run are shared among its shards, and makes the work of all of them."""

from __future__ import annotations

import logging
import os
from collections.abc import AsyncIterator, Callable, Sequence
from functools import partial

from fanout.concurrency.threads import run_in_thread
from fanout.domain.ids import new_run
from fanout.domain.row_ranges import Stripe
from fanout.errors import JournalError, UsageError
from fanout.files import write_new
from fanout.observability.logging import LEVELS
from fanout.observability.metrics.fold import Fold
from fanout.observability.status_file import read_status_file
from fanout.rundir.journal import JournalInUse, count_states
from fanout.rundir.paths import RunDirectory
from fanout.rundir.shard_plan import ShardPlan, read_plan
from fanout.runtime.executor import Executor
from fanout.runtime.place.run_place import RunPlace
from fanout.runtime.session import Session
from fanout.runtime.spec import RunSpec
from fanout.shards.assignment import Assignment
from fanout.shards.cancellation import cancellation
from fanout.shards.kept_plan import fetch_plan
from fanout.shards.kept_shards import cancellation_at, fetch_parts, fetch_results, put_new
from fanout.shards.launcher import Launcher
from fanout.shards.plan import split_config
from fanout.shards.plan_footers import put_footers, write_footers
from fanout.shards.planning import heard, is_even, make_plan
from fanout.shards.processes import ProcessLauncher
from fanout.shards.work import Member, ShardsWork

_log = logging.getLogger(__name__)


def executor_of(spec: RunSpec) -> Executor | None:
    """Return the executor of a run's shards, None if one process does all of it."""
    run = spec.config.run
    if run.engine == "ray":
        if run.shards is None:
            raise UsageError("--engine ray: say into how many shards the run is divided with --shards")
        from fanout.shards.ray import RayLauncher  # an extra of its own

        return ShardExecutor(spec, RayLauncher(run.ray_address))
    return ShardExecutor(spec, ProcessLauncher()) if run.is_divided else None


def orders_of(spec: RunSpec) -> Callable[[], AsyncIterator[str]] | None:
    """Return what tells a run of several shards to stop from elsewhere; None for a run of one process."""
    if not spec.config.run.is_divided:
        return None
    if spec.place is not None:
        return partial(cancellation_at, spec.place, spec.config)
    return partial(cancellation, spec.directory)


class ShardExecutor:
    """`runtime.executor.Executor`: the run as so many shards as it asks for.

    Args:
        spec: The run.
        launcher: Starts them.
    """

    def __init__(self, spec: RunSpec, launcher: Launcher) -> None:
        self._spec = spec
        self._launcher = launcher

    def check_free(self) -> None:
        """Return if no process of an earlier start has a shard of the run.

        Raises:
            JournalInUse: One has: it outlives the process that started it by the grace at most.
        """
        for shard in self._directories(self._spec.config.run.shard_count):
            if shard.journal.exists() and count_states(shard.journal) is None:
                pid = read_status_file(shard.status).get("pid", "unknown")
                raise JournalInUse(
                    f"{shard.path} is in use by another process ({pid}), which lost the one that started it, "
                    "collects what the endpoint has and ends: wait for it, or stop it"
                )

    async def prepare(self, session: Session, *, fold: Fold | None) -> ShardsWork:
        """Return the work of all shards: each has its share of the configuration and of the rows.

        Raises:
            UsageError: The configuration, or a pipe, cannot be shared.
            JournalError: The plan in the run's directory is damaged, or another run's.
        """
        spec = self._spec
        count = spec.config.run.shard_count
        plan = await self._plan(session, count)
        at_once = count if plan is None else _here(spec, plan)
        of = count if plan is None else plan.at_once
        beside = min(at_once, _on_one_host(spec))
        shares = split_config(heard(spec.config, at_once=of)[0], at_once=of, one_host=beside)
        level = logging.getLogger("fanout").getEffectiveLevel()
        name = next((name for name in LEVELS if level <= getattr(logging, name.upper())), LEVELS[-1])
        place = spec.place
        if plan is not None and place is not None:
            # What each came to, as far as it is known; the others are at work on this run's behalf from now on.
            await fetch_results(session.cloud.objects, place, self._directories(count), clock=session.clock)
        members = [
            Member(
                spec.directory.shard(index),
                Assignment(
                    run_id=new_run() if plan is None else plan.shards[index].run_id,
                    config=shares[index % len(shares)],
                    stripe=Stripe(index, count) if plan is None else None,
                    shard=None if plan is None else index,
                    simulator=session.simulator,
                    log_level=name,
                    counts=fold is not None,
                    place=None if place is None else place.uri,
                ),
            )
            for index in range(count)
        ]
        if plan is not None:
            for text in plan.warnings:
                session.warnings.warn(text)
        if session.kept is not None:
            session.kept.delegated = True
        return ShardsWork(
            spec,
            members,
            shares=shares[:at_once],
            plan=plan,
            launcher=self._launcher,
            fold=fold,
            warning_log=session.warnings,
            fetch=None if place is None or plan is None else partial(_fetch, session, place, plan),
        )

    def _directories(self, count: int) -> list[RunDirectory]:
        return [self._spec.directory.shard(index) for index in range(count)]

    async def _plan(self, session: Session, count: int) -> ShardPlan | None:
        """Return the plan by which the input is divided; None if its rows are dealt out one by one.

        Each process reads all of the input then, which is worth it where most of them would have nothing to read.
        """
        spec, objects, clock = self._spec, session.cloud.objects, session.clock
        if spec.place is not None:
            await fetch_plan(objects, spec.place, spec.directory, clock=clock)
        if spec.directory.plan.exists():
            plan = await run_in_thread(lambda: read_plan(spec.directory))
            if (plan.run_id, len(plan.shards)) != (spec.run_id, count):
                named = spec.directory.plan if spec.place is None else spec.place.plan.uri
                raise JournalError(
                    f"{named} is the plan of run {plan.run_id} with {len(plan.shards)} shards, and this "
                    f"is run {spec.run_id} with {count}: put back what belongs there"
                )
            return plan
        config = spec.config
        source = await session.source()
        stream = next((file.path for file in source.inputs if file.streamed), None)
        if stream is not None:
            raise UsageError(
                f"{stream}: a pipe can be read once, and each of several processes reads a part of the input: "
                "write it to a file first, or leave out --processes and --shards"
            )
        asked = config.run.shards is not None
        if not asked and (
            spec.directory.has_shards or spec.rows is not None or config.input.limit is not None
        ):
            return None
        divided = await run_in_thread(partial(source.units, count))
        if not asked and not is_even(divided):
            return None
        draft = await make_plan(
            session,
            config,
            divided,
            run_id=spec.run_id,
            at_once=_at_once(spec, count),
            now=session.clock.now(),
            deadline_at=None,  # the process that starts the shards sees to it
        )
        if spec.place is None:
            await run_in_thread(partial(write_footers, spec.directory, draft.footers))
        else:
            await put_footers(objects, spec.place, draft.footers, clock=clock)
            if not await put_new(objects, spec.place.plan, draft.plan.dump_packed(), clock=clock):
                raise JournalError(
                    f"{spec.place.plan.uri} was made by another process meanwhile: name another place"
                )
        await run_in_thread(lambda: write_new(spec.directory.plan, draft.plan.dump()))
        return draft.plan


async def _fetch(session: Session, place: RunPlace, plan: ShardPlan, shards: Sequence[RunDirectory]) -> None:
    """Have the results and the parts of all shards here, once each has put its own into the run's place."""
    objects, clock = session.cloud.objects, session.clock
    await fetch_results(objects, place, shards, clock=clock)
    await fetch_parts(objects, place, shards, range(len(shards)), plan=plan, clock=clock)


def _at_once(spec: RunSpec, count: int) -> int:
    run = spec.config.run
    elsewhere = run.shards is None or run.engine == "ray"  # or as many as were asked for
    return min(run.at_once or (count if elsewhere else os.cpu_count() or 1), count)


def _here(spec: RunSpec, plan: ShardPlan) -> int:
    """Return how many shards are at work at once on this machine; a plan for many hosts may have more."""
    return plan.at_once if spec.config.run.shards is None else min(plan.at_once, _at_once(spec, plan.at_once))


def _on_one_host(spec: RunSpec) -> int:
    """Return how many shards at most this command has at work on one host, and so in one memory.

    On a cluster of Ray each has a core of its own, with the memory that hosts have for one.
    """
    run = spec.config.run
    if run.engine != "ray":
        return run.shard_count
    return 1 if run.ray_address is not None else os.cpu_count() or 1
