"""Holds SNS's state: the topics, their subscriptions to queues, and the delivery of messages to these.

Pure but for `Queues`, into which it delivers; `now` is handed in. Owned by `world`; errors carry SNS's codes.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import Literal

import orjson

from fanout.domain.queue_policy import allows_topic
from fanout.simulator.errors import ServiceError
from fanout.simulator.filters import Filter, compile_filter
from fanout.simulator.queues import Queues
from fanout.simulator.timestamps import iso_ms

MAX_FILTERS = 200  # SNS quotas: filter policies per topic
_NAME = re.compile(r"[A-Za-z0-9_-]{1,256}")
_ATTRIBUTES = frozenset({"RawMessageDelivery", "FilterPolicy", "FilterPolicyScope", "RedrivePolicy"})


@dataclass(slots=True, eq=False)
class Subscription:
    """One queue's subscription to one topic.

    Attributes:
        attributes: As set: RawMessageDelivery, FilterPolicy, FilterPolicyScope, RedrivePolicy.
        filter: The compiled FilterPolicy, None when everything passes.
        filter_holds_at: The instant from which the filter is in force.
    """

    arn: str
    topic_arn: str
    queue_arn: str
    attributes: dict[str, str] = field(default_factory=dict)
    raw: bool = False
    filter: Filter | None = None
    filter_holds_at: float = 0.0


class Topics:
    """All topics of one account and region.

    Args:
        queues: Where messages are delivered.
        filter_lag_s: How long a new or changed filter policy does not hold yet.

    Attributes:
        counts: `published`, `delivered`, `filtered`, `discarded` (refused by the queue), `dead_lettered`.
    """

    def __init__(self, queues: Queues, *, region: str, account_id: str, filter_lag_s: float = 0.0) -> None:
        self.counts: Counter[str] = Counter()
        self._queues = queues
        self._region = region
        self._arn_prefix = f"arn:aws:sns:{region}:{account_id}:"
        self._filter_lag_s = filter_lag_s
        self._topics: dict[str, dict[str, Subscription]] = {}
        self._subscriptions: dict[str, Subscription] = {}
        self._allowed: dict[tuple[str, str], bool] = {}
        self._ids = count(1)

    @property
    def arns(self) -> tuple[str, ...]:
        """ARNs of the topics, oldest first."""
        return tuple(self._topics)

    def arn(self, name: str) -> str:
        """Return the ARN of the topic of that name, whether it is there or not."""
        return self._arn_prefix + name

    def create(self, name: str) -> str:
        """Make the topic and return its ARN; harmless when it exists.

        Raises:
            ServiceError: InvalidParameter.
        """
        if not _NAME.fullmatch(name):
            raise ServiceError(400, "InvalidParameter", "Invalid parameter: Topic Name")
        arn = self.arn(name)
        self._topics.setdefault(arn, {})
        return arn

    def delete(self, topic_arn: str) -> None:
        """Remove the topic with its subscriptions; harmless when it is gone."""
        for subscription_arn in self._topics.pop(topic_arn, {}):
            del self._subscriptions[subscription_arn]

    def subscribe(
        self, topic_arn: str, queue_arn: str, *, attributes: Mapping[str, str] | None = None, now: float = 0.0
    ) -> str:
        """Subscribe the queue and return the subscription's ARN; the same one when it exists as asked.

        Raises:
            ServiceError: NotFound; InvalidParameter; FilterPolicyLimitExceeded with 200 filters on the topic.
        """
        subscriptions = self._topic(topic_arn)
        wanted = dict(attributes or {})
        for known in subscriptions.values():
            if known.queue_arn == queue_arn:
                if known.attributes != wanted:
                    raise ServiceError(
                        400,
                        "InvalidParameter",
                        "Invalid parameter: Attributes Reason: Subscription already exists with different attributes",
                    )
                return known.arn
        subscription = Subscription(f"{topic_arn}:{_uuid(next(self._ids))}", topic_arn, queue_arn)
        self._apply(subscription, wanted, now=now)
        subscriptions[subscription.arn] = subscription
        self._subscriptions[subscription.arn] = subscription
        return subscription.arn

    def unsubscribe(self, subscription_arn: str) -> None:
        """Remove the subscription; harmless when it is gone."""
        subscription = self._subscriptions.pop(subscription_arn, None)
        if subscription is not None:
            del self._topics[subscription.topic_arn][subscription_arn]

    def set_subscription_attribute(
        self, subscription_arn: str, name: str, value: str, *, now: float = 0.0
    ) -> None:
        """Change one attribute; a filter policy holds `filter_lag_s` later.

        Raises:
            ServiceError: NotFound; InvalidParameter; FilterPolicyLimitExceeded.
        """
        subscription = self.subscription(subscription_arn)
        self._apply(subscription, {**subscription.attributes, name: value}, now=now)

    def subscription(self, subscription_arn: str) -> Subscription:
        """Return the subscription.

        Raises:
            ServiceError: NotFound.
        """
        subscription = self._subscriptions.get(subscription_arn)
        if subscription is None:
            raise ServiceError(404, "NotFound", "Subscription does not exist")
        return subscription

    def list_subscriptions(self) -> tuple[Subscription, ...]:
        """Return all subscriptions, oldest first."""
        return tuple(self._subscriptions.values())

    def list_subscriptions_by_topic(self, topic_arn: str) -> tuple[Subscription, ...]:
        """Return the topic's subscriptions, oldest first.

        Raises:
            ServiceError: NotFound.
        """
        return tuple(self._topic(topic_arn).values())

    def publish(
        self,
        topic_arn: str,
        message: str,
        *,
        now: float,
        parsed: object | None = None,
        filters: Literal["hold", "lag"] = "hold",
    ) -> int:
        """Deliver `message` to the queues of all subscriptions that it passes; return how many took it.

        Args:
            topic_arn: The topic.
            message: The body.
            now: Seconds since the epoch.
            parsed: The body as parsed JSON, where the caller has it at hand; otherwise parsed here, once.
            filters: `lag` delivers as if no filter were in force yet.

        Raises:
            ServiceError: NotFound.
        """
        counts = self.counts
        counts["published"] += 1
        delivered = 0
        for subscription in self._topic(topic_arn).values():
            if subscription.filter is not None and filters == "hold" and now >= subscription.filter_holds_at:
                if parsed is None:
                    parsed = _parse(message)
                if not subscription.filter.passes(parsed):
                    counts["filtered"] += 1
                    continue
            delivered += self._deliver(subscription, message, now=now)
        counts["delivered"] += delivered
        return delivered

    def _deliver(self, subscription: Subscription, message: str, *, now: float) -> int:
        body = message if subscription.raw else self._envelope(subscription, message, now=now)
        if self._send(subscription.queue_arn, subscription.topic_arn, body, now=now):
            return 1
        # SNS retries server errors only; what the queue's owner got wrong is discarded at once.
        redrive = orjson.loads(subscription.attributes.get("RedrivePolicy") or "{}")
        dead_letters = redrive.get("deadLetterTargetArn", "")
        kept = self._send(dead_letters, subscription.topic_arn, body, now=now)
        self.counts["dead_lettered" if kept else "discarded"] += 1
        return 0

    def _send(self, queue_arn: str, topic_arn: str, body: str, *, now: float) -> bool:
        name = self._queues.named(queue_arn)
        if name is None:
            return False
        grant = (self._queues.policy(name), topic_arn)
        allowed = self._allowed.get(grant)
        if allowed is None:
            allowed = self._allowed[grant] = allows_topic(*grant)
        if allowed:
            self._queues.send(name, body, now=now)
        return allowed

    def _envelope(self, subscription: Subscription, message: str, *, now: float) -> str:
        host = f"https://sns.{self._region}.amazonaws.com"
        return orjson.dumps(
            {
                "Type": "Notification",
                "MessageId": _uuid(self.counts["published"]),
                "TopicArn": subscription.topic_arn,
                "Message": message,
                "Timestamp": iso_ms(now),
                "SignatureVersion": "1",
                "Signature": "c2ltdWxhdGVk",
                "SigningCertURL": f"{host}/SimpleNotificationService-simulated.pem",
                "UnsubscribeURL": f"{host}/?Action=Unsubscribe&SubscriptionArn={subscription.arn}",
            }
        ).decode()

    def _apply(self, subscription: Subscription, attributes: dict[str, str], *, now: float) -> None:
        for name, value in attributes.items():
            if name not in _ATTRIBUTES:
                raise ServiceError(400, "InvalidParameter", f"Invalid parameter: AttributeName: {name}")
            if name == "RawMessageDelivery" and value not in {"true", "false"}:
                raise ServiceError(400, "InvalidParameter", f"Invalid parameter: {name}: {value}")
            if name == "FilterPolicyScope" and value != "MessageBody":
                # MessageAttributes would never match: the endpoint publishes none. Refuse it rather than lose all.
                raise ServiceError(400, "InvalidParameter", f"Invalid parameter: {name}: {value}")
        policy = attributes.get("FilterPolicy", "")
        compiled = compile_filter(policy)
        if compiled is not None and subscription.filter is None:
            filters = sum(other.filter is not None for other in self._topic(subscription.topic_arn).values())
            if filters >= MAX_FILTERS:
                raise ServiceError(
                    403, "FilterPolicyLimitExceeded", "The filter policies limit of the topic is reached"
                )
        if policy != subscription.attributes.get("FilterPolicy", ""):
            subscription.filter_holds_at = now + self._filter_lag_s
        subscription.attributes = attributes
        subscription.raw = attributes.get("RawMessageDelivery") == "true"
        subscription.filter = compiled

    def _topic(self, topic_arn: str) -> dict[str, Subscription]:
        topic = self._topics.get(topic_arn)
        if topic is None:
            raise ServiceError(404, "NotFound", "Topic does not exist")
        return topic


def _parse(message: str) -> object:
    """Return the message as JSON, False if it is none: a filter on the body lets no such message pass."""
    try:
        return orjson.loads(message)
    except orjson.JSONDecodeError:
        return False


def _uuid(ordinal: int) -> str:
    return f"00000000-0000-4000-9000-{ordinal:012x}"
