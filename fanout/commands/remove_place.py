"""Removes a run place: fences an owner that may come back, then takes away what a run has there, and nothing else."""

from __future__ import annotations

import os
import socket
from collections.abc import Sequence
from functools import partial

from fanout.concurrency.clock import uptime_s
from fanout.domain.location import Location
from fanout.engine.retrying import repeat_call
from fanout.errors import CallError, RunError
from fanout.ports import Clock, ObjectStore
from fanout.runtime.place.run_place import RunPlace
from fanout.runtime.place.segment_log import SegmentLog
from fanout.shards.kept_plan import read_plan_at

GIVE_UP_S = 30.0
_KEYS = 1_000  # of one DeleteObjects, API reference


async def owned(
    objects: ObjectStore, place: RunPlace, *, run_id: str, clock: Clock
) -> list[tuple[RunPlace, str]]:
    """Return the places that owners of a run write to, each with its run id: the run's own, and its shards'.

    Raises:
        JournalError: The plan of its shards is damaged, or of a later version.
        RunError: S3 does not permit it, or does not answer.
    """
    plan = await read_plan_at(objects, place, clock=clock)
    shards = () if plan is None else plan.shards
    return [(place, run_id), *((place.shard(index), shard.run_id) for index, shard in enumerate(shards))]


async def fence(objects: ObjectStore, place: RunPlace, *, run_id: str, why: str, clock: Clock) -> int:
    """Keep every owner of a run away: one that comes back stores and sends nothing. Return this claim's number.

    The journal need not be whole: what was interrupted can be done again.

    Args:
        objects: S3.
        place: The place.
        run_id: The run.
        why: What for, for people.
        clock: This process's.

    Raises:
        JournalError: An owner is at work who keeps the number to claim.
        RunError: S3 does not permit it, or does not answer.
    """
    about = {"host": socket.gethostname(), "pid": str(os.getpid()), "why": why}
    log = SegmentLog(objects, place, run_id=run_id, clock=clock, uptime=uptime_s, about=about)
    return await log.seal()


async def remove_objects(
    objects: ObjectStore, place: RunPlace, found: Sequence[Location], *, clock: Clock
) -> None:
    """Remove those of `found` that a run has at the place, so that what was interrupted can be done again.

    The journal goes after the rest, as the claims in it keep an owner away that comes back; what tells which run it is,
    and whether that has finished, last and together.

    Raises:
        RunError: S3 does not permit it, or does not answer.
    """
    ours = [each for each in found if place.owns(each)]
    last = [each for each in ours if each in (place.summary, place.manifest)]
    journal = [each for each in ours if each.key.startswith((place.journal, *_journals(ours, place)))]
    rest = [each for each in ours if each not in {*journal, *last}]
    for each in (rest, journal, last):
        await _delete(objects, each, place, clock=clock)


def _journals(found: Sequence[Location], place: RunPlace) -> set[str]:
    """Return what the keys of its shards' segments begin with."""
    names = {
        each.key.removeprefix(place.shards).partition("/")[0]
        for each in found
        if each.key.startswith(place.shards)
    }
    return {f"{place.shards}{name}/journal/" for name in names}


async def _delete(
    objects: ObjectStore, locations: Sequence[Location], place: RunPlace, *, clock: Clock
) -> None:
    for first in range(0, len(locations), _KEYS):
        group = locations[first : first + _KEYS]
        try:
            refused = await repeat_call(
                partial(objects.delete, group), clock=clock, give_up_after_s=GIVE_UP_S
            )
        except CallError as error:
            raise RunError(f"{place.uri}: s3:DeleteObject: {error}") from error
        if refused:
            raise RunError(f"{refused[0].uri}: could not be deleted: grant s3:DeleteObject")
