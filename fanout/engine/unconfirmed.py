"""Keeps the accepted rows of which a message claims an end that S3 did not confirm, by when they were accepted.

A row is skipped that has ended since, or was accepted again. Where many share a second, one costs eight bytes.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from fanout.engine.open_row import OpenRow


@dataclass(slots=True)
class _Second:
    """Rows that were accepted in one second, and the shortest of their invocation timeouts."""

    numbers: array[int] = field(default_factory=lambda: array("q"))
    least_timeout_s: float = float("inf")


class Unconfirmed:
    """Those of `rows`, by their numbers."""

    def __init__(self, rows: Mapping[int, OpenRow]) -> None:
        self._rows = rows
        self._seconds: dict[int, _Second] = {}

    def __len__(self) -> int:
        """How many there are at most."""
        return sum(len(second.numbers) for second in self._seconds.values())

    def __bool__(self) -> bool:
        """Whether there may be any."""
        return bool(self._seconds)

    def add(self, row: OpenRow) -> None:
        """Keep a row until it ends."""
        assert row.accepted_at is not None, "only accepted rows are kept"
        second = self._seconds.setdefault(int(row.accepted_at), _Second())
        second.numbers.append(row.number)
        second.least_timeout_s = min(second.least_timeout_s, row.timeout_s)

    def oldest(self) -> float | None:
        """Return about when the first of them was accepted, None if there is none."""
        return float(min(self._seconds)) if self._seconds else None

    def over(self, ended: Callable[[float, float], bool], wanted: Callable[[OpenRow], bool]) -> list[OpenRow]:
        """Return the rows that have ended.

        Args:
            ended: Whether a row has ended that was accepted at the first instant with the timeout in seconds.
            wanted: Whether a row is still to be kept.
        """
        found: list[OpenRow] = []
        for key, second in list(self._seconds.items()):
            if not ended(key + 1.0, second.least_timeout_s):
                continue
            rows = [row for number in second.numbers if (row := self._kept(number, key)) and wanted(row)]
            if not rows:
                del self._seconds[key]
                continue
            second.numbers = array("q", (row.number for row in rows))
            second.least_timeout_s = min(row.timeout_s for row in rows)
            found += [row for row in rows if ended(key + 1.0, row.timeout_s)]
        return found

    def _kept(self, number: int, second: int) -> OpenRow | None:
        row = self._rows.get(number)
        if row is None or row.unconfirmed_notice is None or row.accepted_at is None:
            return None
        return row if int(row.accepted_at) == second else None
