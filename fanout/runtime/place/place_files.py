"""Keeps the small files of a run in its place: what the run is, where it stands, what it came to."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Literal

from fanout.concurrency.threads import run_in_thread
from fanout.domain.location import Location
from fanout.domain.remedies import remedy
from fanout.engine.retrying import repeat_call, retriable
from fanout.errors import CallError, JournalError, RunError, UsageError
from fanout.files import storage
from fanout.ports import Clock, ObjectStore
from fanout.runtime.place.replay import read_object

GIVE_UP_S = 60.0


async def put_file(
    objects: ObjectStore,
    path: Path,
    location: Location,
    *,
    clock: Clock,
    if_none_match: Literal["*"] | None = None,
    if_match: str | None = None,
) -> None:
    """Store the file at `path` as the object at `location`.

    Raises:
        UsageError: Another object stands there than the condition says.
        RunError: S3 does not permit it, or does not answer.
        StorageError: The file cannot be read.
    """
    with storage(path, "read"):
        content = await run_in_thread(path.read_bytes)
    try:
        await repeat_call(
            lambda: objects.put(
                location,
                content,
                content_type="application/json",
                if_none_match=if_none_match,
                if_match=if_match,
            ),
            clock=clock,
            give_up_after_s=GIVE_UP_S,
            repeats=_may_pass,
        )
    except CallError as error:
        if error.code == "PreconditionFailed":
            if await read_object(objects, location, clock=clock) == content:
                return  # the reply to an earlier attempt was lost
            raise UsageError(f"{location.uri} is there already: name another place") from error
        raise RunError(f"{location.uri}: {remedy('s3:PutObject', error)}") from error


def _may_pass(error: BaseException) -> bool:
    return retriable(error) or (isinstance(error, CallError) and error.code == "ConditionalRequestConflict")


async def fetch_file(objects: ObjectStore, location: Location, path: Path, *, clock: Clock) -> bool:
    """Write the object at `location` to `path`; return whether it is there.

    Raises:
        RunError: S3 does not permit it, or does not answer.
        StorageError: The disk is full or failed.
    """
    content = await read_object(objects, location, clock=clock)
    if content is None:
        return False
    with storage(path, "write"):
        await run_in_thread(partial(path.write_bytes, content))
    return True


def run_of(content: bytes | None, uri: str) -> str | None:
    """Return the run that a `run.json` or `summary.json` names; None where there is none.

    Raises:
        JournalError: It is damaged.
    """
    if content is None:
        return None
    try:
        return str(json.loads(content)["run"])
    except (ValueError, KeyError, TypeError) as error:
        raise JournalError(f"{uri} is damaged: put it back (S3 versioning, a backup)") from error
