"""Looks for run places in S3: which runs are kept there, and whether these live, have finished, or can be gone on with.

A place is known by its `run.json`, or by a segment of a journal. It lists and reads, and changes nothing. What may not
be seen is said, and the rest is found.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial

from fanout.commands.find_place import objects_below
from fanout.concurrency.side_by_side import side_by_side
from fanout.config.model import Config
from fanout.domain.dead_places import State
from fanout.domain.dead_runs import Sight
from fanout.domain.failures import NOT_PERMITTED
from fanout.domain.leftovers import BegunUploads
from fanout.errors import CallError, JournalError, RunError, UsageError
from fanout.ports import ObjectInfo
from fanout.rundir.begun_uploads import parse_uploads
from fanout.rundir.manifest import Manifest, parse_manifest
from fanout.runtime.place.place_files import run_of
from fanout.runtime.place.replay import read_object, read_state, reading
from fanout.runtime.place.run_place import RunPlace, is_place, place_of
from fanout.runtime.place.sign_of_life import SILENT_S, last_write
from fanout.runtime.session import Session

AT_ONCE = 8
"""Places that are looked at side by side."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftPlace:
    """A run place, as it was when it was found.

    Attributes:
        place: The place.
        state: What is seen of its run.
        run_id: The run; empty where nothing tells.
        manifest: What it is; None where it never began, or that cannot be read.
        age_s: How long ago something was last written there, by S3's clock.
        objects: What a run has there.
        begun: The uploads to its output's place that the run has noted.
    """

    place: RunPlace
    state: State
    run_id: str
    manifest: Manifest | None
    age_s: float
    objects: tuple[ObjectInfo, ...]
    begun: BegunUploads = field(default_factory=BegunUploads)

    @property
    def size_bytes(self) -> int:
        """What a run has there, together."""
        return sum(each.size_bytes for each in self.objects)

    @property
    def sight(self) -> Sight | None:
        """Its run, as a clean-up sees what else is left of it; None where nothing tells."""
        if self.manifest is None or self.state == "damaged":
            return None
        return Sight(
            self.run_id,
            self.place.uri,
            self.manifest.endpoint,
            lives=self.state == "at work",
            age_s=self.age_s,
            keeps_inputs=self.manifest.config.transport.keep_inputs,
        )


def prefixes_of(named: Sequence[str], config: Config) -> list[str]:
    """Return the prefixes below which places are looked for: those that are named, and the configuration's own.

    One with a placeholder, as `s3://BUCKET/runs/{date}`, is looked below up to that.

    Raises:
        UsageError: One names no bucket.
    """
    found = []
    for each in (*named, config.run.dir or ""):
        if not is_place(each):
            continue
        literal, placeholder, _ = each.partition("{")
        if not literal[len("s3://") :].partition("/")[0]:
            raise UsageError(f"{each}: names no bucket: write s3://BUCKET/runs/")
        found.append(literal if placeholder or literal.endswith("/") else f"{literal}/")
    return list(dict.fromkeys(found))


async def places_left(session: Session, prefixes: Iterable[str], unseen: list[str]) -> list[LeftPlace]:
    """Return the run places below these prefixes.

    Args:
        session: Leads to S3.
        prefixes: As `prefixes_of` returns them.
        unseen: Takes what could not be looked at.

    Raises:
        RunError: S3 does not answer.
    """
    found: dict[RunPlace, list[ObjectInfo]] = {}
    for prefix in prefixes:
        bucket, _, key = prefix[len("s3://") :].partition("/")
        try:
            infos = [info async for info in objects_below(session, bucket, key)]
        except RunError as error:
            if not _is_denied(error):
                raise
            unseen.append(f"places below {prefix} could not be seen: grant s3:ListBucket.")
            continue
        found |= dict(_by_place(infos))
    left: list[LeftPlace] = []
    every = sorted(found.items(), key=lambda each: each[0].uri)
    for first in range(0, len(every), AT_ONCE):
        looks = [partial(_look, session, *each, unseen) for each in every[first : first + AT_ONCE]]
        left += [each for each in await side_by_side(looks) if each is not None]
    return left


def _by_place(infos: Sequence[ObjectInfo]) -> Iterator[tuple[RunPlace, list[ObjectInfo]]]:
    for place in dict.fromkeys(place_of(info.location) for info in infos):
        if place is not None:
            yield place, [info for info in infos if place.owns(info.location)]


async def _look(
    session: Session, place: RunPlace, infos: list[ObjectInfo], unseen: list[str]
) -> LeftPlace | None:
    """Return what stands at a place; None if it is none after all, or may not be read."""
    try:
        return await _seen(session, place, infos)
    except RunError as error:
        if not _is_denied(error):
            raise
        unseen.append(f"{place.uri} stays: it could not be read: grant s3:GetObject.")
        return None


async def _seen(session: Session, place: RunPlace, infos: list[ObjectInfo]) -> LeftPlace | None:
    objects, clock = session.cloud.objects, session.clock
    newest = max(infos, key=lambda info: info.modified_at)
    head = partial(objects.head, newest.location)
    now = await reading(head, newest.location, operation="s3:GetObject", clock=clock)
    # What has gone meanwhile was an owner's to remove.
    age_s = 0.0 if now is None else max((now.seen_at or now.modified_at) - now.modified_at, 0.0)
    manifest, run_id = None, ""
    state: State = "damaged"
    try:
        content = await read_object(objects, place.manifest, clock=clock)
        if content is not None:
            manifest = parse_manifest(content, place.manifest.uri)
            run_id = manifest.run_id
        state = await _state(session, place, manifest, age_s=age_s)
        if manifest is None and state != "damaged":
            told = await read_state(objects, place, clock=clock)
            run_id = "" if told is None else told.run_id
    except JournalError:
        if not any(place_of(info.location) and info.location != place.manifest for info in infos):
            return None  # another program's `run.json`
    noted = await read_object(objects, place.uploads, clock=clock) if state != "finished" else None
    return LeftPlace(
        place=place,
        state=state,
        run_id=run_id,
        manifest=manifest,
        age_s=age_s,
        objects=tuple(infos),
        begun=parse_uploads(noted or b""),
    )


async def _state(session: Session, place: RunPlace, manifest: Manifest | None, *, age_s: float) -> State:
    """Return what is seen of a place's run.

    Raises:
        JournalError: What stands there is damaged.
        RunError: S3 does not permit it, or does not answer.
    """
    objects, clock = session.cloud.objects, session.clock
    if age_s < SILENT_S:
        if manifest is not None and manifest.config.run.shards is not None:
            return "at work"  # one of its shards, or what merges them
        wrote = await last_write(objects, place, clock=clock)
        if wrote is not None and not wrote.is_silent:
            return "at work"
    if manifest is not None:
        done = run_of(await read_object(objects, place.summary, clock=clock), place.summary.uri)
        return "finished" if done == manifest.run_id else "unfinished"
    state = await read_state(objects, place, clock=clock)
    # Without its `run.json`, one that has sent rows is not what a run leaves.
    return "never began" if state is None or state.has_sent_nothing else "damaged"


def _is_denied(error: RunError) -> bool:
    call = error.__cause__
    return isinstance(call, CallError) and (call.code in NOT_PERMITTED or call.status == 403)
