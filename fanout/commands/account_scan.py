"""Looks through an account for what runs leave behind: queues, subscriptions, uploaded payloads, unfinished uploads.

It lists and reads, and changes nothing. What this role may not list is said, and the rest is found.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

from fanout.domain.dead_runs import is_stranded
from fanout.domain.failures import NOT_PERMITTED
from fanout.domain.ids import input_key, parse_input_key
from fanout.domain.leftovers import Leftovers, Subscription, UnfinishedUpload
from fanout.domain.location import Location
from fanout.domain.queues import NAME_PREFIX, queue_name, run_of_queue
from fanout.domain.remedies import remedy
from fanout.engine.retrying import failed_call, retry_call
from fanout.errors import CallError, RunError
from fanout.ports import Clock, Cloud, ObjectInfo

T = TypeVar("T")
SHARDS = 256  # `domain.ids.shard`


@dataclass(slots=True)
class Inputs:
    """Uploaded payloads of one run.

    Attributes:
        shards: The first rows of the shards that hold some, by which their prefixes are made.
        count: How many they are.
        size_bytes: Their lengths, together.
        newest_at: When the youngest was stored, in seconds since the epoch, by S3's clock.
    """

    run_id: str
    shards: set[int] = field(default_factory=set)
    count: int = 0
    size_bytes: int = 0
    newest_at: float = 0.0

    def add(self, row: int, info: ObjectInfo) -> None:
        """Count one of them."""
        self.shards.add(row % SHARDS)
        self.count += 1
        self.size_bytes += info.size_bytes
        self.newest_at = max(self.newest_at, info.modified_at)


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountScan:
    """What was found.

    Attributes:
        now: The instant by AWS's clock, in seconds since the epoch.
        queues: Urls of the queues with the names of runs', with their tags; None for tags that may not be read.
        subscriptions: Those of such queues, and those of runs whose queue is gone.
        stranded: ARNs of the latter.
        inputs: Uploaded payloads, by run.
        uploads: Unfinished uploads of payloads, and those to the places of outputs that were asked for.
        unseen: What could not be looked at, and what to grant.
    """

    now: float
    queues: Mapping[str, Mapping[str, str] | None]
    subscriptions: Sequence[Subscription]
    stranded: Collection[str]
    inputs: Mapping[str, Inputs]
    uploads: Sequence[UnfinishedUpload]
    unseen: Sequence[str]


async def scan_account(
    cloud: Cloud,
    *,
    clock: Clock,
    topics: Sequence[str] = (),
    uploads: Location | None = None,
    places: Iterable[Location] = (),
    run_ids: Collection[str] | None = None,
) -> AccountScan:
    """Return what runs have in the account.

    Args:
        cloud: The account.
        clock: This process's.
        topics: Where to look for subscriptions; none of them for the whole account.
        uploads: Prefix of uploaded payloads; None not to look for any.
        places: Keys to which outputs are uploaded.
        run_ids: The runs whose leftovers are asked for; None for all.

    Raises:
        RunError: Nothing at all could be looked at, or AWS does not answer.
    """
    # A bucket that is gone has nothing of these runs; one that a person names is a mistake.
    look = _Look(clock, empty=frozenset() if run_ids is None else frozenset({"NoSuchBucket"}))
    finds = cloud.leftovers
    # Subscriptions before queues: of a run that starts meanwhile, the queue is found, too.
    subscriptions = await _subscriptions(look, finds, topics)
    queues, now = await _queues(look, finds, run_ids)
    names = None if queues is None else {tuple(url.split("/")[-2:]) for url in queues}
    wanted = [each for each in subscriptions if _is_wanted(run_of_queue(each.queue), run_ids)]
    stranded = [each.arn for each in wanted if await _is_stranded(look, finds, each, names)]
    inputs = await _inputs(look, cloud, uploads, run_ids) if uploads is not None else {}
    unfinished = await _unfinished(look, finds, uploads, places, run_ids)
    if look.unseen and not look.seen:
        raise RunError(f"nothing could be looked at: {' '.join(look.unseen)}")
    return AccountScan(
        now=now,
        queues=queues or {},
        subscriptions=[each for each in wanted if each.arn in stranded or _queue(each) in (names or ())],
        stranded=stranded,
        inputs=inputs,
        uploads=unfinished,
        unseen=look.unseen,
    )


async def topics_of(cloud: Cloud, endpoint: str | None) -> Sequence[str]:
    """Return the topics of an endpoint; none where it is gone or may not be described: then all are looked at."""
    if endpoint is None:
        return ()
    try:
        return (await cloud.control.describe(endpoint)).topics
    except (CallError, RunError):
        return ()


class _Look:
    """Makes calls, and notes what may not be called; an error of the codes `empty` says that there is nothing."""

    def __init__(self, clock: Clock, *, empty: frozenset[str]) -> None:
        self._clock = clock
        self._empty = empty
        self.unseen: list[str] = []
        self.seen = False

    async def at(self, what: str, right: str, call: Callable[[], Awaitable[T]]) -> T | None:
        """Return what `call` returns, None if it is not permitted."""
        try:
            found = await retry_call(call, operation=right, clock=self._clock)
        except (CallError, RunError) as error:
            refused = failed_call(error)
            if refused.code in self._empty:
                self.seen = True
                return None
            if refused.code in NOT_PERMITTED or refused.status == 403:
                said = f"{what} could not be seen: grant {right}."
                if said not in self.unseen:
                    self.unseen.append(said)
                return None
            raise RunError(f"{what}: {remedy(right, refused)}") from error
        self.seen = True
        return found


async def _subscriptions(look: _Look, finds: Leftovers, topics: Sequence[str]) -> list[Subscription]:
    right = "sns:ListSubscriptionsByTopic" if topics else "sns:ListSubscriptions"
    found: list[Subscription] = []
    for topic in topics or (None,):
        found += await look.at("subscriptions", right, partial(finds.subscriptions, topic)) or ()
    return found


async def _queues(
    look: _Look, finds: Leftovers, run_ids: Collection[str] | None
) -> tuple[dict[str, Mapping[str, str] | None] | None, float]:
    prefixes = [NAME_PREFIX] if run_ids is None else [queue_name(run_id) for run_id in sorted(run_ids)]
    found: dict[str, Mapping[str, str] | None] = {}
    now = time.time()
    for prefix in prefixes:
        told = await look.at("queues", "sqs:ListQueues", partial(finds.queues, prefix))
        if told is None:
            return None, now
        urls, now = told
        for url in urls:
            if run_of_queue(_name(url)) is not None:
                tags = await look.at("tags of queues", "sqs:ListQueueTags", partial(_tags, finds, url))
                if tags != _GONE:
                    found[url] = tags
    return found, now


_GONE = {"": "gone"}


async def _tags(finds: Leftovers, url: str) -> Mapping[str, str]:
    tags = await finds.tags(url)
    return _GONE if tags is None else tags


async def _is_stranded(
    look: _Look, finds: Leftovers, subscription: Subscription, names: Collection[tuple[str, ...]] | None
) -> bool:
    """Whether a subscription's queue is gone; not if queues could not be seen."""
    if names is None or _queue(subscription) in names:
        return False
    call = partial(finds.filter_of, subscription.arn)
    policy = await look.at("filters of subscriptions", "sns:GetSubscriptionAttributes", call)
    return is_stranded(subscription, policy)


def _queue(subscription: Subscription) -> tuple[str, ...]:
    """Return account and name of a subscription's queue, as its url ends in."""
    return tuple(subscription.queue_arn.split(":")[-2:])


async def _inputs(
    look: _Look, cloud: Cloud, uploads: Location, run_ids: Collection[str] | None
) -> dict[str, Inputs]:
    found: dict[str, Inputs] = {}
    for prefix in _prefixes(uploads, run_ids):
        pages = Pages(cloud.objects.list(uploads.bucket, prefix))
        while page := await look.at("uploaded payloads", "s3:ListBucket", pages.next):
            for info in page:
                run_id, row = parse_input_key(info.location.key, uploads.key) or ("", 0)
                if run_id and _is_wanted(run_id, run_ids):
                    found.setdefault(run_id, Inputs(run_id)).add(row, info)
        if page is None:  # nor may the next be listed
            break
    return found


class Pages:
    """A listing whose pages are asked for one at a time, each again if that failed; an empty one is its end."""

    def __init__(self, listing: AsyncIterator[Sequence[ObjectInfo]]) -> None:
        self._listing = listing

    async def next(self) -> Sequence[ObjectInfo]:
        """Return the next page."""
        return await anext(self._listing, None) or ()


def _prefixes(uploads: Location, run_ids: Collection[str] | None) -> list[str]:
    if run_ids is None:
        return [f"{uploads.key}/" if uploads.key else ""]
    return [input_prefix(uploads, run_id, shard) for run_id in sorted(run_ids) for shard in range(SHARDS)]


def input_prefix(uploads: Location, run_id: str, row: int) -> str:
    """Return what the keys begin with of a run's payloads in the shard of `row`."""
    return input_key(uploads.key, run_id, row).rpartition("/")[0] + "/"


async def _unfinished(
    look: _Look,
    finds: Leftovers,
    uploads: Location | None,
    places: Iterable[Location],
    run_ids: Collection[str] | None,
) -> list[UnfinishedUpload]:
    found: list[UnfinishedUpload] = []
    right = "s3:ListBucketMultipartUploads"
    if uploads is not None:
        whole = f"{uploads.key}/" if uploads.key else ""
        listed = await look.at("unfinished uploads", right, partial(finds.uploads, uploads.bucket, whole))
        for each in listed or ():
            run_id, _ = parse_input_key(each.location.key, uploads.key) or (None, 0)
            if _is_wanted(run_id, run_ids):
                found.append(each)
    for place in places:
        listed = await look.at("unfinished uploads", right, partial(finds.uploads, *place))
        found += [each for each in listed or () if each.location == place]
    return found


def _is_wanted(run_id: str | None, run_ids: Collection[str] | None) -> bool:
    return run_id is not None and (run_ids is None or run_id in run_ids)


def _name(url: str) -> str:
    return url.rpartition("/")[2]
