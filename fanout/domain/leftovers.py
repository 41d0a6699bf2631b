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
