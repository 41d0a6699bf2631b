"""Finds claims on outputs that runs have left, here and in S3, and removes those that may go.

A claim is removed as it was found, or not at all: locked here, and in S3 if it was not renewed since.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from fanout.domain.dead_claims import RENEWED_S, Run
from fanout.domain.failures import NOT_PERMITTED
from fanout.domain.location import Location
from fanout.engine.retrying import retry_call
from fanout.errors import CallError, JournalError, RunError
from fanout.output.object_place import CLAIM, CLAIM_SUFFIX, ObjectPlace, is_remote, object_place
from fanout.ports import Clock, ObjectInfo, ObjectStore
from fanout.rundir.claim import CLAIMS, OutputInUse, Owner, claim_path, claimed, read_claim
from fanout.rundir.manifest import read_manifest
from fanout.rundir.paths import RUNS, RunDirectory
from fanout.runtime.claim_note import Note, Sight, look, parse_note
from fanout.runtime.claim_object import claim_location
from fanout.runtime.claim_place import look_at_place
from fanout.runtime.object_claim import ObjectClaim
from fanout.runtime.place.run_place import is_place


@dataclass(frozen=True, slots=True)
class FoundClaim:
    """A claim on an output of this machine; `owner` is None where it was killed before it wrote."""

    output: str
    owner: Owner | None


@dataclass(frozen=True, slots=True)
class FoundObjectClaim:
    """A claim on an output in S3, as it was when it was found."""

    place: ObjectPlace
    note: Note
    etag: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftClaim:
    """A claim, and what is seen of its run.

    Attributes:
        target: The claim.
        name: Its path or uri.
        run_id: Its run, empty where nothing tells.
        where: The run's directory, empty for an experiment.
        run: What is seen of that run.
        silent_s: How long ago the claim was last written.
    """

    target: FoundClaim | FoundObjectClaim
    name: str
    run_id: str
    where: str
    run: Run
    silent_s: float


def outputs_here(places: Sequence[Path], *, here: Path) -> Iterator[str]:
    """Yield the outputs on this machine with a claim: beside `here`, and beside run directories or what holds some.

    Args:
        places: Run directories, or directories that hold some.
        here: The working directory.
    """
    holders = {each.absolute() for each in (here / RUNS, *places, *(place.parent for place in places))}
    for holder in sorted(holders):
        if holder.name == RUNS:
            for path in sorted((holder / CLAIMS).glob("*")):
                yield str(holder.parent / path.name)


def outputs_of(directories: Iterable[str]) -> list[str]:
    """Return the outputs of the runs in these directories, those that can be told."""
    found = []
    for path in directories:
        with suppress(RunError):
            found.append(read_manifest(RunDirectory(Path(path))).config.output.path or "")
    return sorted({each for each in found if each})


def claims_here(outputs: Iterable[str], unseen: list[str]) -> list[LeftClaim]:
    """Return the claims on outputs of this machine; what cannot be read is said in `unseen`, and stays."""
    found = []
    for output in sorted(set(outputs)):
        path = claim_path(output)
        if is_remote(output) or not path.is_file():
            continue
        try:
            owner = read_claim(output)
            run = _seen_of(owner)
            silent_s = max(time.time() - path.stat().st_mtime, 0.0)
        except (RunError, OSError) as error:
            unseen.append(f"{path} stays: {error}")
            continue
        found.append(
            LeftClaim(
                target=FoundClaim(output, owner),
                name=str(path),
                run_id="" if owner is None else owner.run_id,
                where=(owner and owner.run_dir) or "",
                run=run,
                silent_s=silent_s,
            )
        )
    return found


async def _seen_at_place(objects: ObjectStore, owner: Owner, *, clock: Clock) -> Run | None:
    """Return what is seen of a run that is kept in S3, None of one that is kept in a directory."""
    sight = await look_at_place(objects, owner, clock=clock)
    if sight is None:
        return None
    return "unfinished" if sight is Sight.UNFINISHED else "over"


def _seen_of(owner: Owner | None) -> Run:
    if owner is None:
        return "over"
    if is_place(owner.run_dir or ""):
        return "unfinished"  # for all that can be told from here: a claim on a local output is a small thing
    sight = look(owner)
    if sight is Sight.LIVE:
        return "at work"
    if sight is Sight.UNFINISHED:
        return "unfinished"
    nothing_sent = not owner.begun and not Path(owner.run_dir or "").is_dir()
    return "over" if sight is not Sight.HIDDEN or owner.run_dir is None or nothing_sent else "out of sight"


async def claims_in_s3(
    objects: ObjectStore, outputs: Iterable[str], unseen: list[str], *, below: str | None, clock: Clock
) -> list[LeftClaim]:
    """Return the claims on outputs in S3.

    Args:
        objects: S3.
        outputs: Those whose claims are looked for, by their names.
        unseen: Takes what could not be looked at.
        below: An output, or a prefix of outputs: all claims there are looked for.
        clock: This process's.
    """
    locations = {claim_location(object_place(output)) for output in outputs if is_remote(output)}
    listed: set[Location] = set()
    if below is not None and is_remote(below):
        listed = await _listed(objects, below.partition("{")[0], unseen, clock=clock)
    found = []
    for location in sorted(locations | listed):
        try:
            info = await retry_call(partial(objects.head, location), operation="s3:GetObject", clock=clock)
            note = None if info is None else await _read(objects, info, clock=clock)
        except (CallError, RunError) as error:
            unseen.append(f"{location.uri} stays: {_why(error)}")
            continue
        if info is None and location in listed:
            unseen.append(f"{location.uri} stays: it could not be read: grant s3:GetObject on it")
        if info is None or note is None:
            continue
        age_s = max((info.seen_at or info.modified_at) - info.modified_at, 0.0)
        run: Run
        try:
            run = await _seen_at_place(objects, note.owner, clock=clock) or _seen_of(note.owner)
        except JournalError as error:
            unseen.append(f"{location.uri} stays: {error}")
            continue
        if note.state == "released":
            run = "over"
        elif note.state == "held" and age_s < RENEWED_S and run != "unfinished":
            run = "at work"
        found.append(
            LeftClaim(
                target=FoundObjectClaim(_place_of(location), note, info.etag),
                name=location.uri,
                run_id=note.owner.run_id,
                where=note.owner.run_dir or note.owner.host,
                run=run,
                silent_s=age_s,
            )
        )
    return found


async def remove_claim(
    target: FoundClaim | FoundObjectClaim, objects: ObjectStore, *, clock: Clock
) -> str | None:
    """Remove a claim if it is still what was found; return why it stays, if it does.

    Raises:
        RunError: S3 does not permit it, or the disk refused.
    """
    if isinstance(target, FoundObjectClaim):
        claim = ObjectClaim(objects, target.place, owner=target.note.owner, clock=clock, uptime=clock.now)
        return await claim.clear(if_match=target.etag)
    try:
        with claimed(target.output) as held:
            if held.previous == target.owner:
                held.drop()
                return None
    except OutputInUse:
        return "its output is in use since this was found"
    return "another run has its output since this was found"


async def _listed(objects: ObjectStore, below: str, unseen: list[str], *, clock: Clock) -> set[Location]:
    bucket, _, prefix = below[len("s3://") :].partition("/")
    found = set()
    pages = aiter(objects.list(bucket, prefix))

    async def page() -> Sequence[ObjectInfo]:
        return await anext(pages, None) or ()

    try:
        while infos := await retry_call(page, operation="s3:ListBucket", clock=clock):
            keys = [info.location for info in infos]
            found |= {each for each in keys if each.key.endswith((f"/{CLAIM}", CLAIM_SUFFIX))}
    except (CallError, RunError) as error:
        unseen.append(f"claims below {below} could not be seen: {_why(error, 's3:ListBucket')}")
    return found


async def _read(objects: ObjectStore, info: ObjectInfo, *, clock: Clock) -> Note | None:
    read = partial(objects.read, info.location, start=0, size_bytes=max(1, info.size_bytes), etag=info.etag)
    try:
        return parse_note(await retry_call(read, operation="s3:GetObject", clock=clock), info.location.uri)
    except CallError as error:
        if error.missing or error.code in {"PreconditionFailed", "InvalidRange"}:
            return None  # it was renewed, or removed, while we looked: its run lives
        raise


def _why(error: CallError | RunError, right: str = "s3:GetObject") -> str:
    call = error if isinstance(error, CallError) else error.__cause__
    denied = isinstance(call, CallError) and (call.code in NOT_PERMITTED or call.status == 403)
    return f"grant {right}" if denied else str(error)


def _place_of(location: Location) -> ObjectPlace:
    suffix = CLAIM_SUFFIX if location.key.endswith(CLAIM_SUFFIX) else CLAIM
    return ObjectPlace(location.bucket, location.key.removesuffix(suffix))
