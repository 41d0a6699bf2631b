"""Holds what AWS tells of an account besides its endpoint: who calls, and how long the endpoint's queue was."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Identity:
    """Who calls.

    Attributes:
        account: The account's twelve digits.
        arn: The user, or the session of a role.
    """

    account: str
    arn: str


@dataclass(frozen=True, slots=True)
class BacklogPoint:
    """What was told of an endpoint's backlog for one period.

    Attributes:
        began_at: When the period began, in seconds since the epoch, by the clock of who measured it.
        length_s: How long it was.
        most: The most requests that were queued or in process at once, those of other programs included.
    """

    began_at: float
    length_s: float
    most: float
