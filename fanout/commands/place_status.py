"""Tells where runs stand whose state is kept in S3: from their places alone, from any host, and changes nothing.

Nothing locks a place: `runtime.place.sign_of_life` tells whether a process is at it.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from fanout.commands.find_place import FoundPlace, copy_files, places_below, scratch_of
from fanout.commands.status import RunStatus, finished
from fanout.concurrency.side_by_side import side_by_side
from fanout.config.model import Config
from fanout.domain.row_state import RowState
from fanout.errors import RunError
from fanout.files import make_directory
from fanout.observability.status_file import read_status_file
from fanout.rundir.paths import RunDirectory
from fanout.rundir.shard_plan import ShardPlan
from fanout.rundir.shard_result import read_shard_result
from fanout.rundir.summary import read_summary
from fanout.runtime.place.replay import read_state, reading
from fanout.runtime.place.run_place import RunPlace
from fanout.runtime.place.sign_of_life import last_write
from fanout.runtime.place.state import PlaceState
from fanout.runtime.session import Session
from fanout.shards.kept_plan import read_plan_at
from fanout.shards.kept_shards import is_there
from fanout.text import iso, quoted

AT_ONCE = 8
"""Places that are looked at side by side."""


async def place_status(session: Session, found: FoundPlace | RunPlace, directory: RunDirectory) -> RunStatus:
    """Return where the run at a place stands; its small files are copied to `directory`.

    Raises:
        UsageError: There is no run.
        JournalError: Its files or its journal are damaged, or of a later version.
        RunError: S3 does not permit it, or does not answer.
    """
    place = found.place if isinstance(found, FoundPlace) else found
    copied = await copy_files(session, place, directory)
    manifest, last = copied.manifest, read_status_file(directory.status)
    began_at = found.began_at if isinstance(found, FoundPlace) else await _began_at(session, place)
    known: dict[str, Any] = {
        "run_id": manifest.run_id,
        "run_dir": place.uri,
        "endpoint": manifest.endpoint,
        "output": manifest.config.output.path,
        "started_at": None if began_at is None else iso(began_at),
        "updated_at": last.get("updated_at"),
        "pid": last.get("pid"),
        "host": last.get("host"),
        "snapshot": last.get("snapshot"),
    }
    if directory.summary.exists():
        return finished(read_summary(directory.summary), where=place.uri, known=known)
    if directory.subtotal.exists():
        rows = read_shard_result(directory.subtotal).tally.rows
        return RunStatus(state="finished", rows=rows, durable=rows, **known)
    plan = await read_plan_at(session.cloud.objects, place, clock=session.clock)
    if plan is not None:
        return await _of_shards(session, place, plan, directory, known)
    state = await read_state(session.cloud.objects, place, clock=session.clock) or PlaceState()
    wrote = None if state.closed else await last_write(session.cloud.objects, place, clock=session.clock)
    if wrote is not None and wrote.owner is not None:
        known |= {"host": wrote.owner.host, "pid": wrote.owner.pid}
    if wrote is not None and not wrote.is_silent:
        return RunStatus(state="running", rows=(known["snapshot"] or {}).get("ended"), **known)
    counts = state.counts()
    durable = counts.get(RowState.DURABLE, 0)
    return RunStatus(
        state="stopped" if state.closed else "dead",
        rows=durable,
        durable=durable,
        accepted=counts.get(RowState.ACCEPTED, 0),
        unknown=counts.get(RowState.INTENT, 0),
        reason=last.get("reason") if state.closed else None,
        next=_next(manifest.config, place),
        **known,
    )


async def _of_shards(
    session: Session, place: RunPlace, plan: ShardPlan, directory: RunDirectory, known: dict[str, Any]
) -> RunStatus:
    """Return where a run of shards stands: what its shards say, added up."""
    objects, clock = session.cloud.objects, session.clock
    copies = [RunDirectory(directory.path / f"shard-{index:03d}") for index in range(len(plan.shards))]

    async def look(index: int) -> RunStatus | None:
        shard = place.shard(index)
        if not await is_there(objects, shard.manifest, clock=clock):
            return None
        make_directory(copies[index].path)
        return await place_status(session, shard, copies[index])

    found: list[RunStatus | None] = []
    for first in range(0, len(copies), AT_ONCE):
        group = range(first, min(first + AT_ONCE, len(copies)))
        found += await side_by_side([partial(look, index) for index in group])
    shards = tuple(each for each in found if each is not None)
    # One that merges, or does all shards on one machine.
    merging = await last_write(objects, place, clock=clock)
    known |= {"shards": shards, "shard_count": len(plan.shards)}
    at_it = merging is not None and not merging.is_silent
    live = next((shard for shard in shards if shard.state == "running"), None)
    if at_it or live is not None:
        if live is not None and not at_it:
            known |= {"pid": live.pid, "host": live.host}
            known["updated_at"] = max(shard.updated_at or "" for shard in shards)
        return RunStatus(state="running", rows=sum(shard.rows or 0 for shard in shards), **known)
    durable = sum(shard.durable or 0 for shard in shards)
    finished = sum(shard.state == "finished" for shard in shards)
    cancelled = await is_there(objects, place.cancel, clock=clock)
    return RunStatus(
        state="stopped",
        rows=durable,
        durable=durable,
        accepted=sum(shard.accepted or 0 for shard in shards),
        unknown=sum(shard.unknown or 0 for shard in shards),
        reason="cancelled" if cancelled else None,
        next=f"fanout {'merge' if finished == len(plan.shards) else 'resume'} {place.uri}",
        **known,
    )


def _next(config: Config, place: RunPlace) -> str:
    if "-" in config.input.paths:  # standard input cannot be read again
        return f"fanout export {quoted(place.uri)} -o FILE"
    return f"fanout resume {quoted(place.uri)}"


async def _began_at(session: Session, place: RunPlace) -> float | None:
    head = partial(session.cloud.objects.head, place.manifest)
    info = await reading(head, place.manifest, operation="s3:GetObject", clock=session.clock)
    return None if info is None else info.modified_at


async def status_of(session: Session, place: RunPlace, config: Config) -> RunStatus:
    """Return where the run at a place stands; see `place_status`."""
    with scratch_of(config) as directory:
        return await place_status(session, place, directory)


async def runs_below(session: Session, parent: str, config: Config) -> list[RunStatus]:
    """Return the runs that have begun directly below `parent`, the oldest first; damaged ones included.

    Raises:
        UsageError: It names no bucket.
        RunError: S3 does not permit it, or does not answer.
    """
    found = await places_below(session, parent)
    statuses: list[RunStatus] = []
    for first in range(0, len(found), AT_ONCE):
        group = found[first : first + AT_ONCE]
        statuses += await side_by_side([partial(_or_damaged, session, each, config) for each in group])
    return statuses


async def _or_damaged(session: Session, found: FoundPlace, config: Config) -> RunStatus:
    try:
        with scratch_of(config) as directory:
            return await place_status(session, found, directory)
    except RunError as error:
        name = found.place.prefix.rpartition("/")[2]
        return RunStatus(
            run_id=name,
            run_dir=found.place.uri,
            state="damaged",
            reason=str(error),
            started_at=iso(found.began_at),
        )
