"""The template of a shared queue: its topics, its filter, and no redrive policy."""

from __future__ import annotations

import json

import pytest
from support.templates import resolved

from fanout.aws.run_queue import ATTRIBUTES
from fanout.commands.infra.described import OFFLINE, Described
from fanout.commands.infra.queue import queue_template, shared_queue
from fanout.domain.queue_policy import allows_topic
from fanout.errors import RunError, UsageError
from fanout.ports import Endpoint

OK, BAD = (f"arn:aws:sns:eu-west-1:123456789012:{name}" for name in ("ok", "bad"))


def endpoint(**topics):
    given = {"success_topic": OK, "error_topic": BAD} | topics
    return Endpoint(
        "m", "InService", None, None, **given, includes_response=False, kms_key_id=None, instances=1,
        concurrency_per_instance=None,
    )  # fmt: skip


def subscribed(document):
    resources = document["Resources"].values()
    return [each["Properties"]["TopicArn"] for each in resources if each["Type"] == "AWS::SNS::Subscription"]


def test_the_topics_may_send_to_the_queue_and_no_other():
    resources = json.loads(json.dumps(queue_template([OK, BAD], name="q")))["Resources"]
    names = {"SharedQueue": "url", "SharedQueue.Arn": "arn:aws:sqs:eu-west-1:123456789012:q"}
    policy = json.dumps(resolved(resources["SharedQueuePolicy"]["Properties"]["PolicyDocument"], names))
    assert [allows_topic(policy, topic) for topic in (OK, BAD, f"{OK}x")] == [True, True, False]


def test_it_is_a_queue_as_runs_make_them_without_a_redrive_policy():
    queue = queue_template([OK], name="q")["Resources"]["SharedQueue"]["Properties"]
    assert queue == {
        "QueueName": "q",
        "VisibilityTimeout": int(ATTRIBUTES["VisibilityTimeout"]),
        "MessageRetentionPeriod": int(ATTRIBUTES["MessageRetentionPeriod"]),
        "SqsManagedSseEnabled": True,
    }


def test_the_topics_are_the_endpoints_or_those_that_are_named():
    asked = shared_queue((), Described(endpoint(), "eu-west-1"), name="q")
    assert (subscribed(asked.content), asked.placeholders) == ([OK, BAD], ())
    one = shared_queue((), Described(endpoint(error_topic=OK), "eu-west-1"), name="q")
    assert subscribed(one.content) == [OK]
    assert subscribed(shared_queue([BAD, BAD], None, name="q").content) == [BAD]


def test_placeholders_stand_for_topics_that_could_not_be_asked():
    found = shared_queue((), Described(None, "eu-west-1", OFFLINE), name="q")
    assert subscribed(found.content)[0] == "arn:aws:sns:eu-west-1:ACCOUNT-ID:SUCCESS-TOPIC"
    assert found.placeholders == ("ACCOUNT-ID", "SUCCESS-TOPIC", "ERROR-TOPIC")
    assert found.why == OFFLINE


def test_an_endpoint_without_topics_needs_no_queue():
    silent = Described(endpoint(success_topic=None, error_topic=None), "eu-west-1")
    with pytest.raises(RunError, match="the endpoint notifies no topic"):
        shared_queue((), silent, name="q")


def test_mistakes_are_told_at_once():
    with pytest.raises(UsageError, match="--topic ok: is not the ARN of a topic\n--name a b: a queue's name"):
        shared_queue(["ok"], None, name="a b")
