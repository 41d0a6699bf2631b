"""Decides of what was found in an account whether it is a run's, and whether that run is gone; pure.

What is in doubt stays. A run whose directory can be seen is alive or not by its lock. Of any other, its queue's tag
tells when it last lived, by the clock of SQS, or the youngest of its uploads does, by that of S3.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from fanout.domain.leftovers import Subscription
from fanout.domain.queues import ENDPOINT_TAG, RENEW_EVERY_S, RUN_TAG, is_filter_of, run_of_queue, seen_at

QUEUE_SILENT_S = 3 * RENEW_EVERY_S
"""A run that has not renewed its queue's tag for so long is gone, at the earliest: 15 minutes."""
UPLOADS_SILENT_S = 86_400.0
"""A run without a queue of its own says nowhere that it lives. It uploads at most a window of payloads ahead, and the
endpoint ends each 7 h after it was sent (its time in the queue and the model's time, both at their most)."""
UNTOLD = "nothing tells when its run was last alive"


@dataclass(frozen=True, slots=True)
class Sight:
    """A run whose directory can be seen.

    Attributes:
        run_id: The run, or one of the shards of it.
        directory: Of the run as a whole.
        endpoint: The endpoint's name.
        lives: Whether a process is at it.
        age_s: How long ago something was last written there.
        keeps_inputs: Whether it was asked to leave its uploaded payloads in S3.
    """

    run_id: str
    directory: str
    endpoint: str
    lives: bool
    age_s: float
    keeps_inputs: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Whether a run is gone, and by what.

    Attributes:
        gone: Whether what is left of it may go.
        reason: Why, or why not, as a sentence without its end.
        age_s: How long it has been silent, None if nothing tells.
    """

    gone: bool
    reason: str
    age_s: float | None = None


@dataclass(frozen=True, slots=True)
class QueueOwner:
    """Whose a queue is.

    Attributes:
        run_id: The run that its name tells.
        endpoint: The endpoint that its tags or its run's directory tell, None if neither does.
        silent_s: How long its run has been silent by its tag, None if that does not tell.
        doubt: Why it is not certain that it is that run's, None if it is.
    """

    run_id: str
    endpoint: str | None
    silent_s: float | None
    doubt: str | None


def queue_owner(
    name: str, tags: Mapping[str, str] | None, *, sights: Mapping[str, Sight], now: float
) -> QueueOwner | None:
    """Return whose the queue called `name` is, None if no run gives its queue such a name.

    Args:
        name: Of the queue.
        tags: Its tags, None if they may not be read.
        sights: The runs whose directories can be seen, by their ids. Their names alone are proof: an id is not drawn
            twice.
        now: By the clock of SQS, in seconds since the epoch.
    """
    run_id = run_of_queue(name)
    if run_id is None:
        return None
    sight, told = sights.get(run_id), tags or {}
    named, instant = told.get(RUN_TAG), seen_at(told)
    if named not in {None, run_id}:
        doubt = f"its tag {RUN_TAG} names another run, {named}"
    elif sight is not None or named == run_id:
        doubt = None
    elif tags is None:
        doubt = "its tags may not be read"
    else:
        doubt = f"it has no tag {RUN_TAG}, and may be another program's"
    endpoint = told.get(ENDPOINT_TAG) or (sight.endpoint if sight is not None else None)
    silent_s = None if instant is None else max(now - instant, 0.0)
    return QueueOwner(run_id, endpoint, silent_s, doubt)


def judge(
    sight: Sight | None, *, silent_s: float | None, older_than_s: float, least_s: float = QUEUE_SILENT_S
) -> Verdict:
    """Return whether a run is gone.

    Args:
        sight: Its directory, if that can be seen.
        silent_s: How long it has been silent by AWS's clocks, None if nothing tells.
        older_than_s: What the person asks for.
        least_s: Of a run that cannot be seen, silence that is shorter says nothing, whatever is asked for.
    """
    if sight is not None and sight.lives:
        return Verdict(gone=False, reason=f"its run is at work in {sight.directory}", age_s=sight.age_s)
    if sight is not None:
        gone = sight.age_s >= older_than_s
        if gone:
            return Verdict(
                gone=True, reason=f"its run is not at work in {sight.directory}", age_s=sight.age_s
            )
        return Verdict(
            gone=False, reason="its run stopped more recently than --older-than says", age_s=sight.age_s
        )
    if silent_s is None:
        return Verdict(gone=False, reason=UNTOLD)
    if silent_s < least_s:
        return Verdict(
            gone=False,
            reason=f"its run may be alive: it was silent for less than {_span(least_s)}",
            age_s=silent_s,
        )
    if silent_s < older_than_s:
        return Verdict(
            gone=False, reason="its run was alive more recently than --older-than says", age_s=silent_s
        )
    return Verdict(
        gone=True, reason=f"its run has been silent for more than {_span(least_s)}", age_s=silent_s
    )


def is_stranded(subscription: Subscription, policy: str | None) -> bool:
    """Whether a subscription whose queue cannot be seen is a run's: by its filter, which no other program writes.

    Args:
        subscription: To a topic of this account and region, which may lead to a queue of another.
        policy: Its filter policy.
    """
    run_id = run_of_queue(subscription.queue)
    # arn:aws:sqs:REGION:ACCOUNT:NAME; queues of other accounts and regions cannot be seen from here.
    here = subscription.queue_arn.split(":")[3:5] == subscription.topic.split(":")[3:5]
    return run_id is not None and here and is_filter_of(policy, run_id)


def _span(seconds: float) -> str:
    return f"{seconds / 3600:g} h" if seconds >= 3600 else f"{seconds / 60:g} min"
