"""Opens the queue that a run listens to, the one it was given or one of its own, and closes it at the end.

As long as it is open, a tag of the run's own queue is renewed, by which a clean-up sees that the run lives.
"""

from __future__ import annotations

import functools
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Literal

import anyio

from fanout.config.model import CollectSection
from fanout.domain.failures import MISSING, NOT_PERMITTED
from fanout.domain.queue_policy import allows_topic
from fanout.domain.queue_urls import queue_region
from fanout.domain.queues import RENEW_EVERY_S, parse_redrive
from fanout.domain.remedies import remedy
from fanout.errors import CallError, RunError
from fanout.ports import Clock, Cloud, Control, Endpoint, Queue, RunQueue

CLOSE_WITHIN_S = 60.0
"""A run that ends waits no longer than this for AWS to remove its queue."""
RETRY_EVERY_S = 30.0
"""A renewal that failed is tried again so soon: `RENEW_EVERY_S` must not become the three times as long that a clean-up
waits."""

Beside = Callable[[Callable[[], Coroutine[Any, Any, None]]], object]
"""Has a task go on beside the caller."""


@asynccontextmanager
async def open_run_queue(
    cloud: Cloud,
    endpoint: Endpoint | None,
    collect: CollectSection,
    *,
    run_id: str,
    tags: Mapping[str, str],
    warn: Callable[[str], None],
    resumable: Callable[[], bool],
    clock: Clock,
    beside: Beside,
) -> AsyncIterator[Queue | None]:
    """Yield the queue to listen to, or None if results are found by listing.

    Args:
        cloud: The world.
        endpoint: What is known of the endpoint; None if this role may not describe it.
        collect: The configuration.
        run_id: The run id; names the queue.
        tags: The tags of the queue, if it is the run's own.
        warn: Called with what a person should know.
        resumable: Whether rows are open at the end: then the queue stays, so that nothing that comes is lost.
        clock: The run's clock.
        beside: Has the renewal of the queue's tag go on beside the caller.

    Raises:
        RunError: The queue cannot be made, is not there, or makes dead letters of what others wait for.
    """
    if collect.queue_url is not None:
        topics = () if endpoint is None else endpoint.topics
        await _check_shared(cloud, collect.queue_url, topics=topics, redrive=collect.redrive, warn=warn)
        yield cloud.queue(collect.queue_url)
        return
    topics = endpoint.topics if endpoint is not None and collect.notifications else ()
    if not topics:
        yield None
        return
    try:
        run_queue = await cloud.control.open_run_queue(run_id, topics, tags=tags)
    except CallError as error:
        raise RunError(
            f"{remedy('sqs:CreateQueue, sqs:SetQueueAttributes, sns:Subscribe', error)} "
            "Or name a queue (--queue-url), or do without (--no-notifications)."
        ) from error
    if not run_queue.filtered:
        warn("the topic has no room for another filter: messages of other runs are dropped here")
    if not run_queue.tagged:
        warn(f"the queue {run_queue.url} has no tags, by which clean-ups find it: grant sqs:TagQueue")
    renewal = anyio.CancelScope()
    if run_queue.tagged:
        beside(functools.partial(_renew, cloud.control, run_queue.url, clock=clock, warn=warn, scope=renewal))
    try:
        yield cloud.queue(run_queue.url)
    finally:
        renewal.cancel()
        if not resumable():
            await _close(cloud, run_queue, warn)


async def _renew(
    control: Control, url: str, *, clock: Clock, warn: Callable[[str], None], scope: anyio.CancelScope
) -> None:
    """Renew the tag of the queue at `url`, at once and then again and again, until `scope` is cancelled."""
    with scope:
        while True:
            pause_s = RENEW_EVERY_S
            try:
                await control.renew_run_queue(url)
            except CallError as error:
                if error.code in MISSING:
                    return  # the pollers say so
                if error.code in NOT_PERMITTED:
                    warn(
                        f"the queue {url} cannot say that its run lives, and `fanout gc --delete` on another machine "
                        "may take it for one that was left behind: grant sqs:TagQueue"
                    )
                    return
                pause_s = RETRY_EVERY_S
            await clock.sleep(pause_s)


def check_queue_region(url: str | None, *, region: str) -> None:
    """Refuse a named queue that stands in another region than the topics and the endpoint.

    Raises:
        RunError: It does; names both.
    """
    elsewhere = None if url is None else queue_region(url)
    if elsewhere not in {None, region}:
        raise RunError(
            f"the queue {url} is in {elsewhere}, and this run talks to AWS in {region}, whose topics "
            "and endpoint it needs: name a queue there (--queue-url), or run in that region (--region)"
        )


async def _check_shared(
    cloud: Cloud,
    url: str,
    *,
    topics: Sequence[str],
    redrive: Literal["refuse", "accept"],
    warn: Callable[[str], None],
) -> None:
    """Return if a queue that others use, too, can be listened to; warn where SNS may not send to it.

    Every receive counts for its redrive policy, whatever is done with the message afterwards: what a run receives and
    leaves to its owner would become a dead letter.

    Raises:
        RunError: It has such a policy, or is not there.
    """
    try:
        attributes = await cloud.control.queue_attributes(url)
    except CallError as error:
        if error.code in MISSING:
            raise RunError(
                f"there is no queue {url} ({error.code}): check --queue-url: its name, account and region"
            ) from error
        if error.code not in NOT_PERMITTED:
            raise RunError(f"{url}: {remedy('sqs:GetQueueAttributes', error)}") from error
        if redrive == "refuse":
            warn(
                f"whether the queue {url} has a redrive policy is not known: grant sqs:GetQueueAttributes. With one, "
                "messages of others end as dead letters when this run has received them too often"
            )
        return
    silent = [topic for topic in topics if not allows_topic(attributes.get("Policy", ""), topic)]
    if silent:
        warn(
            f"the policy of the queue {url} does not let {' and '.join(silent)} send to it, as far as can be told: "
            "SNS drops such messages, and results are found by listing S3, about ten seconds later. Allow "
            "sqs:SendMessage to the service sns.amazonaws.com with that aws:SourceArn"
        )
    found = parse_redrive(attributes.get("RedrivePolicy"))
    if found is not None and redrive == "refuse":
        times = "a few times" if found.max_receives is None else f"{found.max_receives} times"
        raise RunError(
            f"the queue {url} has a redrive policy: a message of another program that this run receives {times} ends "
            f"in {found.dead_letters or 'its dead-letter queue'}. Name a queue without one, let the run make its own "
            '(leave out --queue-url), or accept it: collect.redrive = "accept"'
        )


async def _close(cloud: Cloud, run_queue: RunQueue, warn: Callable[[str], None]) -> None:
    """Remove the queue and its subscriptions, in bounded time, also while the run is being cancelled."""
    problem = f"no answer within {CLOSE_WITHIN_S:g} s"
    with anyio.move_on_after(CLOSE_WITHIN_S, shield=True):
        try:
            await cloud.control.close_run_queue(run_queue)
        except CallError as error:
            problem = str(error)
        else:
            return
    warn(
        f"the queue {run_queue.url} could not be removed with its subscriptions "
        f"({', '.join(run_queue.subscriptions)}): {problem}. Delete what is left of them"
    )
