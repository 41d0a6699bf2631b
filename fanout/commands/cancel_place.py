"""Stops all shards of a run that is kept in S3 in order, wherever they are, and has none started again."""

from __future__ import annotations

from functools import partial

from fanout.commands.cancel import Cancelled, order
from fanout.concurrency.side_by_side import side_by_side
from fanout.errors import UsageError
from fanout.runtime.place.run_place import RunPlace
from fanout.runtime.place.sign_of_life import last_write
from fanout.runtime.session import Session
from fanout.shards.kept_plan import read_plan_at
from fanout.shards.kept_shards import AT_ONCE, is_there, put_new


async def cancel_at(session: Session, place: RunPlace) -> Cancelled:
    """Have every shard of the run at a place stop in order; each looks for the order every 10 s.

    Raises:
        UsageError: There is no such run, or it has finished.
        RunError: S3 does not permit it, or does not answer.
    """
    objects, clock = session.cloud.objects, session.clock
    plan = await read_plan_at(objects, place, clock=clock)
    if plan is None:
        raise UsageError(f"{place.uri} holds no run of several shards: there is no {place.plan.uri}")
    if await is_there(objects, place.summary, clock=clock):
        raise UsageError(f"the run in {place.uri} has finished: there is nothing to stop")
    await put_new(objects, place.cancel, order(), clock=clock)

    async def look(index: int) -> tuple[bool, bool]:
        shard = place.shard(index)
        if await is_there(objects, shard.subtotal, clock=clock):
            return True, False
        wrote = await last_write(objects, shard, clock=clock)
        return False, wrote is not None and not wrote.is_silent

    found: list[tuple[bool, bool]] = []
    for first in range(0, len(plan.shards), AT_ONCE):
        group = range(first, min(first + AT_ONCE, len(plan.shards)))
        found += await side_by_side([partial(look, index) for index in group])
    return Cancelled(sum(done for done, _ in found), sum(busy for _, busy in found), len(plan.shards))
