"""Implements the control port on a `World`: describes the endpoint, opens and closes a run's queue.

Owned by `cloud`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

import orjson

from fanout.domain import queues as run_queues
from fanout.domain.account_facts import BacklogPoint, Identity
from fanout.domain.failures import NOT_PERMITTED
from fanout.domain.queues import SEEN_TAG, instant_tag
from fanout.errors import CallError, RunError
from fanout.ports import Endpoint, RunQueue
from fanout.simulator.errors import ServiceError
from fanout.simulator.ports.latency import Wire


def queue_name(url: str) -> str:
    """Return the name of the queue at `url`."""
    return url.rpartition("/")[2]


class MemoryControl:
    """Implements `ports.Control`."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._world = wire.world
        self._latency = wire.world.settings.latency

    async def describe(self, endpoint: str) -> Endpoint:
        """Return the endpoint's configuration; see `ports.Control`."""

        def work(_now: float) -> Endpoint:
            self._world.faults.permit("DescribeEndpointConfig")
            return self._world.describe(endpoint)

        described = await self._wire.call("DescribeEndpoint", self._latency.runtime, work)
        if not self._world.settings.asynchronous:
            raise RunError(
                f"endpoint {endpoint} is not asynchronous: its configuration has no AsyncInferenceConfig. "
                "Name an asynchronous endpoint, or create a configuration with one."
            )
        return described

    async def identity(self) -> Identity:
        """Return the one identity there is; see `ports.Control`."""
        account = self._world.settings.account_id

        def work(_now: float) -> Identity:
            return Identity(account, f"arn:aws:iam::{account}:user/simulated")

        return await self._wire.call("GetCallerIdentity", self._latency.runtime, work)

    def clock_skew_s(self) -> float | None:
        """Return 0: there is one clock."""
        return 0.0

    async def status(self, endpoint: str) -> str:
        """Return the endpoint's status; see `ports.Control`."""

        def work(_now: float) -> str:
            return self._world.describe(endpoint).status

        return await self._wire.call("DescribeEndpoint", self._latency.runtime, work)

    async def backlog(self, endpoint: str, *, since: float, until: float) -> Sequence[BacklogPoint] | None:
        """Return the endpoint's backlog as CloudWatch tells it; see `ports.Control`."""

        def work(now: float) -> Sequence[BacklogPoint]:
            return self._world.backlog(endpoint, since=since, until=until, now=now)

        try:
            return await self._wire.call("GetMetricStatistics", self._latency.runtime, work)
        except CallError as error:
            if error.code in NOT_PERMITTED:
                return None
            raise

    async def open_run_queue(
        self, run_id: str, topics: Sequence[str], *, tags: Mapping[str, str] = {}
    ) -> RunQueue:
        """Create the run's queue and subscribe it to `topics`; see `ports.Control`."""
        world, queues = self._world, self._world.queues
        name = run_queues.queue_name(run_id)
        existed = name in queues.names
        subscriptions: list[str] = []
        are_filtered: list[bool] = []
        try:
            create = partial(self._create, name, topics, tags)
            tagged = await self._wire.call("CreateQueue", self._latency.sqs, create)
            for topic in topics:
                arn, is_filtered = await self._wire.call(
                    "Subscribe",
                    self._latency.sns,
                    partial(self._subscribe, topic, name, run_id),
                )
                subscriptions.append(arn)
                are_filtered.append(is_filtered)
        except BaseException:
            # Cancelled or refused: the caller has no RunQueue to close. What an earlier run left stays.
            if not existed:
                for arn in subscriptions:
                    world.topics.unsubscribe(arn)
                if name in queues.names:
                    queues.delete(name)
            raise
        url = f"https://sqs.{world.settings.region}.amazonaws.com/{world.settings.account_id}/{name}"
        return RunQueue(url, tuple(subscriptions), filtered=all(are_filtered), tagged=tagged)

    async def close_run_queue(self, run_queue: RunQueue) -> None:
        """Remove the subscriptions, then the queue; harmless when they are gone."""
        for arn in run_queue.subscriptions:
            await self._wire.call("Unsubscribe", self._latency.sns, partial(self._unsubscribe, arn))
        name = queue_name(run_queue.url)

        def remove(_now: float) -> None:
            if name in self._world.queues.names:
                self._world.queues.delete(name)

        await self._wire.call("DeleteQueue", self._latency.sqs, remove)

    async def supports_inline(self) -> bool:
        """Return True: this endpoint takes `Body` in every region."""
        await self._wire.travel(0.0)
        return True

    def _unsubscribe(self, arn: str, _now: float) -> None:
        self._world.topics.unsubscribe(arn)

    async def renew_run_queue(self, url: str) -> None:
        """Note in a tag of the run's queue that its run lives now; see `ports.Control`."""

        def work(now: float) -> None:
            self._world.queues.tag(queue_name(url), {SEEN_TAG: instant_tag(now)})

        await self._wire.call("TagQueue", self._latency.sqs, work)

    async def queue_attributes(self, queue_url: str) -> Mapping[str, str]:
        """Return all attributes of a queue; see `ports.Control`."""

        def work(now: float) -> Mapping[str, str]:
            return self._world.queues.attributes(queue_name(queue_url), now=now)

        return await self._wire.call("GetQueueAttributes", self._latency.sqs, work)

    def _create(self, name: str, topics: Sequence[str], tags: Mapping[str, str], now: float) -> bool:
        """Make the queue; return whether it has its tags."""
        policy = {
            "Version": "2012-10-17",
            "Statement": [
                {
                    "Effect": "Allow",
                    "Principal": {"Service": "sns.amazonaws.com"},
                    "Action": "sqs:SendMessage",
                    "Resource": self._world.queues.arn(name),
                    "Condition": {"ArnEquals": {"aws:SourceArn": list(topics)}},
                }
            ],
        }
        attributes = {
            "VisibilityTimeout": str(self._world.settings.mailbox_visibility_s),
            "Policy": orjson.dumps(policy).decode(),
        }
        may_tag = "TagQueue" not in self._world.settings.faults.denied
        tags = {key: instant_tag(now) if key == SEEN_TAG else value for key, value in tags.items()}
        self._world.queues.create(name, attributes, tags=tags if may_tag else {}, now=now)
        return may_tag or not tags

    def _subscribe(self, topic: str, name: str, run_id: str, now: float) -> tuple[str, bool]:
        """Return the subscription's ARN, and whether it is filtered."""
        topics, queue_arn = self._world.topics, self._world.queues.arn(name)
        raw = {"RawMessageDelivery": "true"}
        policy = {
            "FilterPolicy": run_queues.filter_policy(run_id),
            "FilterPolicyScope": "MessageBody",
        }
        try:
            return topics.subscribe(topic, queue_arn, attributes=raw | policy, now=now), True
        except ServiceError as error:
            if error.code != "FilterPolicyLimitExceeded":
                raise
        return topics.subscribe(topic, queue_arn, attributes=raw, now=now), False
