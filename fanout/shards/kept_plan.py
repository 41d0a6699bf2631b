"""Reads the plan of a run from its place in S3: whole, or what one shard must know of it."""

from __future__ import annotations

from functools import partial

from fanout.concurrency.threads import run_in_thread
from fanout.errors import CallError
from fanout.ports import Clock, ObjectStore
from fanout.rundir.packed_plan import MAGIC, DamagedPlanError, plan_head
from fanout.rundir.paths import RunDirectory
from fanout.rundir.shard_plan import ShardPlan, damaged_plan, parse_plan, read_plan
from fanout.runtime.place.place_files import fetch_file
from fanout.runtime.place.replay import read_object, reading
from fanout.runtime.place.run_place import RunPlace

HEAD_BYTES = 2 << 10
"""What a shard reads first: the head of a packed plan of 64 shards and of a short configuration is 1 KB."""
_MORE_BYTES = 16 << 10  # as the head of 1,000 shards is


async def read_plan_at(objects: ObjectStore, place: RunPlace, *, clock: Clock) -> ShardPlan | None:
    """Return the plan of the run at a place; None if there is none.

    Raises:
        JournalError: It is damaged, or of another version.
        RunError: S3 does not permit it, or does not answer.
    """
    content = await read_object(objects, place.plan, clock=clock)
    return None if content is None else parse_plan(content, place.plan.uri)


async def read_shard_plan(
    objects: ObjectStore, place: RunPlace, index: int, *, clock: Clock
) -> ShardPlan | None:
    """Return the plan of the run at a place with the units of one shard, of which alone it reads them if it is long.

    Raises:
        JournalError: It is damaged, or of another version.
        RunError: S3 does not permit it, or does not answer.
    """

    async def piece(start: int, size_bytes: int) -> bytes | None:
        async def read() -> bytes | None:
            try:
                return await objects.read(place.plan, start=start, size_bytes=size_bytes, etag="")
            except CallError as error:
                if error.missing:
                    return None
                if error.code == "InvalidRange":  # it ends before that
                    return b""
                raise

        return await reading(read, place.plan, operation="s3:GetObject", clock=clock)

    first = await piece(0, HEAD_BYTES)
    if first is None:
        return None
    if not first.startswith(MAGIC):
        return (
            await read_plan_at(objects, place, clock=clock)
            if len(first) == HEAD_BYTES
            else (parse_plan(first, place.plan.uri))
        )
    try:
        while (head := plan_head(first)) is None:
            more = await piece(len(first), _MORE_BYTES)
            if not more:
                raise damaged_plan(place.plan.uri, "its end is missing")
            first += more
        start, size = head.frame(index)
        frames = {}
        if size:
            own = first[start : start + size]
            frames[index] = own if len(own) == size else await piece(start, size) or b""
        return parse_plan(head.whole(frames), place.plan.uri)
    except DamagedPlanError as error:
        raise damaged_plan(place.plan.uri, str(error)) from error


async def fetch_plan(objects: ObjectStore, place: RunPlace, directory: RunDirectory, *, clock: Clock) -> bool:
    """Write the plan at a place to `directory`; return whether there is one; raises as `read_plan_at`."""
    if not await fetch_file(objects, place.plan, directory.plan, clock=clock):
        return False
    await run_in_thread(partial(read_plan, directory))
    return True
