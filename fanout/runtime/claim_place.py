"""Looks at the run that a claim names where its state is kept in S3."""

from __future__ import annotations

from fanout.ports import Clock, ObjectStore
from fanout.rundir.claim import Owner
from fanout.runtime.claim_note import Sight
from fanout.runtime.place.place_files import run_of
from fanout.runtime.place.replay import read_object
from fanout.runtime.place.run_place import is_place, run_place


async def look_at_place(objects: ObjectStore, owner: Owner, *, clock: Clock) -> Sight | None:
    """Return what is seen of the owner's run at its place; None for one that is kept in a directory.

    Raises:
        JournalError: Its `run.json` is damaged.
        RunError: S3 does not permit it, or does not answer.
    """
    if not is_place(owner.run_dir or ""):
        return None
    place = run_place(owner.run_dir or "")
    run_id = run_of(await read_object(objects, place.manifest, clock=clock), place.manifest.uri)
    if run_id is None:
        return Sight.NEVER_BEGUN
    done = run_of(await read_object(objects, place.summary, clock=clock), place.summary.uri)
    return Sight.UNFINISHED if owner.run_id == run_id != done else Sight.FINISHED
