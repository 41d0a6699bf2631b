"""Counts outcomes as they come: progress shows it, `max_failures` reads it, and the summary repeats it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from fanout.domain.records import Outcome

EXAMPLES_MAX = 20  # error codes that keep an example; codes of a model's making could be any number


@dataclass(slots=True)
class Tally:
    """Counts of one run.

    Attributes:
        resends: Requests that were sent, or may have been, while an earlier one might have been accepted.
        possible_resends: Those of them before which no request certainly left.
    """

    rows: int = 0
    unsuccessful: int = 0
    payload_bytes: int = 0
    response_bytes: int = 0
    resends: int = 0
    possible_resends: int = 0
    by_status: Counter[str] = field(default_factory=Counter)
    by_transport: Counter[str] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)
    examples: dict[str, str] = field(default_factory=dict)

    def add(self, outcome: Outcome) -> None:
        """Count an outcome."""
        self.count(
            status=outcome.status,
            transport=outcome.transport,
            payload_bytes=outcome.payload_bytes,
            possible_attempts=outcome.possible_attempts,
            resends=outcome.resends,
            error_code=outcome.error_code,
            error_message=outcome.error_message,
        )
        if outcome.response is not None:
            self.response_bytes += len(outcome.response)

    def count(
        self,
        *,
        status: str,
        transport: str | None,
        payload_bytes: int,
        possible_attempts: int | None = None,
        resends: int,
        error_code: str | None,
        error_message: str | None,
    ) -> None:
        """Count a row by what the output says of it; a part of an earlier version says nothing of possible attempts."""
        self.rows += 1
        self.payload_bytes += payload_bytes
        self.resends += resends
        self.possible_resends += min(resends, possible_attempts or 0)
        self.by_status[status] += 1
        if transport is not None:
            self.by_transport[transport] += 1
        if status != "succeeded":
            self.unsuccessful += 1
            code = error_code or "Unknown"
            self.errors[code] += 1
            if code not in self.examples and len(self.examples) < EXAMPLES_MAX:
                self.examples[code] = error_message or ""

    def merge(self, other: Tally) -> None:
        """Count what `other` has counted, too."""
        for each in fields(Tally):
            if each.name != "examples":
                setattr(self, each.name, getattr(self, each.name) + getattr(other, each.name))
        for code, example in other.examples.items():
            if len(self.examples) < EXAMPLES_MAX:
                self.examples.setdefault(code, example)

    def dump(self) -> dict[str, Any]:
        """Return it as JSON can hold it."""
        return {each.name: getattr(self, each.name) for each in fields(Tally)}

    @classmethod
    def load(cls, content: Mapping[str, Any]) -> Tally:
        """Return what `dump` described.

        Raises:
            KeyError: A count is missing.
            TypeError: There is one that no tally has.
        """
        tally = cls(**content)
        for name in _COUNTERS:
            setattr(tally, name, Counter(content[name]))
        tally.examples = dict(content["examples"])
        return tally


_COUNTERS = ("by_status", "by_transport", "errors")
