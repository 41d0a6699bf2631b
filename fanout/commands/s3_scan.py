"""Finds in S3 what a run whose journal is lost left there: the results of rows, and the payloads it uploaded.

It lists and reads, and changes nothing. `rebuild` uses it.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from fanout.concurrency.clock import SystemClock
from fanout.domain.ids import input_key
from fanout.domain.location import Location
from fanout.domain.notifications import ERROR_TEXT_MAX
from fanout.domain.output_paths import OutputPaths
from fanout.domain.retry_policy import ModelRetry
from fanout.engine.retrying import retry_call
from fanout.errors import CallError, RunError
from fanout.ports import ObjectInfo, ObjectStore

_log = logging.getLogger(__name__)
SHARDS = 256  # `domain.ids.shard`


class End(NamedTuple):
    """The last generation of a row that has an object in S3; `again` if it failed and is retried."""

    generation: int
    completed: bool
    place: Location
    again: bool = False


@dataclass(frozen=True, slots=True)
class S3Scan:
    """What stands in S3, by row: outputs and failures, and uploaded payloads."""

    ends: Mapping[int, End]
    inputs: Mapping[int, Location]


async def scan(
    objects: ObjectStore,
    run_id: str,
    *,
    outputs: OutputPaths,
    failures: OutputPaths,
    uploads: Location | None,
    retry: ModelRetry,
    durable: set[int],
) -> S3Scan:
    """Return what stands in S3 of the rows that are not durable.

    Args:
        objects: The store.
        run_id: The run id.
        outputs: Where outputs stand; learns what follows their names, if no reply has shown it.
        failures: The same of failures.
        uploads: Prefix of uploaded payloads, if any are.
        retry: Decides which failures an earlier process may have answered by sending the row again.
        durable: Rows that are in a part already.
    """
    ends: dict[int, End] = {}
    for layout, completed in ((failures, False), (outputs, True)):  # of one generation, the output counts
        root = layout.root()
        for info in await _list(objects, root) if root is not None else ():
            layout.discover(info.location)
            row, generation = layout.parse(info.location.key) or (-1, 0)
            if row < 0 or row in durable:
                continue
            if row not in ends or generation >= ends[row].generation:
                ends[row] = End(generation, completed, info.location)
    for row, end in ends.items():
        if not end.completed:
            ends[row] = end._replace(again=await _is_retried(objects, end, retry))
    inputs = await _inputs(objects, run_id, uploads) if uploads is not None else {}
    return S3Scan(ends, inputs)


async def _is_retried(objects: ObjectStore, end: End, retry: ModelRetry) -> bool:
    found = await retry_call(
        functools.partial(objects.get, end.place), operation="s3:GetObject", clock=SystemClock()
    )
    text = found.body[:ERROR_TEXT_MAX].decode("utf-8", "replace")
    return retry.allows(generation=end.generation, text=text)


async def _inputs(objects: ObjectStore, run_id: str, uploads: Location) -> dict[int, Location]:
    found = {}
    for shard in range(SHARDS):
        prefix = input_key(uploads.key, run_id, shard).rpartition("/")[0] + "/"
        for info in await _list(objects, Location(uploads.bucket, prefix)):
            name = info.location.key.rpartition("/")[2]
            if name.isdigit():
                found[int(name)] = info.location
    return found


async def _list(objects: ObjectStore, prefix: Location) -> list[ObjectInfo]:
    """Return the objects below `prefix`; none, with a warning, if they may not be listed."""

    async def pages() -> list[ObjectInfo]:
        return [info async for page in objects.list(prefix.bucket, prefix.key) for info in page]

    try:
        return await retry_call(pages, operation="s3:ListBucket", clock=SystemClock())
    except (CallError, RunError) as error:
        _log.warning(
            "cannot list %s (s3:ListBucket: %s): rows there are looked for one by one", prefix.uri, error
        )
        return []
