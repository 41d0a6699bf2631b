"""Reads and writes what the shards of a run have in common at its place in S3: results, parts, the order to stop."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

import anyio

from fanout.concurrency.side_by_side import side_by_side
from fanout.concurrency.threads import run_in_thread
from fanout.config.model import Config
from fanout.domain.location import Location
from fanout.domain.remedies import remedy
from fanout.engine.retrying import repeat_call, retriable
from fanout.errors import CallError, JournalError, RunError
from fanout.files import make_directory, storage
from fanout.ports import Clock, ObjectStore
from fanout.rundir.paths import RunDirectory
from fanout.rundir.shard_plan import ShardPlan
from fanout.runtime import settings as compose
from fanout.runtime.place.part_store import PartStore
from fanout.runtime.place.place_files import GIVE_UP_S, fetch_file
from fanout.runtime.place.replay import read_object, read_state, reading
from fanout.runtime.place.run_place import RunPlace
from fanout.runtime.session import open_session

AT_ONCE = 16
"""Shards that are looked at side by side."""
LOOK_S = 10.0
"""Between two looks for an order to stop: 360 HEADs an hour and shard."""
_CONFLICT = "ConditionalRequestConflict"


async def put_new(
    objects: ObjectStore,
    location: Location,
    content: bytes,
    *,
    clock: Clock,
    content_type: str = "application/json",
) -> bool:
    """Store an object where none stands; return whether what stands there now is `content`.

    Raises:
        RunError: S3 does not permit it, does not answer, or knows no conditions.
    """

    def may_pass(error: BaseException) -> bool:
        return retriable(error) or (isinstance(error, CallError) and error.code == _CONFLICT)

    put = partial(objects.put, location, content, content_type=content_type, if_none_match="*")
    try:
        await repeat_call(put, clock=clock, give_up_after_s=GIVE_UP_S, repeats=may_pass)
    except CallError as error:
        if error.code == "PreconditionFailed":
            # The reply to an attempt before may have been lost.
            return await read_object(objects, location, clock=clock) == content
        raise RunError(f"{location.uri}: {remedy('s3:PutObject', error)}") from error
    return True


async def fetch_results(
    objects: ObjectStore, place: RunPlace, shards: Sequence[RunDirectory], *, clock: Clock
) -> list[int]:
    """Write what each shard came to into its directory; return which of them have not finished.

    Raises:
        RunError: S3 does not permit it, or does not answer.
        StorageError: The disk is full or failed.
    """

    async def fetch(index: int) -> bool:
        await run_in_thread(partial(_make, shards[index]))
        return await fetch_file(objects, place.shard(index).subtotal, shards[index].subtotal, clock=clock)

    there = await _each(len(shards), fetch)
    return [index for index, found in enumerate(there) if not found]


async def fetch_parts(
    objects: ObjectStore,
    place: RunPlace,
    shards: Sequence[RunDirectory],
    indices: Sequence[int],
    *,
    plan: ShardPlan,
    clock: Clock,
) -> None:
    """Have the durable parts of some shards here, each in its directory.

    Raises:
        JournalError: A shard's journal or a part is missing or damaged, or it holds another run than the plan says.
        RunError: S3 does not permit it, or does not answer.
        StorageError: The disk is full or failed.
    """
    for index in indices:  # one after the other: the parts of one are fetched side by side, and are in memory
        shard, run_id = place.shard(index), plan.shards[index].run_id
        state = await read_state(objects, shard, clock=clock)
        if state is not None and state.run_id not in {run_id, ""}:
            raise another_plan(shard.uri, state.run_id, planned=run_id, plan=place.plan.uri)
        if state is not None:
            parts = state.recovered(shards[index].parts).parts
            await PartStore(objects, shard, clock=clock).fetch(parts, state.parts)


def another_plan(where: str, found: str, *, planned: str, plan: str) -> JournalError:
    """Return the error of a shard's place that holds another run than the plan says."""
    return JournalError(
        f"{where} holds run {found}, and {plan} says {planned}: it is of another plan; put back what belongs there"
    )


async def is_there(objects: ObjectStore, location: Location, *, clock: Clock) -> bool:
    """Whether an object is there.

    Raises:
        RunError: S3 does not permit it, or does not answer.
    """
    head = partial(objects.head, location)
    return await reading(head, location, operation="s3:GetObject", clock=clock) is not None


async def cancellation(objects: ObjectStore, place: RunPlace) -> AsyncIterator[str]:
    """Yield the reason to stop once the run at a place is cancelled, and end."""
    while True:
        with suppress(CallError):  # the run itself meets what is wrong with S3
            if await objects.head(place.cancel) is not None:
                break
        await anyio.sleep(LOOK_S)
    yield "the run was cancelled (`fanout cancel`)"


async def cancellation_at(place: RunPlace, config: Config) -> AsyncIterator[str]:
    """Do what `cancellation` does in a session of its own, to which `config` leads."""
    async with open_session(compose.s3_alone(config)) as session:
        async for reason in cancellation(session.cloud.objects, place):
            yield reason


async def _each(count: int, call: Callable[[int], Coroutine[Any, Any, bool]]) -> list[bool]:
    found: list[bool] = []
    for first in range(0, count, AT_ONCE):
        found += await side_by_side(
            [partial(call, index) for index in range(first, min(first + AT_ONCE, count))]
        )
    return found


def _make(shard: RunDirectory) -> None:
    for directory in (shard.path.parent, shard.path, shard.parts):
        if not directory.is_dir():
            make_directory(directory)
    with storage(shard.subtotal, "remove"):
        shard.subtotal.unlink(missing_ok=True)
