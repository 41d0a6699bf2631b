"""Describes what runs leave behind in an account, and how it is found; pure, as those who find it await elsewhere.

`aws/leftovers.py` and `simulator/ports/leftovers.py` find it; `tests/contract/test_leftovers.py` holds both to it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from fanout.domain.location import Location


@dataclass(frozen=True, slots=True)
class Subscription:
    """A queue's subscription to a topic, all by their ARNs."""

    arn: str
    topic: str
    queue_arn: str

    @property
    def queue(self) -> str:
        """The queue's name."""
        return self.queue_arn.rpartition(":")[2]


@dataclass(frozen=True, slots=True)
class UnfinishedUpload:
    """An upload in parts that was neither completed nor aborted.

    Attributes:
        location: Where its object would stand.
        id: S3's name for it.
        began_at: When, in seconds since the epoch, by S3's clock.
    """

    location: Location
    id: str
    began_at: float


NOTED_WITHIN_S = 5.0
"""By so much may a run's clock and S3's differ for an upload to count as begun between two instants of the run."""


@dataclass(frozen=True, slots=True)
class BegunUploads:
    """The uploads that a run has noted as its own, to its output's place.

    Attributes:
        ids: Place and id of each.
        spans: Place, beginning and end of each call that began one, by the run's clock: what S3 has begun meanwhile is
            its own, too, if its reply was lost, or the run was killed before it could note the id.
    """

    ids: frozenset[tuple[Location, str]] = frozenset()
    spans: tuple[tuple[Location, float, float], ...] = ()

    @property
    def places(self) -> frozenset[Location]:
        """Where they would stand."""
        return frozenset(location for location, _, _ in self.spans)

    def has(self, upload: UnfinishedUpload) -> bool:
        """Whether the run has begun this one."""
        return (upload.location, upload.id) in self.ids or any(
            location == upload.location
            and began_at - NOTED_WITHIN_S <= upload.began_at <= ended_at + NOTED_WITHIN_S
            for location, began_at, ended_at in self.spans
        )


class Leftovers(Protocol):
    """Finds what runs left behind in an account, for a person who clears it away; every call may raise `CallError`."""

    async def queues(self, prefix: str) -> tuple[Sequence[str], float]:
        """Return the urls of the queues whose names begin with `prefix`, and the instant by the clock of SQS."""
        ...

    async def tags(self, url: str) -> Mapping[str, str] | None:
        """Return the tags of a queue, None if it is gone."""
        ...

    async def subscriptions(self, topic: str | None) -> Sequence[Subscription]:
        """Return the subscriptions of queues to a topic, None for all of the account; none if the topic is gone."""
        ...

    async def filter_of(self, subscription: str) -> str | None:
        """Return the filter policy of a subscription by its ARN, None if it has none or is gone."""
        ...

    async def unsubscribe(self, subscription: str) -> None:
        """Remove a subscription by its ARN; harmless when it is gone."""
        ...

    async def uploads(self, bucket: str, prefix: str) -> Sequence[UnfinishedUpload]:
        """Return the unfinished uploads to keys below `prefix`, in the order of keys."""
        ...

    async def abort(self, upload: UnfinishedUpload) -> None:
        """Remove an unfinished upload with its parts; harmless when it is gone."""
        ...
