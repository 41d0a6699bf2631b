"""Keeps the footers that shards would read again beside their plan, as `footers.zst`, and gives each shard its own.

They are a copy. What cannot be written or read, or is not what the plan says, costs the bytes that it would have saved.
"""

from __future__ import annotations

import logging
from contextlib import suppress
from functools import partial

from fanout.errors import RunError
from fanout.files import storage, write_new
from fanout.ports import Clock, ObjectStore
from fanout.rundir.paths import RunDirectory
from fanout.rundir.shard_plan import PlannedShard
from fanout.runtime.place.replay import reading
from fanout.runtime.place.run_place import RunPlace
from fanout.shards.kept_shards import put_new
from fanout.source.footer_pack import FooterPack
from fanout.source.shard_footers import own_pack

_log = logging.getLogger(__name__)


async def put_footers(objects: ObjectStore, place: RunPlace, footers: bytes, *, clock: Clock) -> None:
    """Store the footers of a plan at the place of its run, unless there are none; to be called before the plan is put.

    Where others stand already, of a process that was killed before it had put its plan, those stay.
    """
    if footers:
        with suppress(RunError):  # what is wrong with S3, the plan meets
            await put_new(objects, place.footers, footers, clock=clock, content_type="application/zstd")


def write_footers(directory: RunDirectory, footers: bytes) -> None:
    """Do what `put_footers` does in the directory of a run."""
    if footers:
        with suppress(RunError):  # what is wrong with the disk, the plan meets
            write_new(directory.footers, footers)


async def fetch_footers(
    objects: ObjectStore, place: RunPlace, shard: PlannedShard, *, clock: Clock
) -> FooterPack | None:
    """Return the footers of a shard's units that stand at the place of its run; None if they cannot be had."""
    own = shard.footers
    if own is None:
        return None
    read = partial(objects.read, place.footers, start=own.start, size_bytes=own.size_bytes, etag="")
    try:
        body = await reading(read, place.footers, operation="s3:GetObject", clock=clock)
    except RunError as error:
        _note(str(error))
        return None
    return _checked(body, shard, place.footers.uri)


def read_footers(directory: RunDirectory, shard: PlannedShard) -> FooterPack | None:
    """Do what `fetch_footers` does in the directory of the whole run."""
    own = shard.footers
    if own is None:
        return None
    try:
        with storage(directory.footers, "read"), directory.footers.open("rb") as file:
            file.seek(own.start)
            body = file.read(own.size_bytes)
    except RunError as error:
        _note(str(error))
        return None
    return _checked(body, shard, str(directory.footers))


def _checked(body: bytes, shard: PlannedShard, name: str) -> FooterPack | None:
    assert shard.footers is not None
    found = own_pack(body, shard.footers, shard.units)
    if found is None:
        _note(f"{name} is not what the plan says")
    return found


def _note(why: str) -> None:
    _log.info("footers are read from the files, not from beside the plan: %s", why)
