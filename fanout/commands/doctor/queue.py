"""Proves the rights on the run's queue by what a run does: makes it, subscribes it, asks it once, and removes it.

A queue that is named is others' as well: it is looked at, and nothing is received from it, as each receive counts.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence

from fanout._version import __version__
from fanout.commands.doctor.finding import Finding, failure, found, ok
from fanout.config.model import CollectSection
from fanout.domain.failures import NOT_PERMITTED
from fanout.domain.queues import queue_tags
from fanout.domain.remedies import remedy
from fanout.errors import CallError
from fanout.ports import Clock, Cloud, Endpoint, Queue
from fanout.runtime.run_queue import open_run_queue

_WRITTEN_WITHIN_S = 20.0
"""A part that is full is written and its messages are deleted within this, unless a disk is slow."""
_NO_RECEIPT = "fanout-doctor"
"""A receipt handle that belongs to no message: SQS refuses the entry, or the right."""


async def check_queue(
    cloud: Cloud,
    endpoint: Endpoint | None,
    collect: CollectSection,
    *,
    run_id: str,
    name: str,
    part_s: float,
    clock: Clock,
) -> list[Finding]:
    """Return what is found of the queue that a run would listen to; nothing of it stays.

    Args:
        cloud: The account.
        endpoint: What is known of it; None if this role may not describe it.
        collect: Whether and where notifications are received.
        run_id: Names the queue.
        name: The endpoint's name, for the queue's tags.
        part_s: How long an outcome may wait for its part, in seconds.
        clock: The clock.

    Raises:
        RunError: A run could not open it.
    """
    warnings: list[str] = []
    tags = queue_tags(run_id, endpoint=name, created_at=clock.now(), version=__version__)
    opening = open_run_queue(
        cloud,
        endpoint,
        collect,
        run_id=run_id,
        tags=tags,
        warn=warnings.append,
        resumable=lambda: False,
        clock=clock,
        beside=lambda _renewal: None,  # it is gone again before its tag is old
    )
    shared = collect.queue_url
    refused: list[Finding] = []
    async with opening as queue:
        if queue is None:
            return [ok("queue", "none is needed: results are found by listing")]
        if shared is None:
            refused = await _refusals(queue)
    if refused:
        return refused
    if shared is not None:
        warnings += await _shared_warnings(cloud, shared, part_s=part_s)
        text = f"{shared} is there; nothing is received from it here, so sqs:ReceiveMessage shows when a run begins"
    else:
        text = "one was made, subscribed, polled and removed again"
    return found("queue", text, warnings=warnings)


async def _shared_warnings(cloud: Cloud, url: str, *, part_s: float) -> Iterator[str]:
    try:
        attributes = await cloud.control.queue_attributes(url)
    except CallError:  # said when it was opened
        return iter(())
    return shared_warnings(url, attributes, part_s=part_s)


def shared_warnings(url: str, attributes: Mapping[str, str], *, part_s: float) -> Iterator[str]:
    """Yield what the attributes of a named queue mean for a run; pure.

    Args:
        url: The queue.
        attributes: By SQS's names.
        part_s: How long an outcome may wait for its part, after which its message is deleted.
    """
    hidden_s = int(attributes.get("VisibilityTimeout", "30"))
    if hidden_s < part_s + _WRITTEN_WITHIN_S:
        yield (
            f"{url} delivers a message again after {hidden_s} s (VisibilityTimeout); a run deletes it once its part "
            f"is written, {part_s:g} s later or more (output.part_s): set it to 300, or messages come twice"
        )


async def _refusals(queue: Queue) -> list[Finding]:
    """Return which rights on the messages of its own queue a run lacks."""
    asked: Mapping[str, Callable[[], Awaitable[Sequence[object]]]] = {
        "sqs:ReceiveMessage": lambda: queue.receive(max_messages=1, wait_s=0.0),
        "sqs:DeleteMessage": lambda: queue.delete([_NO_RECEIPT]),
    }
    refused = []
    for operation, ask in asked.items():
        try:
            await ask()
        except CallError as error:  # others pass, or are about the receipt
            if error.code in NOT_PERMITTED:
                refused.append(failure("queue", remedy(operation, error)))
    return refused
