"""Answers SNS's query protocol: it reads a form, calls `Topics`, and writes XML.

Subscriptions of queues only; they are confirmed at once, as for a queue of the same account.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from fanout.simulator.authorization import Right
from fanout.simulator.errors import ServiceError
from fanout.simulator.http.forms import Form
from fanout.simulator.http.messages import Reply, Request
from fanout.simulator.http.refusals import query_refusal
from fanout.simulator.http.replies import query_error, query_reply, text
from fanout.simulator.http.sigv4 import SignatureRefused
from fanout.simulator.topics import Subscription, Topics

NAMESPACE = "http://sns.amazonaws.com/doc/2010-03-31/"
MAX_MESSAGE_BYTES = 262_144  # SNS API reference: Publish
_PAGE = 100  # SNS API reference: ListTopics, ListSubscriptions, ListSubscriptionsByTopic
_Item = TypeVar("_Item")  # PEP 695 needs Python 3.12


@dataclass(frozen=True, slots=True)
class _Call:
    form: Form
    now: float


class Sns:
    """The notification service; its result XML is built by hand, as it is that small."""

    signing_name = "sns"

    def __init__(self, topics: Topics, *, account_id: str) -> None:
        self._topics = topics
        self._account_id = account_id
        self._operations: dict[str, Callable[[_Call], str]] = {
            "CreateTopic": self._create,
            "DeleteTopic": self._delete,
            "GetTopicAttributes": self._topic_attributes,
            "ListTopics": self._list,
            "Subscribe": self._subscribe,
            "Unsubscribe": self._unsubscribe,
            "SetSubscriptionAttributes": self._set_attribute,
            "GetSubscriptionAttributes": self._attributes,
            "ListSubscriptions": self._subscriptions,
            "ListSubscriptionsByTopic": self._subscriptions_by_topic,
            "Publish": self._publish,
        }

    def operation(self, request: Request) -> str:
        """Return the API's name of the operation."""
        name = Form.parse(request.body).get("Action")
        if name not in self._operations:
            raise ServiceError(400, "InvalidAction", f"The action {name!r} is not simulated.")
        return name

    def rights(self, operation: str, request: Request) -> tuple[Right, ...]:
        """Return what the caller must be allowed for it; a subscription is a matter of its topic."""
        form = Form.parse(request.body)
        topic = form.get("TopicArn") or form.get("SubscriptionArn").rpartition(":")[0]
        if operation == "CreateTopic":
            topic = self._topics.arn(form.text("Name"))
        return (Right(f"sns:{operation}", topic or "*"),)

    def perform(self, operation: str, request: Request, *, now: float) -> Reply:
        """Do it and return the reply."""
        result = self._operations[operation](_Call(Form.parse(request.body), now))
        return query_reply(operation, result, namespace=NAMESPACE)

    def error(self, error: ServiceError, _request: Request) -> Reply:
        """Return the error as SNS writes it."""
        return query_error(error, namespace=NAMESPACE)

    def refusal(self, refused: SignatureRefused) -> ServiceError:
        """Return the error for a signature that does not hold."""
        return query_refusal(refused)

    def _create(self, call: _Call) -> str:
        return f"<TopicArn>{text(self._topics.create(call.form.text('Name')))}</TopicArn>"

    def _delete(self, call: _Call) -> str:
        self._topics.delete(call.form.text("TopicArn"))
        return ""

    def _topic_attributes(self, call: _Call) -> str:
        arn = call.form.text("TopicArn")
        confirmed = len(self._topics.list_subscriptions_by_topic(arn))
        return _attributes(
            {"TopicArn": arn, "Owner": self._account_id, "SubscriptionsConfirmed": str(confirmed)}
        )

    def _list(self, call: _Call) -> str:
        page, following = _page(self._topics.arns, call.form.get("NextToken"))
        members = "".join(f"<member><TopicArn>{text(arn)}</TopicArn></member>" for arn in page)
        return f"<Topics>{members}</Topics>{following}"

    def _subscribe(self, call: _Call) -> str:
        form = call.form
        if form.text("Protocol") != "sqs":
            raise ServiceError(400, "InvalidParameter", "Invalid parameter: Protocol: only sqs is simulated")
        arn = self._topics.subscribe(
            form.text("TopicArn"), form.text("Endpoint"), attributes=form.entries("Attributes"), now=call.now
        )
        return f"<SubscriptionArn>{text(arn)}</SubscriptionArn>"

    def _unsubscribe(self, call: _Call) -> str:
        self._topics.unsubscribe(call.form.text("SubscriptionArn"))
        return ""

    def _set_attribute(self, call: _Call) -> str:
        form = call.form
        self._topics.set_subscription_attribute(
            form.text("SubscriptionArn"), form.text("AttributeName"), form.get("AttributeValue"), now=call.now
        )
        return ""

    def _attributes(self, call: _Call) -> str:
        subscription = self._topics.subscription(call.form.text("SubscriptionArn"))
        return _attributes(
            {
                "SubscriptionArn": subscription.arn,
                "TopicArn": subscription.topic_arn,
                "Protocol": "sqs",
                "Endpoint": subscription.queue_arn,
                "Owner": self._account_id,
                "PendingConfirmation": "false",
                "ConfirmationWasAuthenticated": "true",
                "RawMessageDelivery": "false",
                **subscription.attributes,
            }
        )

    def _subscriptions(self, call: _Call) -> str:
        return self._listed(self._topics.list_subscriptions(), call)

    def _subscriptions_by_topic(self, call: _Call) -> str:
        return self._listed(self._topics.list_subscriptions_by_topic(call.form.text("TopicArn")), call)

    def _listed(self, found: Sequence[Subscription], call: _Call) -> str:
        page, following = _page(found, call.form.get("NextToken"))
        return f"<Subscriptions>{''.join(self._member(item) for item in page)}</Subscriptions>{following}"

    def _member(self, subscription: Subscription) -> str:
        return (
            f"<member><SubscriptionArn>{text(subscription.arn)}</SubscriptionArn><Owner>{self._account_id}</Owner>"
            f"<Protocol>sqs</Protocol><Endpoint>{text(subscription.queue_arn)}</Endpoint>"
            f"<TopicArn>{text(subscription.topic_arn)}</TopicArn></member>"
        )

    def _publish(self, call: _Call) -> str:
        message = call.form.text("Message")
        if len(message.encode()) > MAX_MESSAGE_BYTES:
            raise ServiceError(400, "InvalidParameter", "Invalid parameter: Message too long")
        self._topics.publish(call.form.text("TopicArn"), message, now=call.now)
        return f"<MessageId>{uuid.uuid4()}</MessageId>"


def _attributes(attributes: dict[str, str]) -> str:
    entries = "".join(
        f"<entry><key>{text(key)}</key><value>{text(value)}</value></entry>"
        for key, value in attributes.items()
    )
    return f"<Attributes>{entries}</Attributes>"


def _page(items: Sequence[_Item], token: str) -> tuple[Sequence[_Item], str]:
    """Return the page that begins at `token`, and the XML that names the next one."""
    start = int(token) if token.isascii() and token.isdigit() else 0
    if token and not start:
        raise ServiceError(400, "InvalidParameter", "Invalid parameter: NextToken")
    end = start + _PAGE
    return items[start:end], f"<NextToken>{end}</NextToken>" if end < len(items) else ""
