"""Defines what the journal knows of a row, and of a part."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, unique
from typing import NamedTuple


@unique
class RowState(IntEnum):
    """What is known for sure of a row that is in the journal; one that is not was never sent."""

    INTENT = 1
    """It may have been sent: after a kill it is uncertain whether the endpoint has it."""
    ACCEPTED = 2
    """The endpoint has it: it is never sent again before its deadline."""
    DURABLE = 3
    """Its outcome stands in a part file."""
    READY = 4
    """It is certainly not with the endpoint: never sent, or the model failed it and its generation rose."""


class RowRecord(NamedTuple):
    """One row's line, in the order of the table.

    Attributes:
        sends: Attempts that it was given; with `INTENT`, the last one included.
        resends: Those of them that were given while an earlier one might have been received; with `READY`, the next
            one is included if it will be such.
        input: Where its payload was uploaded to; None for one that travels in the request.
        output: Where its output will stand, if that is not where `OutputPaths` expects it.
        possible: Attempts of which nothing tells whether they were sent, should the process be killed now.
    """

    row: int
    state: int
    generation: int
    sends: int
    resends: int
    due_at: float | None = None
    sent_at: float | None = None
    accepted_at: float | None = None
    upload_started_at: float | None = None
    uploaded_at: float | None = None
    input: str | None = None
    output: str | None = None
    failure: str | None = None
    possible: int = 0


@dataclass(frozen=True, slots=True)
class PartRecord:
    """A part that is durable: its number and how many rows it holds."""

    number: int
    rows: int
