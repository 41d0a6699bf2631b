"""Implements `domain.leftovers.Leftovers` on a `World`; owned by `cloud`."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence

from fanout.domain.failures import MISSING
from fanout.domain.leftovers import Subscription, UnfinishedUpload
from fanout.domain.location import Location
from fanout.errors import CallError
from fanout.simulator.ports.latency import Wire


class MemoryLeftovers:
    """Implements `Leftovers`.

    Args:
        wire: To the account.
    """

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._world = wire.world
        self._latency = wire.world.settings.latency

    async def queues(self, prefix: str) -> tuple[Sequence[str], float]:
        """Return the urls of the queues whose names begin with `prefix`, and the instant by the clock of SQS."""
        settings = self._world.settings
        host = f"https://sqs.{settings.region}.amazonaws.com/{settings.account_id}"

        def work(now: float) -> tuple[Sequence[str], float]:
            names = sorted(name for name in self._world.queues.names if name.startswith(prefix))
            return [f"{host}/{name}" for name in names], now

        return await self._wire.call("ListQueues", self._latency.sqs, work)

    async def tags(self, url: str) -> Mapping[str, str] | None:
        """Return the tags of a queue, None if it is gone."""
        name = url.rpartition("/")[2]
        try:
            return await self._wire.call(
                "ListQueueTags", self._latency.sqs, lambda _now: self._world.queues.tags(name)
            )
        except CallError as error:
            if error.code in MISSING:
                return None
            raise

    async def subscriptions(self, topic: str | None) -> Sequence[Subscription]:
        """Return the subscriptions of queues to a topic, None for all of the account; none if the topic is gone."""
        topics = self._world.topics

        def work(_now: float) -> Sequence[Subscription]:
            found = (
                topics.list_subscriptions() if topic is None else topics.list_subscriptions_by_topic(topic)
            )
            return [Subscription(each.arn, each.topic_arn, each.queue_arn) for each in found]

        name = "ListSubscriptions" if topic is None else "ListSubscriptionsByTopic"
        try:
            return await self._wire.call(name, self._latency.sns, work)
        except CallError as error:
            if error.code in MISSING:
                return ()
            raise

    async def filter_of(self, subscription: str) -> str | None:
        """Return the filter policy of a subscription by its ARN, None if it has none or is gone."""
        try:
            return await self._wire.call(
                "GetSubscriptionAttributes",
                self._latency.sns,
                lambda _now: self._world.topics.subscription(subscription).attributes.get("FilterPolicy"),
            )
        except CallError as error:
            if error.code in MISSING:
                return None
            raise

    async def unsubscribe(self, subscription: str) -> None:
        """Remove a subscription by its ARN; harmless when it is gone."""
        await self._wire.call(
            "Unsubscribe", self._latency.sns, lambda _now: self._world.topics.unsubscribe(subscription)
        )

    async def uploads(self, bucket: str, prefix: str) -> Sequence[UnfinishedUpload]:
        """Return the unfinished uploads to keys below `prefix`, in the order of keys."""
        found, _ = await self._wire.call(
            "ListMultipartUploads",
            self._latency.s3,
            lambda _now: self._world.objects.uploads(bucket, prefix, most=sys.maxsize),
        )
        return [UnfinishedUpload(Location(bucket, key), each, began_at) for key, each, began_at in found]

    async def abort(self, upload: UnfinishedUpload) -> None:
        """Remove an unfinished upload with its parts; harmless when it is gone."""
        try:
            await self._wire.call(
                "AbortMultipartUpload",
                self._latency.s3,
                lambda _now: self._world.objects.abort_multipart(upload.id),
            )
        except CallError as error:
            if error.code != "NoSuchUpload":
                raise
