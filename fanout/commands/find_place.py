"""Finds the run that an `s3://` RUN means on a command line: a place of a run, or an output of one; changes nothing."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

from fanout.commands.earlier_run import EarlierRun
from fanout.commands.find_run import find_run, in_s3, listed_here
from fanout.config.model import Config
from fanout.domain.location import Location
from fanout.domain.remedies import remedy
from fanout.engine.retrying import failed_call, retry_call
from fanout.errors import CallError, RunError, UsageError
from fanout.output.object_place import ObjectPlace, object_place
from fanout.ports import ObjectInfo
from fanout.rundir.manifest import Manifest, read_manifest
from fanout.rundir.paths import RunDirectory
from fanout.runtime import settings as compose
from fanout.runtime.claim_note import parse_note
from fanout.runtime.claim_object import claim_location
from fanout.runtime.event_loop import run_in_event_loop
from fanout.runtime.object_output import run_in_s3
from fanout.runtime.place.place_files import fetch_file, run_of
from fanout.runtime.place.replay import list_journal, read_object
from fanout.runtime.place.run_place import RunPlace, is_place, run_place
from fanout.runtime.place.scratch import scratch, scratch_root
from fanout.runtime.session import Session, open_session
from fanout.runtime.supervisor import until_stopped
from fanout.text import quoted

T = TypeVar("T")
Where = Path | RunPlace
"""Where a run is kept: its directory here, or its place in S3."""


@dataclass(frozen=True, slots=True)
class FoundPlace:
    """A run that has begun at a place.

    Attributes:
        place: The place.
        began_at: When its `run.json` was stored, in seconds since the epoch, by S3's clock.
        finished: Whether its output was written.
    """

    place: RunPlace
    began_at: float
    finished: bool


@asynccontextmanager
async def looking(config: Config) -> AsyncIterator[Session]:
    """Yield a session for S3 alone, as `config` leads to it."""
    async with open_session(compose.s3_alone(config)) as session:
        yield session


def ask(config: Config, call: Callable[[Session], Awaitable[T]]) -> T:
    """Return what `call` returns of a session for S3 alone; it changes nothing there.

    Raises:
        RunError: S3 cannot be reached as `config` says, or of the call.
    """

    async def go() -> T:
        async with looking(config) as session:
            return await call(session)

    return run_in_event_loop(partial(until_stopped, go, next_step="nothing was changed: start it again"))


def named_run(run: str | os.PathLike[str], config: Config) -> Where:
    """Return where the run is kept that RUN means on a command line.

    Of an `s3://` name: an output whose run is listed here by `fanout runs`; else as `find_place`; all else is of this
    machine (`find_run`).

    Args:
        run: A run directory, a place, an output, or `last`.
        config: Leads to S3.

    Raises:
        UsageError: There is no such run.
        JournalError: A claim is damaged, or of a later version.
        RunError: S3 does not permit it, or does not answer.
    """
    text = os.fspath(run)
    if not in_s3(text):
        return find_run(text)
    return listed_here(text) or ask(config, lambda session: find_place(session, text))


def manifest_at(where: Where, config: Config) -> Manifest:
    """Return what the run is that is kept there.

    Raises:
        UsageError: There is none.
        JournalError: Its `run.json` is damaged, or of a later version.
        RunError: S3 does not permit it, or does not answer.
    """
    if isinstance(where, Path):
        return read_manifest(RunDirectory(where))

    async def read(session: Session) -> Manifest:
        with scratch_of(config) as directory:
            return (await copy_files(session, where, directory)).manifest

    return ask(config, read)


async def find_place(session: Session, uri: str) -> Where:
    """Return what `uri` means: a place, or an output whose claim names a place, or a run directory of this machine.

    Raises:
        UsageError: It is neither, or its run is not to be found from here.
        JournalError: A claim is damaged, or of a later version.
        RunError: S3 does not permit it, or does not answer.
    """
    place = run_place(uri)
    objects, clock = session.cloud.objects, session.clock
    if await read_object(objects, place.manifest, clock=clock) is not None:
        return place
    with suppress(UsageError):
        if (named := await _of_output(session, object_place(uri))) is not None:
            return named
    if (await list_journal(objects, place, clock=clock)).last:
        raise UsageError(
            f"{uri} holds no run: one ended there before it sent anything, and another may begin there"
        )
    raise UsageError(
        f"{uri} holds no run: there is no {place.manifest.uri}, and no claim on an output of that name. "
        f"`fanout runs {quoted(place.uri.rpartition('/')[0])}/` lists the runs of a place"
    )


async def _of_output(session: Session, output: ObjectPlace) -> Where | None:
    """Return where the run of an output in S3 is kept, None if nothing stands there that tells of a run.

    Raises:
        RunError: It tells of a run that is not to be found.
    """
    objects, clock = session.cloud.objects, session.clock
    claim = claim_location(output)
    content = await read_object(objects, claim, clock=clock)
    if content is not None:
        owner = parse_note(content, claim.uri).owner
        if is_place(owner.run_dir or ""):
            return run_place(owner.run_dir or "")
        if owner.run_dir and RunDirectory(Path(owner.run_dir)).manifest.exists():
            return Path(owner.run_dir)
        raise RunError(f"{output.uri} is of {owner}, whose directory {owner.run_dir} is not here")
    run_id = await run_in_s3(objects, output, clock=clock)
    if run_id is None:
        return None
    raise RunError(
        f"{output.uri} was written by run {run_id}, and nothing here tells where that is kept: name its directory or "
        "its place (`fanout runs s3://BUCKET/runs/` lists those of a place)"
    )


async def places_below(session: Session, parent: str) -> list[FoundPlace]:
    """Return the runs that have begun directly below `parent`, the oldest first.

    Raises:
        UsageError: It names no bucket.
        RunError: S3 does not permit it, or does not answer.
    """
    bucket, _, prefix = parent[len("s3://") :].partition("/")
    if not bucket:
        raise UsageError(f"{parent}: names no bucket: write s3://BUCKET/runs/")
    prefix = prefix if not prefix or prefix.endswith("/") else f"{prefix}/"
    began: dict[str, float] = {}
    finished = set()
    async for info in objects_below(session, bucket, prefix):
        name, slash, file = info.location.key.removeprefix(prefix).partition("/")
        if slash and file == "run.json":
            began[name] = info.modified_at
        elif slash and file == "summary.json":
            finished.add(name)
    found = [FoundPlace(RunPlace(bucket, prefix + name), at, name in finished) for name, at in began.items()]
    return sorted(found, key=lambda each: (each.began_at, each.place.prefix))


async def objects_below(session: Session, bucket: str, prefix: str) -> AsyncIterator[ObjectInfo]:
    """Yield what stands below a prefix, in the order of keys.

    Raises:
        RunError: S3 does not permit it, or does not answer.
    """
    pages = aiter(session.cloud.objects.list(bucket, prefix))

    async def page() -> Sequence[ObjectInfo]:
        return await anext(pages, None) or ()

    try:
        while infos := await retry_call(page, operation="s3:ListBucket", clock=session.clock):
            for info in infos:
                yield info
    except (CallError, RunError) as error:
        said = remedy("s3:ListBucket", failed_call(error))
        raise RunError(f"{Location(bucket, prefix).uri}: {said}") from error


@contextmanager
def scratch_of(config: Config) -> Iterator[RunDirectory]:
    """Yield an empty run directory on this machine, for the copy of a run's files."""
    with scratch(scratch_root(config.run.scratch, os.environ)) as directory:
        yield directory


async def copy_files(session: Session, place: RunPlace, directory: RunDirectory) -> EarlierRun:
    """Copy the small files of the run at a place to `directory`: what it is, where it stands, what it came to.

    Raises:
        UsageError: There is no run.
        JournalError: What it is cannot be read, or is of a later version.
        RunError: S3 does not permit it, or does not answer.
    """
    fetch = partial(fetch_file, session.cloud.objects, clock=session.clock)
    if not await fetch(place.manifest, directory.manifest):
        raise UsageError(f"{place.uri} holds no run: there is no {place.manifest.uri}")
    for location, path in (
        (place.summary, directory.summary),
        (place.inputs, directory.inputs),
        (place.status, directory.status),
        (place.uploads, directory.uploads),
        (place.subtotal, directory.subtotal),
    ):
        await fetch(location, path)
    manifest = read_manifest(directory)
    if (
        directory.summary.exists()
        and run_of(directory.summary.read_bytes(), place.summary.uri) != manifest.run_id
    ):
        directory.summary.unlink()  # of the run before, which this one was about to replace
    return EarlierRun(directory, manifest, place)
