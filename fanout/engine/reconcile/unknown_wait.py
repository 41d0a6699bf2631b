"""Decides how long an uncertain row waits for its result before it is sent again; pure, with `now` handed in.

Too short, and a row that the endpoint has is served and billed twice; too long, and the end of a run waits for rows
that were never received. So the wait follows what was seen of other rows: the endpoint serves them in order.
"""

from __future__ import annotations

from dataclasses import dataclass

from fanout.engine.reconcile.service_times import ServiceTimes

SLOW, FAST = 0.99, 0.01
"""Shares of the rows seen so far: nearly all took no longer than the one, and nearly none less than the other."""
MARGIN = 1.5
"""Times what nearly all rows took: what was slow among the rows seen is not the slowest there will be."""
LEAST_S = 10.0
"""An uncertain row waits at least so long: S3, SNS and SQS take their time, too."""
ALONE_S = 60.0
"""The wait before any result was seen, where no other row is with the endpoint that could show one."""
HELD = 4.0
"""Times the wait, while rows that were accepted before are unanswered: one of them may never be."""
LOOK_AGAIN_S = 60.0  # what is known may have changed meanwhile


@dataclass(frozen=True, slots=True)
class Answers:
    """What is known of other rows.

    Attributes:
        seen: How long they took.
        oldest_wait: The earliest acceptance among rows that were accepted and not answered; None if there are none.
        alone_s: The wait before any result was seen, where there are none.
    """

    seen: ServiceTimes
    oldest_wait: float | None
    alone_s: float = ALONE_S


def lost_at(since: float, *, longest_s: float, answers: Answers) -> float:
    """Return from when on a row without a result counts as not received.

    Args:
        since: When its reply was lost: if it was accepted, then before.
        longest_s: After so many seconds the endpoint has served it, or never will (TTL and timeout).
        answers: What is known of other rows.
    """
    return min(_lost_at(since, answers), since + longest_s)


def _lost_at(since: float, answers: Answers) -> float:
    seen, oldest_wait = answers.seen, answers.oldest_wait
    slow_s = seen.whole.quantile(SLOW)
    if slow_s is None:  # a cold start: the first result, or the row's own deadline
        return since + answers.alone_s if oldest_wait is None else float("inf")
    late_s = seen.late.quantile(SLOW)
    overtaken_at = seen.overtaken_at(since)
    if oldest_wait is not None and (oldest_wait <= since or overtaken_at is None):
        return since + HELD * _wait_s(slow_s)  # its turn may not have come
    if overtaken_at is not None:
        return overtaken_at + _wait_s(late_s or 0.0)
    # The queue is empty but for this row: it takes as long as one that did not wait in a queue, and as a slow one.
    alone_s = slow_s if late_s is None else min(slow_s, (seen.whole.quantile(FAST) or 0.0) + late_s)
    return max(since, seen.last_result_at or since) + _wait_s(alone_s)


def _wait_s(seen_s: float) -> float:
    return max(LEAST_S, MARGIN * seen_s)


def next_question(now: float, *, since: float, lost: float) -> float:
    """Return when to ask again whether a row is lost which is not at `now`, and as things stand will be at `lost`.

    The longer it has waited, the rarer; a question costs no call.
    """
    return min(lost, now + min(LOOK_AGAIN_S, max(LEAST_S, (now - since) / 4)))
