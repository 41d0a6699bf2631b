"""Opens the place of a run whose state is kept in S3: finds it free, makes this process its owner, closes it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

from fanout._version import __version__
from fanout.concurrency.clock import uptime_s
from fanout.failpoints import failpoint
from fanout.ports import Clock, ObjectStore
from fanout.rundir.manifest import holds_run, parse_manifest
from fanout.runtime.kept_place import FinishedRun, KeptPlace, of_another
from fanout.runtime.place.place_files import fetch_file, run_of
from fanout.runtime.place.released_invoker import ReleasedInvoker
from fanout.runtime.place.replay import read_object, reading
from fanout.runtime.place.run_place import RunPlace
from fanout.runtime.place.segment_log import PATIENCE_S, SegmentLog
from fanout.runtime.place.sign_of_life import PlaceOwner, until_silent
from fanout.runtime.session import Session
from fanout.runtime.spec import RunSpec


@asynccontextmanager
async def merging_place(spec: RunSpec, session: Session) -> AsyncIterator[KeptPlace]:
    """Yield the place of a run of shards, whose journal knows no rows: to own it is to be the one that merges.

    Raises:
        PlaceInUse: Another process is at it.
        RunError: S3 does not permit it, does not answer, or knows no conditions.
    """
    assert spec.place is not None, "the run is kept on this machine"
    await until_silent(session.cloud.objects, spec.place, clock=session.clock)
    owner = PlaceOwner.here(now=session.clock.now())
    log = _segment_log(spec, spec.place, session, owner)
    await log.claim(begins=True)
    session.kept = kept = KeptPlace(
        spec, log, objects=session.cloud.objects, clock=session.clock, owner=owner
    )
    try:
        yield kept
    finally:
        await kept.close(unused=False)


def _segment_log(spec: RunSpec, place: RunPlace, session: Session, owner: PlaceOwner) -> SegmentLog:
    return SegmentLog(
        session.cloud.objects,
        place,
        run_id=spec.run_id,
        clock=session.clock,
        uptime=uptime_s,
        about=owner.about() | {"version": __version__},
        owner=owner.token,
        patience_s=PATIENCE_S,
    )


@asynccontextmanager
async def open_place(spec: RunSpec, session: Session) -> AsyncIterator[KeptPlace]:
    """Yield the place of the run, which is this process's inside the block.

    Raises:
        PlaceInUse: Another process is at the place; names it.
        UsageError: A new run is to begin where there is one.
        JournalError: A segment is missing or damaged, or an owner is at work who keeps the place.
        RunError: S3 does not permit it, does not answer, or knows no conditions.
    """
    place = spec.place
    assert place is not None, "the run is kept on this machine"
    objects, clock = session.cloud.objects, session.clock
    replaces = None
    silent_behind = await until_silent(objects, place, clock=clock)
    if not spec.begun:
        output = spec.config.output
        replacing = output.path if output.overwrite else None
        with of_another(spec):
            replaces = await check_free(objects, place, replacing=replacing, clock=clock)
    owner = PlaceOwner.here(now=clock.now())
    log = _segment_log(spec, place, session, owner)
    # The journal of a run of shards knows no rows: to claim it is all that it is for.
    begins = not spec.begun or (spec.config.run.is_divided and not spec.is_shard)
    await log.claim(
        begins=begins,
        replaces=None if replaces is None else replaces.run_id,
        # Of two that begin here at once, one does: neither must fence the other and then find its `run.json` there.
        behind=None if spec.begun else silent_behind,
    )
    failpoint("place.claimed")
    kept = KeptPlace(
        spec, log, objects=session.cloud.objects, clock=session.clock, owner=owner, replaces=replaces
    )
    # Before any other that may keep a request waiting: between this one and the network nothing waits.
    session.cloud.invoker = ReleasedInvoker(session.cloud.invoker, log.is_released)
    if spec.begun:
        await fetch_file(objects, place.uploads, spec.directory.uploads, clock=clock)
    try:
        yield kept
    finally:
        await kept.close(unused=not spec.begun and kept.has_sent_nothing)


async def check_free(
    objects: ObjectStore, place: RunPlace, *, replacing: str | None, clock: Clock
) -> FinishedRun | None:
    """Return unless a run has begun at the place; what a finished one of the same output leaves to be replaced.

    Args:
        objects: S3.
        place: The place.
        replacing: The output, if an earlier one may be replaced.
        clock: The run's clock.

    Raises:
        UsageError: One has begun that may not be replaced.
        JournalError: What it is cannot be read.
        RunError: S3 does not permit it, or does not answer.
    """
    head = partial(objects.head, place.manifest)
    info = await reading(head, place.manifest, operation="s3:GetObject", clock=clock)
    content = await read_object(objects, place.manifest, clock=clock)
    if info is None or content is None:
        return None
    before = parse_manifest(content, place.manifest.uri)
    done = run_of(await read_object(objects, place.summary, clock=clock), place.summary.uri)
    finished = before.run_id == done
    if finished and replacing is not None and before.config.output.path == replacing:
        return FinishedRun(before.run_id, info.etag)
    raise holds_run(place.uri, output=before.config.output.path or "", finished=finished)
