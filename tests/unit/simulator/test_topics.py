from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import orjson
import pytest

from fanout.simulator.errors import ServiceError
from fanout.simulator.queues import Queues
from fanout.simulator.topics import MAX_FILTERS, Topics

RAW = {"RawMessageDelivery": "true"}


class Account:
    """SNS and SQS with one topic, whose queues allow it."""

    def __init__(self, *, filter_lag_s: float = 0.0) -> None:
        self.queues = Queues(region="eu-west-1", account_id="123456789012")
        self.topics = Topics(
            self.queues, region="eu-west-1", account_id="123456789012", filter_lag_s=filter_lag_s
        )
        self.topic = self.topics.create("done")

    def subscribe(
        self,
        name: str,
        attributes: dict[str, str] | None = None,
        *,
        allowed: str | None = None,
        now: float = 0.0,
    ) -> str:
        condition = {"ArnEquals": {"aws:SourceArn": allowed or self.topic}}
        statement = {
            "Effect": "Allow",
            "Principal": {"Service": "sns.amazonaws.com"},
            "Action": "sqs:SendMessage",
            "Condition": condition,
        }
        self.queues.create(name, {"Policy": orjson.dumps({"Statement": [statement]}).decode()})
        return self.topics.subscribe(self.topic, self.queues.arn(name), attributes=attributes, now=now)

    def bodies(self, name: str) -> list[str]:
        return [
            message.body for message in self.queues.receive(name, max_messages=10, visibility_s=0, now=0.0)
        ]


@pytest.fixture
def account() -> Account:
    return Account()


@contextmanager
def refused(status: int, code: str) -> Iterator[None]:
    with pytest.raises(ServiceError) as caught:
        yield
    assert (caught.value.status, caught.value.code) == (status, code)


def test_every_subscription_gets_the_message_raw_or_in_an_envelope(account: Account):
    account.subscribe("raw", RAW)
    subscription = account.subscribe("wrapped")
    assert account.topics.publish(account.topic, '{"a":1}', now=1_643_150_760.608) == 2
    assert account.bodies("raw") == ['{"a":1}']
    [body] = account.bodies("wrapped")
    envelope = orjson.loads(body)
    assert envelope == {
        "Type": "Notification",
        "MessageId": envelope["MessageId"],
        "TopicArn": "arn:aws:sns:eu-west-1:123456789012:done",
        "Message": '{"a":1}',
        "Timestamp": "2022-01-25T22:46:00.608Z",
        "SignatureVersion": "1",
        "Signature": "c2ltdWxhdGVk",
        "SigningCertURL": "https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-simulated.pem",
        "UnsubscribeURL": f"https://sns.eu-west-1.amazonaws.com/?Action=Unsubscribe&SubscriptionArn={subscription}",
    }
    assert dict(account.topics.counts) == {"published": 1, "delivered": 2}


def test_a_filter_on_the_body_keeps_other_runs_and_garbage_out(account: Account):
    account.subscribe("mine", RAW | {"FilterPolicy": '{"inferenceId":[{"prefix":"run."}]}'})
    for message in ('{"inferenceId":"run.1"}', '{"inferenceId":"other.1"}', "not json", '"run."', "{}"):
        account.topics.publish(account.topic, message, now=0.0)
    assert account.bodies("mine") == ['{"inferenceId":"run.1"}']
    assert dict(account.topics.counts) == {"published": 5, "delivered": 1, "filtered": 4}


def test_a_body_that_the_publisher_has_parsed_is_not_parsed_again(account: Account):
    account.subscribe("mine", RAW | {"FilterPolicy": '{"inferenceId":["1"]}'})
    assert account.topics.publish(account.topic, "opaque", now=0.0, parsed={"inferenceId": "1"}) == 1
    assert account.bodies("mine") == ["opaque"]


def test_a_filter_holds_only_after_its_lag():
    account = Account(filter_lag_s=900.0)
    subscription = account.subscribe("mine", RAW | {"FilterPolicy": '{"inferenceId":["1"]}'}, now=100.0)

    def passes(now: float) -> bool:
        return account.topics.publish(account.topic, '{"inferenceId":"2"}', now=now) == 1

    assert [passes(999.9), passes(1_000.0)] == [True, False]
    account.topics.set_subscription_attribute(
        subscription, "FilterPolicy", '{"inferenceId":["3"]}', now=2_000.0
    )
    assert [passes(2_899.9), passes(2_900.0)] == [True, False]


def test_a_publisher_may_ask_for_the_time_before_filters_hold(account: Account):
    account.subscribe("mine", RAW | {"FilterPolicy": '{"inferenceId":["1"]}'})
    assert account.topics.publish(account.topic, "not json", now=0.0, filters="lag") == 1


def test_a_queue_that_does_not_allow_the_topic_gets_nothing(account: Account):
    account.subscribe("shut", RAW, allowed="arn:aws:sns:eu-west-1:123456789012:other")
    assert account.topics.publish(account.topic, "m", now=0.0) == 0
    assert account.bodies("shut") == []
    assert account.topics.counts["discarded"] == 1


def test_a_changed_policy_counts_at_once(account: Account):
    account.subscribe("inbox", RAW)
    account.queues.set_attributes("inbox", {"Policy": ""})
    assert account.topics.publish(account.topic, "m", now=0.0) == 0


def test_what_cannot_be_delivered_goes_to_the_subscriptions_dead_letters(account: Account):
    account.subscribe("dead", RAW)
    account.topics.unsubscribe(account.topics.list_subscriptions_by_topic(account.topic)[0].arn)
    redrive = orjson.dumps({"deadLetterTargetArn": account.queues.arn("dead")}).decode()
    account.subscribe("gone", RAW | {"RedrivePolicy": redrive})
    account.queues.delete("gone")
    assert account.topics.publish(account.topic, "m", now=0.0) == 0
    assert account.bodies("dead") == ["m"]
    assert account.topics.counts["dead_lettered"] == 1
    assert account.topics.counts["discarded"] == 0


def test_two_hundred_filters_a_topic(account: Account):
    assert MAX_FILTERS == 200
    queue = account.queues.arn
    for number in range(MAX_FILTERS):
        account.topics.subscribe(
            account.topic, queue(f"q{number}"), attributes={"FilterPolicy": '{"a":["b"]}'}
        )
    with refused(403, "FilterPolicyLimitExceeded"):
        account.topics.subscribe(account.topic, queue("one-more"), attributes={"FilterPolicy": '{"a":["b"]}'})
    unfiltered = account.topics.subscribe(account.topic, queue("one-more"), attributes=RAW)
    with refused(403, "FilterPolicyLimitExceeded"):
        account.topics.set_subscription_attribute(unfiltered, "FilterPolicy", '{"a":["b"]}')
    assert len(account.topics.list_subscriptions_by_topic(account.topic)) == MAX_FILTERS + 1
    filtered = account.topics.list_subscriptions_by_topic(account.topic)[1].arn
    account.topics.set_subscription_attribute(filtered, "FilterPolicy", '{"a":["changed"]}')
    first = account.topics.list_subscriptions_by_topic(account.topic)[0].arn
    account.topics.set_subscription_attribute(first, "FilterPolicy", "{}")
    account.topics.set_subscription_attribute(unfiltered, "FilterPolicy", '{"a":["b"]}')


def test_subscribing_again_gives_the_same_subscription(account: Account):
    first = account.subscribe("inbox", RAW)
    assert account.subscribe("inbox", RAW) == first
    assert first.startswith("arn:aws:sns:eu-west-1:123456789012:done:")
    with refused(400, "InvalidParameter"):
        account.subscribe("inbox", {})
    account.topics.publish(account.topic, "m", now=0.0)
    assert account.bodies("inbox") == ["m"]


@pytest.mark.parametrize(
    "attributes",
    [
        {"RawMessageDelivery": "yes"},
        {"FilterPolicy": "["},
        {"Unknown": "1"},
        {"FilterPolicyScope": "MessageAttributes"},
    ],
)
def test_attributes_that_would_not_work_are_refused(account: Account, attributes: dict[str, str]):
    with refused(400, "InvalidParameter"):
        account.subscribe("inbox", attributes)
    assert account.topics.list_subscriptions_by_topic(account.topic) == ()


def test_after_unsubscribing_nothing_comes(account: Account):
    subscription = account.subscribe("inbox", RAW)
    account.topics.unsubscribe(subscription)
    account.topics.unsubscribe(subscription)
    assert account.topics.publish(account.topic, "m", now=0.0) == 0
    with refused(404, "NotFound"):
        account.topics.subscription(subscription)


def test_a_deleted_topic_takes_its_subscriptions_along(account: Account):
    subscription = account.subscribe("inbox", RAW)
    account.topics.delete(account.topic)
    account.topics.delete(account.topic)
    assert account.topics.arns == ()
    with refused(404, "NotFound"):
        account.topics.publish(account.topic, "m", now=0.0)
    with refused(404, "NotFound"):
        account.topics.subscription(subscription)
    account.topics.unsubscribe(subscription)


def test_creating_a_topic_again_keeps_its_subscriptions(account: Account):
    account.subscribe("inbox", RAW)
    assert account.topics.create("done") == account.topic
    assert len(account.topics.list_subscriptions_by_topic(account.topic)) == 1
    with refused(400, "InvalidParameter"):
        account.topics.create("not a name")
