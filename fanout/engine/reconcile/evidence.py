"""Decides what becomes of an accepted row whose result is nowhere; pure, with `now` handed in.

Anyone who may publish to the topic can forge a message, so what one claims counts only together with something that
shows that the row must have ended: an empty backlog, or objects of other rows, since the queue is served in order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, unique
from itertools import pairwise
from typing import Literal

from fanout.domain.account_facts import BacklogPoint

SLACK_S = 30.0
"""Beyond the invocation timeout: what lies between a model's end and its object in S3 is not documented."""


NEAR_S = 60.0
"""A row was sent in one stream with the one before it: what others sent between them is not a queue of its own."""


@unique
class Verdict(Enum):
    """What becomes of a row whose result is nowhere."""

    WAIT = "wait"
    FAILED = "failed"
    """It has ended without an output, and a message says that it failed or expired."""
    FAILURE_UNCONFIRMED = "failure unconfirmed"
    """A message says that it failed or expired, and nothing shows that it has ended."""
    OUTPUT_MISSING = "output missing"
    """A message says that it was completed."""
    NO_RESULT = "no result"
    """Nothing says anything of it."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """An accepted row whose result is nowhere.

    Attributes:
        accepted_at: When the 202 came: the endpoint had the row by then.
        timeout_s: How long the model may take for it.
        deadline: When it is given up; None if that instant has passed.
        claimed: What an unconfirmed message says; None if none came.
        provable: Its failure would leave an object, at a place that is known.
        told: Its failure would leave an object, and be announced to this run.
    """

    accepted_at: float
    timeout_s: float
    deadline: float | None
    claimed: Literal["completed", "failed"] | None
    provable: bool
    told: bool


@dataclass(frozen=True, slots=True)
class Seen:
    """What was seen of the endpoint, as far as it concerns one row.

    Attributes:
        empty_from: The backlog was empty in periods that began at this instant; None if none was seen.
        overtaken_at: When the first object was seen of a row that was sent after this one was accepted; None if none
            was.
        alone_from: When the last object was seen of any row, if all rows that are open wait with an unconfirmed
            notice, and one that ended was accepted at most `NEAR_S` before this one; None otherwise.
    """

    empty_from: float | None
    overtaken_at: float | None
    alone_from: float | None


def ended_by(accepted_at: float, timeout_s: float, seen: Seen) -> float | None:
    """Return the instant from which a row has certainly ended, None if nothing shows that.

    The queue is served in order of arrival: once a later row has been served, this one has at least begun. At the end
    of a run no row is later: once all that came before it have been served, it is this one's turn.
    """
    if seen.empty_from is not None and accepted_at <= seen.empty_from:
        return float("-inf")
    begun = [] if seen.overtaken_at is None else [seen.overtaken_at]
    if seen.alone_from is not None:
        begun.append(max(seen.alone_from, accepted_at))
    return min(begun) + timeout_s + SLACK_S if begun else None


def judge(row: Waiting, seen: Seen, *, now: float) -> Verdict:
    """Return what becomes of `row`; its output was looked for after what was seen."""
    ends_at = ended_by(row.accepted_at, row.timeout_s, seen)
    ended = ends_at is not None and ends_at <= now
    given_up = row.deadline is None or row.deadline <= now
    if row.claimed == "failed":
        if ended and not row.provable:
            return Verdict.FAILED
        return Verdict.FAILURE_UNCONFIRMED if given_up else Verdict.WAIT
    if row.claimed == "completed":
        return Verdict.OUTPUT_MISSING if ended or given_up else Verdict.WAIT
    unheard = ended and not row.told and ends_at == float("-inf")
    return Verdict.NO_RESULT if unheard or given_up else Verdict.WAIT


def empty_from(points: Sequence[BacklogPoint]) -> float | None:
    """Return when the latest two periods in a row began in which there was no backlog; None if there are none.

    One alone may have been told before a row arrived that was sent in it: the metric is approximate.
    """
    latest = None
    for one, next_one in pairwise(points):
        adjacent = abs(one.began_at + one.length_s - next_one.began_at) < 1.0
        if adjacent and one.most <= 0.0 and next_one.most <= 0.0:
            latest = one.began_at
    return latest
