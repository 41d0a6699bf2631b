"""Removes what was found of runs, run by run: no process can take a run up meanwhile, and one that lives keeps all."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Any, Literal

from fanout.commands.account_scan import Inputs, Pages, input_prefix
from fanout.commands.claims_left import FoundClaim, FoundObjectClaim, remove_claim
from fanout.commands.places_left import LeftPlace
from fanout.commands.remove_place import fence, owned, remove_objects
from fanout.commands.sights import held
from fanout.domain.dead_runs import Sight, Verdict
from fanout.domain.ids import parse_input_key
from fanout.domain.leftovers import Subscription, UnfinishedUpload
from fanout.domain.location import Location
from fanout.domain.queues import seen_at
from fanout.domain.remedies import remedy
from fanout.engine.retrying import retry_call
from fanout.errors import CallError, RunError
from fanout.ports import Clock, Cloud, ObjectInfo, RunQueue
from fanout.rundir.paths import RunDirectory
from fanout.runtime.place.run_place import is_place, number_of, run_place
from fanout.runtime.place.sign_of_life import last_write

Kind = Literal["subscription", "queue", "upload", "inputs", "claim", "place"]
ORDER: Sequence[Kind] = ("subscription", "queue", "upload", "inputs", "claim", "place")
"""In which they are removed: a queue without its subscriptions gets no more messages, and a place tells of the rest."""
NEW_QUEUE_S = 1.0
"""A queue that was just made may not be seen for so long (SQS API reference, CreateQueue)."""
_RIGHTS: Mapping[Kind, str] = {
    "subscription": "sns:Unsubscribe",
    "queue": "sqs:DeleteQueue",
    "upload": "s3:AbortMultipartUpload",
    "inputs": "s3:DeleteObject",
    "claim": "s3:PutObject",
    "place": "s3:DeleteObject",
}


@dataclass(frozen=True, slots=True)
class FoundQueue:
    """A queue, and what its tag said of its run when it was found."""

    url: str
    seen_at: float | None


@dataclass(frozen=True, slots=True)
class FoundInputs:
    """Uploaded payloads of a run, below a prefix."""

    prefix: Location
    inputs: Inputs


@dataclass(frozen=True, slots=True)
class Stranded:
    """A subscription whose queue was gone when it was found."""

    subscription: Subscription


@dataclass(frozen=True, slots=True)
class FoundPlace:
    """A run place."""

    left: LeftPlace


Target = (
    FoundPlace
    | FoundQueue
    | Subscription
    | Stranded
    | UnfinishedUpload
    | FoundInputs
    | FoundClaim
    | FoundObjectClaim
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Leftover:
    """One thing that a run left, or seems to have left, in the account.

    Attributes:
        kind: What it is.
        name: Its url, ARN or place.
        run_id: The run that its name tells.
        endpoint: That run's endpoint, None if nothing tells.
        verdict: Whether it may go, and why.
        sight: The run's directory, if that can be seen.
        target: What to remove.
        count: Objects that it is.
        size_bytes: Their lengths, together; None where nothing tells.
        outcome: What has become of it.
        problem: Why it stays although it may go.
    """

    kind: Kind
    name: str
    run_id: str
    endpoint: str | None
    verdict: Verdict
    sight: Sight | None
    target: Target
    count: int = 1
    size_bytes: int | None = None
    outcome: Literal["found", "removed", "left"] = "found"
    problem: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return {
            "kind": self.kind,
            "name": self.name,
            "run": self.run_id,
            "endpoint": self.endpoint,
            "gone": self.verdict.gone,
            "reason": self.problem or self.verdict.reason,
            "age_s": None if self.verdict.age_s is None else round(self.verdict.age_s, 1),
            "count": self.count,
            "size_bytes": self.size_bytes,
            "outcome": self.outcome,
        }


async def remove(leftovers: Iterable[Leftover], cloud: Cloud, *, clock: Clock) -> list[Leftover]:
    """Remove those that may go, and return all of them with what has become of each, run by run."""
    done: list[Leftover] = []
    for _, group in groupby(sorted(leftovers, key=_in_order), key=lambda each: each.run_id):
        mine = list(group)
        sight = mine[0].sight if any(each.verdict.gone for each in mine) else None
        try:
            with _kept_away(sight):
                done += await remove_run(mine, cloud, clock=clock)
        except RunError as error:  # it was taken up since it was looked at, or its journal does not open
            done += [_lives(each, str(error)) for each in mine]
    return done


def _kept_away(sight: Sight | None) -> AbstractContextManager[None]:
    """Keep every process away from a run that can be seen."""
    if sight is None or is_place(sight.directory):  # nothing locks a place: the tag of its queue tells
        return nullcontext()
    return held(RunDirectory(Path(sight.directory)), unreadable="refuse")


def _lives(leftover: Leftover, reason: str) -> Leftover:
    """Return a leftover that stays, as its run lives after all."""
    gone = leftover.verdict.gone
    verdict = replace(leftover.verdict, gone=False, reason=reason) if gone else leftover.verdict
    return replace(leftover, outcome="left", verdict=verdict)


async def remove_run(leftovers: Sequence[Leftover], cloud: Cloud, *, clock: Clock) -> list[Leftover]:
    """Remove those of one run that may go, and return all of them; the caller keeps other processes away from it."""
    done: list[Leftover] = []
    lives = await _at_its_place(leftovers, cloud, clock=clock)
    for each in sorted(leftovers, key=_in_order):
        if each.verdict.gone and (each.sight is None or is_place(each.sight.directory)):
            lives = lives or await _sign_of_life(leftovers, cloud)
        if not each.verdict.gone or lives:
            done.append(_lives(each, lives or ""))
            continue
        if each.kind == "place" and any(other.problem for other in done):
            done.append(
                replace(each, outcome="left", problem="what else is left of its run could not be removed")
            )
            continue
        try:
            problem = await _remove(each, cloud, clock=clock)
        except CallError as error:
            problem = remedy(_RIGHTS[each.kind], error)
        except RunError as error:
            problem = str(error)
        done.append(replace(each, outcome="left" if problem else "removed", problem=problem))
    return done


def _in_order(leftover: Leftover) -> tuple[str, int]:
    return leftover.run_id, ORDER.index(leftover.kind)


async def _at_its_place(leftovers: Sequence[Leftover], cloud: Cloud, *, clock: Clock) -> str | None:
    """Return what tells that a process has taken a run up that is kept in S3, None if nothing does."""
    where = {each.sight.directory for each in leftovers if each.sight is not None and each.verdict.gone}
    for uri in filter(is_place, sorted(where)):
        try:
            wrote = await last_write(cloud.objects, run_place(uri), clock=clock)
        except RunError as error:
            return f"whether its run is alive could not be checked: {error}"
        if wrote is not None and not wrote.is_silent:
            return f"its run is at work in {uri}"
    return None


async def _sign_of_life(leftovers: Sequence[Leftover], cloud: Cloud) -> str | None:
    """Return what tells that a run lives whose directory cannot be seen, None if nothing has since it was found."""
    for each in leftovers:
        if isinstance(each.target, FoundQueue):
            try:
                tags = await cloud.leftovers.tags(each.target.url)
            except CallError as error:
                return f"whether its run is alive could not be checked: {remedy('sqs:ListQueueTags', error)}"
            if tags is not None and seen_at(tags) != each.target.seen_at:
                return "its run has shown a sign of life since this was found"
    return None


async def _remove(leftover: Leftover, cloud: Cloud, *, clock: Clock) -> str | None:
    """Remove what was found; return why it stays, if it does."""
    match leftover.target:
        case Subscription(arn=arn):
            await cloud.leftovers.unsubscribe(arn)
        case Stranded(subscription=subscription):
            await clock.sleep(NEW_QUEUE_S)
            urls, _ = await cloud.leftovers.queues(subscription.queue)
            if urls:
                return "its queue is there after all"
            await cloud.leftovers.unsubscribe(subscription.arn)
        case FoundQueue(url=url):
            await cloud.control.close_run_queue(RunQueue(url, (), filtered=False))
        case UnfinishedUpload() as upload:
            await cloud.leftovers.abort(upload)
        case FoundInputs() as found:
            return await _remove_inputs(found, cloud, clock=clock)
        case FoundClaim() | FoundObjectClaim() as claim:
            return await remove_claim(claim, cloud.objects, clock=clock)
        case FoundPlace(left=left):
            return await _remove_place(left, cloud, clock=clock)
    return None


async def _remove_place(left: LeftPlace, cloud: Cloud, *, clock: Clock) -> str | None:
    objects, place = cloud.objects, left.place
    known = {(each.location, each.etag) for each in left.objects}
    pages = Pages(objects.list(place.bucket, place.below))
    found: list[ObjectInfo] = []
    while page := await retry_call(pages.next, operation="s3:ListBucket", clock=clock):
        found += [info for info in page if place.owns(info.location)]
    if {(each.location, each.etag) for each in found} - known:
        return "its run has written there since this was found"
    there = [each.location for each in found]
    claims: list[Location] = []
    if left.state != "finished":
        for each, run_id in await owned(objects, place, run_id=left.run_id, clock=clock):
            below = (each.journal, each.snapshots)
            last = max((number_of(at.key) or 0 for at in there if at.key.startswith(below)), default=0)
            if not last:
                continue
            claim = await fence(objects, each, run_id=run_id, why="gc", clock=clock)
            if claim != last + 1:
                return "its run has written there since this was found"
            claims.append(each.segment(claim))
    await remove_objects(objects, place, [*there, *claims], clock=clock)
    return None


async def _remove_inputs(found: FoundInputs, cloud: Cloud, *, clock: Clock) -> str | None:
    run_id = found.inputs.run_id
    for shard in sorted(found.inputs.shards):
        prefix = input_prefix(found.prefix, run_id, shard)
        pages = Pages(cloud.objects.list(found.prefix.bucket, prefix))
        while page := await retry_call(pages.next, operation="s3:ListBucket", clock=clock):
            if any(info.modified_at > found.inputs.newest_at for info in page):
                return "its run has uploaded more since this was found"
            ours = [info.location for info in page if parse_input_key(info.location.key, found.prefix.key)]
            call = partial(cloud.objects.delete, ours)
            refused = await retry_call(call, operation="s3:DeleteObject", clock=clock) if ours else ()
            if refused:
                return f"{refused[0].uri}: could not be deleted: grant s3:DeleteObject"
    return None
