"""Creates a run's own queue, opens it to its topics only, subscribes it with a filter, and removes it again.

Nothing is left behind when opening fails half-way or is cancelled. Filters may take 15 minutes to hold and a
topic has only 200, so a run asks for one and never relies on it: `engine.stages.poll` drops messages of others.
"""

from __future__ import annotations

import json
import logging
import secrets
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Any

import anyio

from fanout.aws.control_retry import patiently
from fanout.aws.errors import skew_s
from fanout.domain.failures import MISSING, NOT_PERMITTED, TOLERATED_SKEW_S
from fanout.domain.queues import SEEN_TAG, filter_policy, instant_tag, queue_name
from fanout.errors import CallError, Phase, RunError
from fanout.ports import RunQueue

STEP_S = 20.0
"""One attempt of one step; a healthy control call takes a tenth of a second."""
UNDO_WITHIN_S = 30.0
"""A run that is being cancelled waits no longer than this for a half-opened queue to be undone."""
ATTRIBUTES = {
    "VisibilityTimeout": "300",  # twice what a full sink needs to commit; later, messages come twice
    "MessageRetentionPeriod": "1209600",  # 14 days, the most: a run may be collected much later
    "SqsManagedSseEnabled": "true",
}
_DELETED_RECENTLY = frozenset({"AWS.SimpleQueueService.QueueDeletedRecently", "QueueDeletedRecently"})
_NO_FILTER_LEFT = frozenset({"FilterPolicyLimitExceeded", "FilterPolicyLimitExceededException"})

_log = logging.getLogger(__name__)


class RunQueues:
    """Opens and closes the queues of runs.

    Args:
        sqs: An SQS client: aiobotocore's, or `http.control_client.ControlClient`.
        sns: An SNS client, likewise, in the region of the topics.
        timeout_s: Bound of one attempt of one step.
    """

    def __init__(self, sqs: Any, sns: Any, *, timeout_s: float) -> None:
        self._sqs = sqs
        self._sns = sns
        self._timeout_s = min(timeout_s, STEP_S)
        self._skew_s = 0.0  # AWS's clock minus ours, as the last reply told

    async def open(self, run_id: str, topics: Sequence[str], *, tags: Mapping[str, str] = {}) -> RunQueue:
        """Return the run's queue, tagged and subscribed to `topics`; see `ports.Control.open_run_queue`."""
        if not topics:
            raise RunError(
                "The endpoint's configuration names no SNS topic, so no queue is told of finished rows. Set "
                "AsyncInferenceConfig.OutputConfig.NotificationConfig, or let the run list the outputs."
            )
        name = queue_name(run_id)
        existed = await self._exists(name)
        subscriptions: list[str] = []
        url = ""
        filtered = True
        try:
            name, url, tagged = await self._create(run_id, {} if existed else tags)
            arn = await self._arn(url)
            allow = {"Policy": policy(arn, topics)}
            await self._call(self._sqs.set_queue_attributes, QueueUrl=url, Attributes=allow)
            for topic in topics:
                subscription, has_filter = await self._subscribe(topic, arn, run_id)
                subscriptions.append(subscription)
                filtered = filtered and has_filter
        except BaseException as error:
            if not existed:  # what a killed run left holds messages that its resume needs
                await self._undo(name, url, subscriptions, may_exist=_may_have_happened(error))
            raise
        return RunQueue(url=url, subscriptions=tuple(subscriptions), filtered=filtered, tagged=tagged)

    async def close(self, run_queue: RunQueue) -> None:
        """Remove the subscriptions, then the queue; all are tried before an error is raised that names the rest."""
        removals = [
            (subscription, partial(self._call, self._sns.unsubscribe, SubscriptionArn=subscription))
            for subscription in run_queue.subscriptions
        ]
        removals.append((run_queue.url, partial(self._call, self._sqs.delete_queue, QueueUrl=run_queue.url)))
        left: dict[str, CallError] = {}
        for name, remove in removals:
            try:
                await remove()
            except CallError as error:
                if error.code not in MISSING:
                    left[name] = error
        if left:
            first = next(iter(left.values()))
            message = f"{', '.join(left)} left behind ({first.message or first.code})"
            raise CallError(first.phase, first.code, message=message, status=first.status) from first

    async def _exists(self, name: str) -> bool:
        try:
            await self._call(self._sqs.get_queue_url, QueueName=name)
        except CallError as error:
            if error.phase is Phase.REPLY:  # there is no queue; or the role may not ask, and so has left none
                return False
            raise
        return True

    async def _create(self, run_id: str, tags: Mapping[str, str]) -> tuple[str, str, bool]:
        """Return name and url of the queue, and whether it has its tags.

        One of that name is taken over, as all its attributes are equal; it keeps the tags that it has.
        """
        name = free = queue_name(run_id)
        wanted = tags
        while True:
            # With empty tags the call needs no right to tag.
            told: dict[str, Any] = {"tags": self._dated(wanted)} if wanted else {}
            create = partial(self._sqs.create_queue, Attributes=ATTRIBUTES, **told)
            try:
                return free, (await self._call(create, QueueName=free))["QueueUrl"], wanted == tags
            except CallError as error:
                if error.code in _DELETED_RECENTLY and free == name:
                    # Interrupted and resumed within a minute: SQS keeps a deleted queue's name for 60 seconds.
                    free = queue_name(run_id, again=secrets.token_hex(3))
                elif error.code in NOT_PERMITTED and wanted:
                    wanted = {}
                else:
                    raise

    async def renew(self, url: str) -> None:
        """Note in a tag of the queue at `url` that its run lives now, by the clock of SQS."""
        while True:
            believed_s = self._skew_s
            await self._call(self._sqs.tag_queue, QueueUrl=url, Tags=self._dated({SEEN_TAG: ""}))
            if abs(self._skew_s - believed_s) < TOLERATED_SKEW_S:
                return  # else its reply has told that our clock is off

    def _dated(self, tags: Mapping[str, str]) -> dict[str, str]:
        """Return `tags`, the one that says when the run last lived by the clock of SQS as far as that is known."""
        now = instant_tag(time.time() + self._skew_s)
        return {key: now if key == SEEN_TAG else value for key, value in tags.items()}

    async def attributes(self, url: str) -> Mapping[str, str]:
        """Return all attributes of the queue at `url` by their names."""
        answer = await self._call(self._sqs.get_queue_attributes, QueueUrl=url, AttributeNames=["All"])
        found: Mapping[str, str] = answer.get("Attributes", {})
        return found

    async def _arn(self, url: str) -> str:
        answer = await self._call(self._sqs.get_queue_attributes, QueueUrl=url, AttributeNames=["QueueArn"])
        arn: str = answer["Attributes"]["QueueArn"]
        return arn

    async def _subscribe(self, topic: str, queue_arn: str, run_id: str) -> tuple[str, bool]:
        """Return the subscription and whether it carries the filter."""
        subscribe = partial(
            self._call,
            self._sns.subscribe,
            TopicArn=topic,
            Protocol="sqs",
            Endpoint=queue_arn,
            ReturnSubscriptionArn=True,
        )
        raw = {"RawMessageDelivery": "true"}
        try:
            answer = await subscribe(Attributes=raw | filter_attributes(run_id))
        except CallError as error:
            if error.code not in _NO_FILTER_LEFT:
                raise
            _log.warning("topic %s has no filter left: its queue also receives other runs' messages", topic)
            return (await subscribe(Attributes=raw))["SubscriptionArn"], False
        return answer["SubscriptionArn"], True

    async def _undo(self, name: str, url: str, subscriptions: Sequence[str], *, may_exist: bool) -> None:
        """Remove what was made, bounded in time and shielded from the cancellation that may have led here."""
        with anyio.move_on_after(UNDO_WITHIN_S, shield=True) as scope:
            try:
                if not url and may_exist:  # the reply to CreateQueue was lost
                    url = (await self._call(self._sqs.get_queue_url, QueueName=name))["QueueUrl"]
                if url:
                    await self.close(RunQueue(url=url, subscriptions=tuple(subscriptions), filtered=False))
            except CallError as error:
                if error.code not in MISSING:
                    _log.warning("queue %s may be left behind and is to be deleted: %s", name, error)
        if scope.cancelled_caught:
            _log.warning("queue %s may be left behind and is to be deleted: no time to remove it", name)

    async def _call(self, operation: Callable[..., Awaitable[Any]], **parameters: Any) -> Any:
        try:
            answer = await patiently(partial(operation, **parameters), timeout_s=self._timeout_s)
        except CallError as error:
            self._skew_s = self._skew_s if error.skew_s is None else error.skew_s
            raise
        headers = (answer or {}).get("ResponseMetadata", {}).get("HTTPHeaders", {})
        told_s = skew_s(headers, now=time.time())
        self._skew_s = self._skew_s if told_s is None else told_s
        return answer


def policy(queue_arn: str, topics: Sequence[str]) -> str:
    """Return the queue policy that lets SNS, and only on behalf of `topics`, send to the queue."""
    statement = {
        "Sid": "OnlyTheEndpointsTopics",
        "Effect": "Allow",
        "Principal": {"Service": "sns.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": queue_arn,
        "Condition": {"ArnEquals": {"aws:SourceArn": list(topics)}},
    }
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def filter_attributes(run_id: str) -> dict[str, str]:
    """Return the subscription attributes that let through this run's notifications only."""
    return {"FilterPolicyScope": "MessageBody", "FilterPolicy": filter_policy(run_id)}


def _may_have_happened(error: BaseException) -> bool:
    return not (isinstance(error, CallError) and error.phase is Phase.REPLY)
