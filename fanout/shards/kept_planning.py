"""Has one shard of a run in S3 make the plan while the others wait for it: a thousand would each look at all input.

It holds the first of the slots meanwhile, which no shard has before there is a plan. Nothing depends on that but how
often the input is looked at: the plan that is put first is the one (`kept_shards.put_new`).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress

from fanout.concurrency.clock import uptime_s
from fanout.concurrency.side_by_side import beside
from fanout.domain.ids import new_run
from fanout.errors import JournalError, RunError, UsageError
from fanout.output.object_place import CLAIM_SUFFIX
from fanout.ports import Clock, ObjectStore
from fanout.rundir.claim import Owner
from fanout.runtime.claim_note import SILENT_S
from fanout.runtime.object_claim import ObjectClaim
from fanout.runtime.place.run_place import RunPlace
from fanout.shards.kept_shards import is_there
from fanout.shards.kept_slots import held_slots, slot_place

LOOK_S = 2.0
"""Between two looks for the plan of another shard."""


async def planned_once(
    objects: ObjectStore,
    place: RunPlace,
    plan: Callable[[], Awaitable[bool]],
    *,
    clock: Clock,
    uptime: Callable[[], float] = uptime_s,
) -> bool:
    """Return what `plan` returned, which puts a plan there; False where another shard has put one.

    Args:
        objects: S3.
        place: Of the whole run, which had no plan a moment ago.
        plan: Makes the plan. It is called by one shard, and by each of the others once that one is gone or has failed.
        clock: The run's clock.
        uptime: Seconds that this machine has been up.

    Raises:
        RunError: S3 does not permit it, does not answer, or knows no conditions; or `plan` raised it.
    """
    target = slot_place(place, 0)
    key = target.key + CLAIM_SUFFIX
    held = (await held_slots(objects, place, clock=clock)).get(key)
    if held is None:
        owner = Owner.here(new_run(), run_dir=target.uri, now=clock.now())
        claim = ObjectClaim(objects, target, owner=owner, clock=clock, uptime=uptime)
        try:
            await claim.take()
        except (JournalError, UsageError):
            pass  # another one was faster
        else:

            async def keep() -> None:
                with suppress(RunError):  # at worst, another one makes a plan, too
                    await claim.keep()

            try:
                return not await is_there(objects, place.plan, clock=clock) and await beside(keep, plan)
            finally:
                await claim.release("released")
        held = (await held_slots(objects, place, clock=clock)).get(key)
    since = uptime()
    while not await is_there(objects, place.plan, clock=clock):
        now_held = (await held_slots(objects, place, clock=clock)).get(key)
        if now_held != held:
            held, since = now_held, uptime()
        if held is None or uptime() - since >= SILENT_S:
            return not await is_there(objects, place.plan, clock=clock) and await plan()
        await clock.sleep(LOOK_S)
    return False
