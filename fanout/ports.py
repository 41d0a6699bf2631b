"""Defines what the engine sees of the world as small Protocols.

`aws/` and `simulator/ports/` implement them; every implementation passes the same suite, `tests/contract/`. Every call
may raise `CallError` and nothing else; `domain.failures` decides what a failure means.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Protocol, TypeVar

from fanout.domain.account_facts import BacklogPoint, Identity
from fanout.domain.leftovers import Leftovers
from fanout.domain.location import Location
from fanout.domain.records import Invocation, Message, Record, Rejected, Reply

if TYPE_CHECKING:
    import pyarrow as pa

T_co = TypeVar("T_co", covariant=True)


class Clock(Protocol):
    """The run's clock: never jumps back, whatever the wall clock does."""

    def now(self) -> float:
        """Return the instant, in seconds since the epoch: one wall anchor, advanced monotonically."""
        ...

    async def sleep_until(self, instant: float) -> None:
        """Return at `instant` or soon after; at once, but with a checkpoint, if it has passed."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Return after about `seconds`: cheaper than `sleep_until` where a millisecond more does no harm."""
        ...


class Rows(Protocol):
    """The input, as the engine sees it."""

    passthrough_schema: pa.Schema

    def chunks(self) -> AsyncGenerator[list[Record | Rejected], None]:
        """Yield all rows in order, numbered densely from 0, in lists of any length; to be closed by the caller.

        Raises:
            InputError: The input is damaged or changed; the sound rows before that were yielded.
        """
        ...


class Invoker(Protocol):
    """InvokeEndpointAsync, one attempt a call, bounded in time as a whole."""

    async def invoke(self, invocation: Invocation) -> Reply:
        """Return the checked 202: it has an OutputLocation and the inference id that was sent.

        Raises:
            CallError: A 202 without these is `Phase.EXCHANGE` with code `UnreadableReply`: the row may be queued.
        """
        ...


@dataclass(frozen=True, slots=True)
class ObjectInfo:
    """What a listing or a HEAD tells of an object.

    Attributes:
        location: Where it stands.
        size_bytes: Its length.
        modified_at: Seconds since the epoch, S3's clock: whole ones in a HEAD, milliseconds in some listings.
        etag: Quoted, as S3 spells it; another version of the object has another one. Empty where it was not told.
        metadata: What its writer noted with it; a HEAD alone tells it.
        seen_at: When S3 told it, in whole seconds since the epoch by S3's clock: with `modified_at` its age, whatever
            our clock says. A HEAD alone tells it. Two looks at one object are equal.
    """

    location: Location
    size_bytes: int
    modified_at: float
    etag: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)
    seen_at: float | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Object:
    """An object, whole: its length was compared with Content-Length."""

    body: bytes
    content_type: str | None
    modified_at: float


Admit = Callable[[int], Awaitable[None]]
"""Returns once a body of so many bytes may be read."""


async def at_once(size_bytes: int) -> None:
    """Admit a body of any size."""


class Upload(Protocol):
    """An upload in parts: its object is invisible until it is complete. One attempt a call.

    Attributes:
        id: S3's name for the upload.
        location: Where the object shall stand.
    """

    id: str
    location: Location

    async def put_part(self, number: int, body: bytes | memoryview) -> None:
        """Store part `number` (from 1 to 10,000), with a checksum; every part but the last has 5 MiB or more.

        Several may be stored at the same time; a number that is stored again is replaced.
        """
        ...

    async def complete(self) -> str:
        """Put the object in its place, made of all stored parts in the order of their numbers; return its ETag.

        Raises:
            CallError: `PreconditionFailed` (412) when an object stands there that must not;
                `ConditionalRequestConflict` (409) when another writer got in between: the upload is lost.
        """
        ...

    async def abort(self) -> None:
        """Remove the upload and its parts; harmless when it is complete or gone.

        Raises:
            CallError: It is left behind.
        """
        ...


class ObjectStore(Protocol):
    """The part of S3 that the program uses. One attempt a call."""

    async def put(
        self,
        location: Location,
        body: bytes,
        *,
        content_type: str | None = None,
        metadata: Mapping[str, str] | None = None,
        tags: Mapping[str, str] | None = None,
        if_match: str | None = None,
        if_none_match: Literal["*"] | None = None,
    ) -> str:
        """Store `body`, with a checksum, and return its ETag; by multipart when it is large.

        Repeating it without a condition is harmless.

        Args:
            location: Where to.
            body: The whole object.
            content_type: Its type.
            metadata: What `head` tells of it; names in lower case, values in ASCII.
            tags: By which lifecycle rules and cost reports know it.
            if_match: Store it only over the object that has this ETag.
            if_none_match: `*` stores it only where no object stands.

        Raises:
            CallError: `PreconditionFailed` (412) where the condition does not hold, and nothing was stored;
                `ConditionalRequestConflict` (409) when another writer got in between; `missing` where an object was
                to be replaced that is not there.
        """
        ...

    async def begin_upload(
        self,
        location: Location,
        *,
        content_type: str | None = None,
        metadata: Mapping[str, str] | None = None,
        tags: Mapping[str, str] | None = None,
        if_none_match: Literal["*"] | None = None,
    ) -> Upload:
        """Begin an upload in parts, which is the caller's to complete or to abort; arguments as for `put`."""
        ...

    async def read(self, location: Location, *, start: int, size_bytes: int, etag: str) -> bytes:
        """Return a range of the object that has `etag`: as many of `size_bytes` (at least 1) as follow `start`.

        An empty `etag` is not compared.

        Raises:
            CallError: `PreconditionFailed` (412) when another object stands there now; `InvalidRange` (416) when it
                ends before `start`; otherwise as `get`.
        """
        ...

    async def get(self, location: Location, *, admit: Admit = at_once) -> Object:
        """Return the object, whole.

        Args:
            location: Where it stands.
            admit: Awaited with its size in bytes, as the head of the reply tells it, before its body is read, as far
                as that has not come with the head; what it raises ends the call.

        Raises:
            CallError: `missing` when there is none. Without `s3:ListBucket` S3 answers 403 instead, which is
                passed on as it is: `AccessDenied`, status 403.
        """
        ...

    async def head(self, location: Location) -> ObjectInfo | None:
        """Return what is known of the object, None when S3 says 404 or 403 (missing, without `s3:ListBucket`)."""
        ...

    async def delete(self, locations: Sequence[Location]) -> Sequence[Location]:
        """Delete the objects of one bucket, at most 1,000; return those that could not be deleted."""
        ...

    def list(self, bucket: str, prefix: str) -> AsyncIterator[Sequence[ObjectInfo]]:
        """Yield the objects below `prefix` in key order, a page (at most 1,000) at a time."""
        ...


class Queue(Protocol):
    """One SQS queue."""

    async def receive(self, *, max_messages: int = 10, wait_s: float = 20.0) -> Sequence[Message]:
        """Return up to `max_messages` (at most 10); waits up to `wait_s` (at most 20) for the first."""
        ...

    async def delete(self, receipts: Sequence[str]) -> Sequence[str]:
        """Delete up to 10 messages; return the receipts that SQS refused inside its 200."""
        ...


SIMULATED_HEADER = "x-fanout-simulated"
"""The local AWS describes its endpoint with this header, by which a run knows it, however it was led there."""


SERVING = frozenset({"InService", "Updating", "SystemUpdating", "RollingBack", "UpdateRollbackFailed"})
"""Statuses in which an endpoint takes requests (EndpointStatus of DescribeEndpoint, API reference). In the others
(Creating, Failed, OutOfService, Deleting) it takes none, and serves none that it had taken."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """What DescribeEndpoint and DescribeEndpointConfig say that matters here.

    Attributes:
        status: `InService`, `Updating`, ...; see the API reference.
        output_path: `S3OutputPath`; None if the config names none.
        includes_response: Statuses whose notifications carry the response (`IncludeInferenceResponseIn`).
        instances: Instances now, over all variants; 0 means a cold start of minutes, None that it is not told.
        simulated: It is the local AWS's, started here or elsewhere: its latencies say nothing about SageMaker.
        instance_types: Instances now by their type, `ml.g5.xlarge`; empty where that is not told.
        arn: Its ARN, in which SageMaker writes the name in lower case; None where it was not told.
    """

    name: str
    status: str
    output_path: str | None
    failure_path: str | None
    success_topic: str | None
    error_topic: str | None
    includes_response: bool
    kms_key_id: str | None
    instances: int | None
    concurrency_per_instance: int | None
    simulated: bool = False
    instance_types: Mapping[str, int] = field(default_factory=dict)
    arn: str | None = None

    @property
    def serves(self) -> bool:
        """Whether it takes requests."""
        return self.status in SERVING

    @property
    def topics(self) -> tuple[str, ...]:
        """The topics to listen to, each once; the two may be one ARN, or missing."""
        return tuple(dict.fromkeys(topic for topic in (self.success_topic, self.error_topic) if topic))


@dataclass(frozen=True, slots=True)
class RunQueue:
    """A queue that this run created and will remove.

    Attributes:
        url: The queue.
        subscriptions: ARNs of its subscriptions, removed before the queue.
        filtered: Whether every subscription carries the filter on this run.
        tagged: Whether it carries the tags that were asked for.
    """

    url: str
    subscriptions: tuple[str, ...]
    filtered: bool
    tagged: bool = True


class Control(Protocol):
    """What is called once a run, or once a minute, not once a record."""

    async def describe(self, endpoint: str) -> Endpoint:
        """Return the endpoint's configuration.

        Raises:
            CallError: `ValidationException` when there is no such endpoint; `AccessDeniedException`.
            RunError: It is not an asynchronous endpoint.
        """
        ...

    async def identity(self) -> Identity:
        """Return whose credentials sign; no right is needed, and some networks do not lead to STS."""
        ...

    def clock_skew_s(self) -> float | None:
        """Return how far AWS's clock was ahead of this machine's at the last of these calls, in seconds.

        To the second; None before the first, and where no reply says what time it is.
        """
        ...

    async def status(self, endpoint: str) -> str:
        """Return the endpoint's status alone, by one call; see `SERVING`.

        Raises:
            CallError: As `describe`.
        """
        ...

    async def backlog(self, endpoint: str, *, since: float, until: float) -> Sequence[BacklogPoint] | None:
        """Return the endpoint's backlog in the periods that begin at or after `since` and are over by `until`.

        Oldest first. The last periods may be missing: they are told late. None where it is not permitted or not
        offered, as it will be for the rest of the run.

        Raises:
            CallError: It was not told this time.
        """
        ...

    async def open_run_queue(
        self, run_id: str, topics: Sequence[str], *, tags: Mapping[str, str] = {}
    ) -> RunQueue:
        """Create the run's queue with `tags`, allow exactly `topics` to send to it, subscribe it, filtered by run.

        Falls back to an unfiltered subscription where the topic's filters are used up, and to a queue without tags
        where tagging is not permitted. Leaves nothing behind when it fails half-way.
        """
        ...

    async def close_run_queue(self, run_queue: RunQueue) -> None:
        """Remove the subscriptions, then the queue. Harmless when they are gone."""
        ...

    async def renew_run_queue(self, url: str) -> None:
        """Note in a tag of the run's queue that its run lives now, by the clock of SQS."""
        ...

    async def queue_attributes(self, queue_url: str) -> Mapping[str, str]:
        """Return all attributes of a queue by their names (`Policy`, `VisibilityTimeout`)."""
        ...

    async def supports_inline(self) -> bool:
        """Whether the SDK's service model has `Body` and the region is one where inline is announced."""
        ...


class Cloud(Protocol):
    """One account and region, opened with `async with`."""

    invoker: Invoker
    objects: ObjectStore
    control: Control
    leftovers: Leftovers

    def queue(self, url: str) -> Queue:
        """Return the queue at `url`."""
        ...
