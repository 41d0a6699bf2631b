"""Gives up a run whose state is kept in S3: fences its owner, removes what it has in AWS, then everything at its place.

`run.json` goes last, so that what was interrupted can be done again.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from functools import partial

from fanout.commands.discard import Discard, check_cleared, drop_claim, find_leftovers, reaching
from fanout.commands.find_place import copy_files, looking, objects_below, scratch_of
from fanout.commands.leftovers import remove_run
from fanout.commands.place_status import place_status
from fanout.commands.remove_place import fence, owned, remove_objects
from fanout.commands.status import RunStatus, State
from fanout.config.model import Config
from fanout.errors import JournalError, RunError
from fanout.rundir.manifest import Manifest, read_manifest
from fanout.rundir.paths import RunDirectory
from fanout.runtime.event_loop import run_in_event_loop
from fanout.runtime.place.replay import list_journal
from fanout.runtime.place.run_place import RunPlace
from fanout.runtime.place.sign_of_life import SILENT_S, last_write
from fanout.runtime.session import Session, open_session
from fanout.runtime.supervisor import until_stopped
from fanout.shards.kept_plan import read_plan_at

_log = logging.getLogger(__name__)
_AGAIN = "the place is still there: run `fanout discard` again"


def discard_place(place: RunPlace, *, config: Config, agree: Callable[[Discard], None]) -> Discard:
    """Remove a run with all that it has in AWS and all that stands at its place, and return what that was.

    Args:
        place: Where it is kept.
        config: Leads to AWS; the run's own configuration.
        agree: Called with what would be removed; raises if that is not to be.

    Raises:
        UsageError: There is no run.
        JournalError: A process is at it, or what stands there is damaged.
        RunError: Something could not be seen or removed: `run.json` stays, so that this can be repeated.
    """
    with scratch_of(config) as directory:
        find = partial(_find, place, config, directory)
        plan = run_in_event_loop(partial(until_stopped, find, next_step="nothing was removed"))
        agree(plan)
        manifest = read_manifest(directory)
        clear = partial(_clear, place, plan, manifest, config)
        return run_in_event_loop(partial(until_stopped, clear, next_step=_AGAIN))


async def _find(place: RunPlace, config: Config, directory: RunDirectory) -> Discard:
    async with looking(config) as session:
        manifest = (await copy_files(session, place, directory)).manifest
        status = await _status(session, place, directory, manifest)
        shards = await read_plan_at(session.cloud.objects, place, clock=session.clock)
    run_ids = [manifest.run_id, *(shard.run_id for shard in (() if shards is None else shards.shards))]
    if status.state == "running":
        raise JournalError(
            f"{place.uri} is in use by a process on {status.host}: stop it, or, if it was killed, wait {SILENT_S:g} s"
        )
    plan = Discard(run_dir=directory.path, run_id=manifest.run_id, state="finished")
    if status.state != "finished":
        accepted = (status.accepted or 0) + (status.unknown or 0)
        plan = replace(plan, state="unfinished", durable=status.durable or 0, accepted=accepted)
        plan = await find_leftovers(plan, manifest, reaching(config), run_ids=run_ids)
    return replace(plan, run_dir=place.uri)


async def _status(
    session: Session, place: RunPlace, directory: RunDirectory, manifest: Manifest
) -> RunStatus:
    """Return where the run stands, as far as its journal tells: giving it up is what is left where that is damaged."""
    try:
        return await place_status(session, place, directory)
    except JournalError as error:
        _log.warning("what it has sent and collected cannot be told: %s", error)
    state: State = "damaged"
    with suppress(JournalError):
        wrote = await last_write(session.cloud.objects, place, clock=session.clock)
        if wrote is not None and not wrote.is_silent:
            state = "running"
    return RunStatus(run_id=manifest.run_id, run_dir=place.uri, state=state)


async def _clear(place: RunPlace, plan: Discard, manifest: Manifest, config: Config) -> Discard:
    async with open_session(reaching(config)) as session:
        objects, clock = session.cloud.objects, session.clock
        if plan.state != "finished":
            for each, run_id in await owned(objects, place, run_id=manifest.run_id, clock=clock):
                if (await list_journal(objects, each, clock=clock)).last:
                    await fence(objects, each, run_id=run_id, why="discard", clock=clock)
        plan = replace(plan, leftovers=await remove_run(plan.leftovers, session.cloud, clock=clock))
        check_cleared(plan, again=_AGAIN)
        if plan.state != "finished":
            await drop_claim(session, manifest, where=place.uri)
        return replace(plan, strangers=await _remove_all(session, place))


async def _remove_all(session: Session, place: RunPlace) -> list[str]:
    """Remove what stands at a place, and return what is not the run's and stays."""
    found = [info.location async for info in objects_below(session, place.bucket, place.below)]
    try:
        await remove_objects(session.cloud.objects, place, found, clock=session.clock)
    except RunError as error:
        raise RunError(f"{error}; {_AGAIN}") from error
    return [each.uri for each in found if not place.owns(each)]
