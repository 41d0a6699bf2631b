"""Acts on outcomes for the whole run: counts them, stops it after too many failures, forgets durable rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from fanout.domain.records import Outcome, Rejected
from fanout.domain.tally import Tally
from fanout.engine.journal_writer import JournalWriter
from fanout.engine.open_rows import OpenRows
from fanout.engine.stages.delete import Delete
from fanout.engine.stop import Stop
from fanout.errors import TooManyFailures
from fanout.failpoints import failpoint
from fanout.output.parts import Part
from fanout.ports import Clock
from fanout.text import count

FORGET_ROWS = 250
"""Durable rows that are forgotten in one turn of the event loop: 5,000 at once, then with their outcomes, kept it for
up to 37 ms."""


class Outcomes:
    """What is done with outcomes beside writing them.

    Args:
        rows: The open rows.
        tally: Counts every outcome.
        folds: Take every outcome, too: metrics, an experiment.
        journal: Records which rows are durable.
        delete: Deletes the messages and uploaded inputs of durable rows.
        stop: Ordered when too many rows have failed.
        clock: The run's clock.
        max_failures: Rows that may end without success; None for any number.
    """

    def __init__(
        self,
        *,
        rows: OpenRows,
        tally: Tally,
        folds: Sequence[Callable[[Outcome], None]],
        journal: JournalWriter,
        delete: Delete,
        stop: Stop,
        clock: Clock,
        max_failures: int | None,
    ) -> None:
        self._rows = rows
        self._tally = tally
        self._folds = folds
        self._journal = journal
        self._delete = delete
        self._stop = stop
        self._clock = clock
        self._max_failures = max_failures
        self._last: str | None = None

    def add(self, outcome: Outcome) -> None:
        """Count an outcome; order the run to stop if it is one failure too many."""
        self._tally.add(outcome)
        for fold in self._folds:
            fold(outcome)
        if outcome.status != "succeeded":
            self._last = f"{outcome.error_code}: {outcome.error_message}"
        failed = self._tally.unsuccessful
        if self._max_failures is not None and failed > self._max_failures:
            self._stop.order(
                too_many_failures(failed, most=self._max_failures, last=self._last or self._example())
            )

    def _example(self) -> str | None:
        """Return a failure of the earlier processes' rows, for a run that is resumed."""
        return next((f"{code}: {said}" for code, said in reversed(self._tally.examples.items())), None)

    async def durable(self, part: Part, numbers: list[int]) -> None:
        """Journal that the rows of `part` are durable; only then let go of their messages and uploaded inputs."""
        await self._journal.part(part, numbers)
        failpoint("part.committed")
        for first in range(0, len(numbers), FORGET_ROWS):
            self.forget(numbers[first : first + FORGET_ROWS])
            await self._clock.sleep(0.0)

    def forget(self, numbers: list[int]) -> None:
        """Forget rows whose outcome was written or delivered, and have their messages and uploaded inputs deleted."""
        receipts, uploads = self._rows.durable(numbers)
        self._delete.messages(receipts)
        self._delete.uploads(uploads)


def too_many_failures(failed: int, *, most: int, last: str | None = None) -> TooManyFailures:
    """Return what stops a run of which `failed` rows have failed.

    Args:
        failed: Rows that ended without success, those of earlier processes included.
        most: How many may.
        last: What the last of them failed with, or one of them; None if it is not known.
    """
    said = f"{count(failed, 'row')} ended without success, more than the {most:,} of max_failures"
    return TooManyFailures(said if last is None else f"{said}; the last: {last.rstrip('. ')}")


def rejection(rejected: Rejected, *, now: float) -> Outcome:
    """Return the outcome of a row that cannot be sent."""
    return Outcome(
        row=rejected.row,
        id=rejected.id,
        passthrough=rejected.passthrough,
        status="rejected",
        payload_bytes=rejected.payload_bytes,
        error_code=rejected.code,
        error_message=rejected.message,
        ended_at=now,
    )
