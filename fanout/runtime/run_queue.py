"""Opens the queue that a run listens to, the one it was given or one of its own, and closes it at the end."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import anyio

from fanout.config.model import CollectSection
from fanout.domain.remedies import remedy
from fanout.errors import CallError, RunError
from fanout.ports import Cloud, Endpoint, Queue


@asynccontextmanager
async def open_run_queue(
    cloud: Cloud,
    endpoint: Endpoint | None,
    collect: CollectSection,
    *,
    run_id: str,
    warn: Callable[[str], None],
    resumable: Callable[[], bool],
) -> AsyncIterator[Queue | None]:
    """Yield the queue to listen to, or None if results are found by listing.

    Args:
        cloud: The world.
        endpoint: What is known of the endpoint; None if this role may not describe it.
        collect: The configuration.
        run_id: The run id; names the queue.
        warn: Called with what a person should know.
        resumable: Whether rows are open at the end: then the queue stays, so that nothing that comes is lost.

    Raises:
        RunError: The queue cannot be made.
    """
    if collect.queue_url is not None:
        yield cloud.queue(collect.queue_url)
        return
    topics = endpoint.topics if endpoint is not None and collect.notifications else ()
    if not topics:
        yield None
        return
    try:
        run_queue = await cloud.control.open_run_queue(run_id, topics)
    except CallError as error:
        raise RunError(
            f"{remedy('sqs:CreateQueue, sqs:SetQueueAttributes, sns:Subscribe', error)} "
            "Or name a queue (--queue-url), or do without (--no-notifications)."
        ) from error
    if not run_queue.filtered:
        warn("the topic has no room for another filter: messages of other runs are dropped here")
    try:
        yield cloud.queue(run_queue.url)
    finally:
        if not resumable():
            with anyio.CancelScope(shield=True):
                try:
                    await cloud.control.close_run_queue(run_queue)
                except CallError as error:
                    warn(f"queue {run_queue.url} was left behind ({error.code}): delete it")
