"""Opening a mailbox: what is asked of AWS, and that nothing is left behind whichever step fails."""

from __future__ import annotations

import asyncio
import json
import time
from collections import defaultdict
from email.utils import formatdate

import anyio
import pytest
from botocore.exceptions import ClientError, ConnectionClosedError

from fanout.aws.run_queue import RunQueues
from fanout.domain.queues import seen_at
from fanout.errors import CallError, Phase, RunError
from fanout.ports import RunQueue

pytestmark = pytest.mark.asyncio

RUN = "abcdefghij"
URL = "https://sqs.us-east-1.amazonaws.com/123456789012/fanout-abcdefghij"
ARN = "arn:aws:sqs:us-east-1:123456789012:fanout-abcdefghij"
TOPICS = ("arn:aws:sns:us-east-1:123456789012:ok", "arn:aws:sns:us-east-1:123456789012:bad")
ANSWERS = {
    "create_queue": {"QueueUrl": URL},
    "get_queue_url": {"QueueUrl": URL},  # only where a test says that the queue exists; see Aws
    "get_queue_attributes": {"Attributes": {"QueueArn": ARN}},
}


def refusal(code, status=400):
    return ClientError({"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}, "x")


def lost():
    return ConnectionClosedError(endpoint_url="https://sqs")


class Aws:
    """SQS and SNS at once: records calls, fails those that `fail` lists, one entry a call."""

    def __init__(self, **fail):
        self.calls = []
        self.fail = defaultdict(list, fail)
        self.hold = None
        self.exists = False

    def __getattr__(self, operation):
        async def call(**parameters):
            await asyncio.sleep(0)  # where a cancellation that is not shielded off would strike
            self.calls.append((operation, parameters))
            if operation == "get_queue_url" and not self.exists:
                raise refusal("AWS.SimpleQueueService.NonExistentQueue")
            if operation == "create_queue":
                self.exists = True  # though the reply may be lost
            if operation == self.hold:
                await asyncio.Event().wait()
            if self.fail[operation] and (error := self.fail[operation].pop(0)) is not None:
                raise error
            if operation == "subscribe":
                return {"SubscriptionArn": f"{parameters['TopicArn']}:sub"}
            return ANSWERS.get(operation, {})

        return call

    @property
    def names(self):
        return [name for name, _ in self.calls]

    def of(self, operation):
        return [parameters for name, parameters in self.calls if name == operation]


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch):
    async def at_once(_):
        await asyncio.sleep(0)

    monkeypatch.setattr("fanout.aws.control_retry.anyio.sleep", at_once)


def run_queues(aws):
    return RunQueues(aws, aws, timeout_s=5.0)


async def test_an_open_mailbox_is_a_private_queue_with_filtered_raw_subscriptions():
    aws = Aws()
    assert await run_queues(aws).open(RUN, TOPICS) == RunQueue(
        URL, tuple(f"{topic}:sub" for topic in TOPICS), True
    )
    (created,) = aws.of("create_queue")
    assert created == {
        "QueueName": "fanout-abcdefghij",
        "Attributes": {
            "VisibilityTimeout": "300", "MessageRetentionPeriod": "1209600", "SqsManagedSseEnabled": "true"
        },
    }  # fmt: skip
    (attributes,) = aws.of("set_queue_attributes")
    (statement,) = json.loads(attributes["Attributes"]["Policy"])["Statement"]
    assert statement["Principal"] == {"Service": "sns.amazonaws.com"}
    assert (statement["Action"], statement["Resource"]) == ("sqs:SendMessage", ARN)
    assert statement["Condition"] == {"ArnEquals": {"aws:SourceArn": list(TOPICS)}}
    assert "tag_queue" not in aws.names
    first = aws.of("subscribe")[0]
    assert (first["TopicArn"], first["Protocol"], first["Endpoint"]) == (TOPICS[0], "sqs", ARN)
    assert first["Attributes"] == {
        "RawMessageDelivery": "true",
        "FilterPolicyScope": "MessageBody",
        "FilterPolicy": '{"inferenceId": [{"prefix": "abcdefghij."}]}',
    }


async def test_the_policy_stands_before_the_first_subscription():
    aws = Aws()  # SNS discards at once what the queue does not allow
    await run_queues(aws).open(RUN, TOPICS)
    assert aws.names.index("set_queue_attributes") < aws.names.index("subscribe")


async def test_a_topic_without_filters_left_is_subscribed_unfiltered():
    aws = Aws(subscribe=[None, refusal("FilterPolicyLimitExceeded", 403)])
    run_queue = await run_queues(aws).open(RUN, TOPICS)
    assert (run_queue.filtered, len(run_queue.subscriptions)) == (False, 2)
    assert [call["Attributes"].keys() for call in aws.of("subscribe")][2] == {"RawMessageDelivery"}


TAGS = {"fanout:run": RUN}


async def test_the_queue_is_tagged_as_it_is_made():
    aws = Aws()
    assert (await run_queues(aws).open(RUN, TOPICS, tags=TAGS)).tagged
    (created,) = aws.of("create_queue")
    assert created["tags"] == TAGS


@pytest.mark.parametrize("code", ["AccessDenied", "AccessDeniedException"])
async def test_a_queue_that_may_not_be_tagged_is_made_without_tags(code):
    aws = Aws(create_queue=[refusal(code, 403)])
    opened = await run_queues(aws).open(RUN, TOPICS, tags=TAGS)
    assert (opened.url, opened.tagged) == (URL, False)
    assert ["tags" in call for call in aws.of("create_queue")] == [True, False]
    assert "delete_queue" not in aws.names


async def test_a_queue_that_may_not_be_made_at_all_says_so():
    aws = Aws(create_queue=[refusal("AccessDenied", 403)] * 2)
    with pytest.raises(CallError, match="AccessDenied"):
        await run_queues(aws).open(RUN, TOPICS, tags=TAGS)
    assert aws.names == ["get_queue_url", "create_queue", "create_queue"]


async def test_a_held_back_name_and_denied_tags_come_together():
    recently = refusal("AWS.SimpleQueueService.QueueDeletedRecently")
    aws = Aws(create_queue=[recently, refusal("AccessDenied", 403)])
    assert not (await run_queues(aws).open(RUN, TOPICS, tags=TAGS)).tagged
    calls = aws.of("create_queue")
    assert [("tags" in call, call["QueueName"] == "fanout-abcdefghij") for call in calls] == [
        (True, True), (True, False), (False, False)
    ]  # fmt: skip


async def test_what_is_taken_over_keeps_its_tags():
    aws = Aws()
    aws.exists = True
    assert (await run_queues(aws).open(RUN, TOPICS, tags=TAGS)).tagged
    assert "tags" not in aws.of("create_queue")[0]


@pytest.mark.parametrize(
    "step", ["create_queue", "get_queue_attributes", "set_queue_attributes", "subscribe"]
)
async def test_a_passing_failure_is_tried_again(step):
    aws = Aws(**{step: [refusal("InternalError", 500), lost(), refusal("Throttling")]})
    assert (await run_queues(aws).open(RUN, TOPICS)).filtered
    assert "delete_queue" not in aws.names


@pytest.mark.parametrize(
    ("step", "removed"),
    [
        ({"get_queue_attributes": [refusal("AccessDenied", 403)]}, ["delete_queue"]),
        ({"set_queue_attributes": [refusal("AccessDenied", 403)]}, ["delete_queue"]),
        ({"subscribe": [refusal("AuthorizationError", 403)]}, ["delete_queue"]),
        ({"subscribe": [None, refusal("AuthorizationError", 403)]}, ["unsubscribe", "delete_queue"]),
        ({"subscribe": [refusal("InternalError", 500)] * 4}, ["delete_queue"]),
    ],
)
async def test_what_fails_half_way_leaves_nothing_behind(step, removed):
    aws = Aws(**step)
    with pytest.raises(CallError) as caught:
        await run_queues(aws).open(RUN, TOPICS)
    assert caught.value.phase is Phase.REPLY
    assert [name for name in aws.names if name in {"unsubscribe", "delete_queue"}] == removed


async def test_a_refused_creation_removes_nothing():
    aws = Aws(create_queue=[refusal("QueueNameExists")])
    with pytest.raises(CallError):
        await run_queues(aws).open(RUN, TOPICS)
    assert aws.names == ["get_queue_url", "create_queue"]


async def test_a_creation_whose_reply_is_lost_is_undone_by_name():
    aws = Aws(create_queue=[lost()] * 4)
    with pytest.raises(CallError) as caught:
        await run_queues(aws).open(RUN, TOPICS)
    assert caught.value.phase is Phase.EXCHANGE
    assert aws.names[-2:] == ["get_queue_url", "delete_queue"]


async def test_what_a_killed_run_left_is_taken_over_and_not_removed_when_that_fails():
    aws = Aws()
    aws.exists = True
    assert (await run_queues(aws).open(RUN, TOPICS)).url == URL
    aws = Aws(subscribe=[refusal("AuthorizationError", 403)])
    aws.exists = True
    with pytest.raises(CallError):
        await run_queues(aws).open(RUN, TOPICS)
    assert "delete_queue" not in aws.names


@pytest.mark.parametrize("refused", ["AccessDenied", "AWS.SimpleQueueService.NonExistentQueue"])
async def test_a_role_that_may_not_look_for_the_queue_can_still_open_one(refused):
    aws = Aws(get_queue_url=[refusal(refused, 403)])
    assert (await run_queues(aws).open(RUN, TOPICS)).url == URL


async def test_a_name_that_sqs_still_holds_back_gets_a_suffix():
    aws = Aws(create_queue=[refusal("AWS.SimpleQueueService.QueueDeletedRecently")])
    assert (await run_queues(aws).open(RUN, TOPICS)).url == URL
    first, second = (call["QueueName"] for call in aws.of("create_queue"))
    assert first == "fanout-abcdefghij"
    assert second.startswith("fanout-abcdefghij-")


async def test_cancellation_half_way_leaves_nothing_behind():
    aws = Aws()
    aws.hold = "subscribe"
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(run_queues(aws).open, RUN, TOPICS)
        while "subscribe" not in aws.names:
            await asyncio.sleep(0)
        tasks.cancel_scope.cancel()
    assert aws.names[-1] == "delete_queue"


async def test_without_topics_there_is_nothing_to_open():
    aws = Aws()
    with pytest.raises(RunError, match="names no SNS topic"):
        await run_queues(aws).open(RUN, ())
    assert aws.calls == []


async def test_closing_removes_subscriptions_before_the_queue():
    aws = Aws()
    await run_queues(aws).close(RunQueue(URL, ("s1", "s2"), True))
    assert aws.calls == [
        ("unsubscribe", {"SubscriptionArn": "s1"}),
        ("unsubscribe", {"SubscriptionArn": "s2"}),
        ("delete_queue", {"QueueUrl": URL}),
    ]


async def test_closing_what_is_gone_is_harmless():
    aws = Aws(
        unsubscribe=[refusal("NotFound", 404)],
        delete_queue=[refusal("AWS.SimpleQueueService.NonExistentQueue")],
    )
    await run_queues(aws).close(RunQueue(URL, ("s1",), True))
    assert aws.names == ["unsubscribe", "delete_queue"]


async def test_closing_tries_everything_before_it_fails():
    aws = Aws(unsubscribe=[refusal("AuthorizationError", 403)])
    with pytest.raises(CallError, match="AuthorizationError"):
        await run_queues(aws).close(RunQueue(URL, ("s1", "s2"), True))
    assert aws.names == ["unsubscribe", "unsubscribe", "delete_queue"]


async def test_closing_names_what_is_left():
    aws = Aws(
        unsubscribe=[None, refusal("AuthorizationError", 403)], delete_queue=[refusal("AccessDenied", 403)]
    )
    with pytest.raises(CallError, match=f"s2, {URL} left behind"):
        await run_queues(aws).close(RunQueue(URL, ("s1", "s2"), True))


async def test_the_tag_of_a_living_run_goes_by_the_clock_of_sqs_however_far_off_ours_is():
    class Dated(Aws):
        """Answers with its own date, five hours ahead of this machine."""

        def __getattr__(self, operation):
            call = super().__getattr__(operation)

            async def dated(**parameters):
                answer = await call(**parameters)
                headers = {"date": formatdate(time.time() + 18_000, usegmt=True)}
                return answer | {"ResponseMetadata": {"HTTPHeaders": headers}}

            return dated

    aws = Dated()
    queues = run_queues(aws)
    await queues.renew(URL)
    first, again = (seen_at(call["Tags"]) for call in aws.of("tag_queue"))
    assert first == pytest.approx(time.time(), abs=60), "nothing had told yet"
    assert again == pytest.approx(time.time() + 18_000, abs=60)
    await queues.renew(URL)
    assert len(aws.of("tag_queue")) == 3
    await queues.open(RUN, TOPICS, tags={"fanout:run": RUN, "fanout:seen": "2020-01-01T00:00:00Z"})
    (created,) = aws.of("create_queue")
    assert seen_at(created["tags"]) == pytest.approx(time.time() + 18_000, abs=60)
