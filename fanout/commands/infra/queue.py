"""Makes the template of a queue that many runs share, for roles that may not make one for each run; pure."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

from fanout.aws.run_queue import ATTRIBUTES, policy
from fanout.commands.infra.cloudformation import Json, output, ref, subs, template
from fanout.commands.infra.described import Described, Document
from fanout.commands.infra.uses import account_of, placeholders, topics_of
from fanout.errors import RunError, UsageError

_TOPIC = re.compile(r"arn:[^:]+:sns:[^:]+:\d{12}:[\w-]{1,256}", re.ASCII)
_NAME = re.compile(r"[\w-]{1,80}", re.ASCII)  # SQS API reference, CreateQueue
QUEUE = "SharedQueue"
FILTER = {"inferenceId": [{"exists": True}]}
"""Results alone: SageMaker announces updates of the endpoint on the same topics (TestNotification). Runs leave messages
of others in a shared queue, so these would stay in it for 14 days."""


def shared_queue(topics: Sequence[str], described: Described | None, *, name: str) -> Document:
    """Return the template of a queue.

    Args:
        topics: Those that a person names.
        described: The endpoint; None if topics are named.
        name: The queue's name.

    Raises:
        UsageError: What is named is no topic, or no name of a queue.
        RunError: The endpoint has no topic.
    """
    wrong = [f"--topic {topic}: is not the ARN of a topic" for topic in topics if not _TOPIC.fullmatch(topic)]
    if not _NAME.fullmatch(name):
        wrong.append(f"--name {name}: a queue's name has up to 80 letters, digits, - and _")
    if wrong:
        raise UsageError(*wrong)
    if described is None:
        return Document(queue_template(tuple(dict.fromkeys(topics)), name=name))
    endpoint = described.endpoint
    account = account_of(endpoint, described.region, None)
    found = topics_of(endpoint, account)
    if not found:
        raise RunError(
            "the endpoint notifies no topic: give its AsyncInferenceConfig a SuccessTopic and an ErrorTopic"
        )
    standing = () if endpoint is not None else placeholders(account, found)
    return Document(queue_template(found, name=name), standing, described.why_not if standing else "")


def queue_template(topics: Sequence[str], *, name: str) -> Json:
    """Return a template of the queue.

    Args:
        topics: ARNs of the endpoint's topics.
        name: The queue's name.
    """
    return template(
        "A queue that runs of fanout share (--queue-url).",
        parameters={},
        resources=queue_resources(topics, name=name),
        outputs=queue_outputs(),
    )


def queue_resources(topics: Sequence[str], *, name: str | None) -> Json:
    """Return the queue, its policy, and its subscription to each topic.

    It has no redrive policy: each receive counts for one, also by a run that leaves a message to its owner, so messages
    of others would become dead letters (`collect.redrive`).

    Args:
        topics: ARNs, or what CloudFormation fills in with them.
        name: The queue's name; None has CloudFormation choose one.
    """
    named = {} if name is None else {"QueueName": name}
    arn = f"${{{QUEUE}.Arn}}"
    resources: dict[str, object] = {
        QUEUE: {
            "Type": "AWS::SQS::Queue",
            "Properties": {**named, **{key: json.loads(value) for key, value in ATTRIBUTES.items()}},
            # It holds what is not collected yet.
            "DeletionPolicy": "Retain",
            "UpdateReplacePolicy": "Retain",
        },
        f"{QUEUE}Policy": {
            "Type": "AWS::SQS::QueuePolicy",
            "Properties": {
                "Queues": [ref(QUEUE)],
                "PolicyDocument": subs(json.loads(policy(arn, topics))),
            },
        },
    }
    for number, topic in enumerate(topics, 1):
        resources[f"{QUEUE}Subscription{number}"] = {
            "Type": "AWS::SNS::Subscription",
            "DependsOn": f"{QUEUE}Policy",  # SNS discards what the queue does not let it send yet
            "Properties": {
                "TopicArn": subs(topic),
                "Protocol": "sqs",
                "Endpoint": subs(arn),
                "RawMessageDelivery": True,
                "FilterPolicyScope": "MessageBody",
                "FilterPolicy": FILTER,
            },
        }
    return resources


def queue_outputs() -> Json:
    """Return what a run must be told."""
    return {"QueueUrl": output("For --queue-url.", ref(QUEUE))}
