"""Bounds how many shards of a run in S3 are at work at once: each has one of so many slots, or waits for one.

A slot is an object that its owner renews every 15 s; one that is silent for 45 s is another's. An owner that cannot
renew sends nothing long before that (`object_claim`), so that the shares of the rate never add up to more than all.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from fanout.concurrency.clock import uptime_s
from fanout.errors import JournalError, UsageError
from fanout.output.object_place import CLAIM_SUFFIX, ObjectPlace
from fanout.ports import Clock, ObjectStore
from fanout.rundir.claim import Owner
from fanout.runtime.claim_note import SILENT_S
from fanout.runtime.object_claim import ObjectClaim
from fanout.runtime.place.replay import reading
from fanout.runtime.place.run_place import RunPlace

_log = logging.getLogger(__name__)
LOOK_S = 10.0
"""Between two looks for a free slot: 900 shards that wait are 90 LISTs a second."""


@asynccontextmanager
async def kept_slot(
    objects: ObjectStore,
    place: RunPlace,
    *,
    run_id: str,
    slots: int,
    first: int,
    clock: Clock,
    uptime: Callable[[], float] = uptime_s,
) -> AsyncIterator[tuple[int, ObjectClaim]]:
    """Have one of so many slots inside the block, as soon as one is free; yield its number, and its claim.

    Args:
        objects: S3.
        place: Of the whole run.
        run_id: The shard's.
        slots: How many there are.
        first: Which one to look at first, so that not all look at the same.
        clock: The run's clock.
        uptime: Seconds that this machine has been up.

    Raises:
        RunError: S3 does not permit it, does not answer, or knows no conditions.
    """
    order = [(first + turn) % slots for turn in range(slots)]
    unchanged_since: dict[tuple[str, str], float] = {}
    told = False
    while True:
        there = await held_slots(objects, place, clock=clock)
        seen = {each: unchanged_since.get(each, uptime()) for each in there.items()}
        unchanged_since = seen
        for number in order:
            target = slot_place(place, number)
            key = target.key + CLAIM_SUFFIX
            if key in there and uptime() - seen[key, there[key]] < SILENT_S:
                continue
            # The slot is no run: what an owner that is gone left there may be taken as it is.
            owner = Owner.here(run_id, run_dir=target.uri, now=clock.now())
            claim = ObjectClaim(objects, target, owner=owner, clock=clock, uptime=uptime)
            try:
                await claim.take()
            except (JournalError, UsageError):
                continue  # another one was faster
            try:
                yield number, claim
            finally:
                await claim.release("released")
            return
        if not told:
            told = True
            _log.warning("%s shards are at work already (--at-once): this one waits for its turn", slots)
        await clock.sleep(LOOK_S)


def slot_place(place: RunPlace, number: int) -> ObjectPlace:
    """Return the slot of this number: an owner's claim on it stands beside it."""
    return ObjectPlace(place.bucket, f"{place.slots}{number:03d}")


async def held_slots(objects: ObjectStore, place: RunPlace, *, clock: Clock) -> dict[str, str]:
    """Return the ETag of each slot that is held, by the key of its claim.

    Raises:
        RunError: S3 does not permit it, or does not answer.
    """

    async def look() -> dict[str, str]:
        pages = objects.list(place.bucket, place.slots)
        return {info.location.key: info.etag async for page in pages for info in page}

    return await reading(look, place, operation="s3:ListBucket", clock=clock)
