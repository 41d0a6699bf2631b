"""Folds the segments of a run's journal into its state: what is durable, what is open, and who owns the run. Pure.

A row that is durable takes one byte, an open one its line. A later segment that does not follow from the ones before
(a number left out, another owner without a claim, another run) is refused: it would make one state out of two.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from fanout.domain.row_state import RowRecord, RowState
from fanout.domain.tally import Tally
from fanout.errors import JournalError
from fanout.output.parts import Part, part_name
from fanout.rundir.recovery import Recovered
from fanout.runtime.place.segment import NewPart, Purpose, Segment, StoredPart

_GROWS_BY = 1024


@dataclass(slots=True)
class PlaceState:
    """The state of a run after segment `number`.

    Attributes:
        run_id: The run; empty before the first segment.
        number: Of the last segment; 0 before the first.
        owner: The process that owns the run, by a random name.
        claims: Numbers of the segments that claimed the run, rising; the last is the owner's.
        closed: Whether the owner has ended in order.
        about: What the owner said of itself.
        durable: One byte a row, 1 if its outcome stands in a part.
        open: The lines of rows that are neither durable nor new.
        last: The highest row that the journal knows, -1 if none.
        parts: The durable parts, by number.
        meta: Facts of the run.
        tally: What the durable rows came to.
    """

    run_id: str = ""
    number: int = 0
    owner: str = ""
    claims: list[int] = field(default_factory=list)
    closed: bool = False
    about: Mapping[str, str] = field(default_factory=dict)
    durable: bytearray = field(default_factory=bytearray)
    open: dict[int, RowRecord] = field(default_factory=dict)
    last: int = -1
    parts: dict[int, StoredPart] = field(default_factory=dict)
    meta: dict[str, str] = field(default_factory=dict)
    tally: Tally = field(default_factory=Tally)

    def apply(self, segment: Segment) -> None:
        """Take over what the next segment says.

        Raises:
            JournalError: It is not the next one, of another run, or of a process that does not own the run.
        """
        self._check(segment)
        # A start that came too late fences the owner, and begins nothing: the run is there to be resumed.
        if segment.purpose is Purpose.FIRST and (self.has_sent_nothing or segment.replaces == self.run_id):
            self._begin(segment.run_id)
        if segment.purpose.claims:
            self.owner, self.about = segment.owner, segment.about
            self.claims.append(segment.number)
        self.number = segment.number
        self.closed = segment.purpose is Purpose.CLOSE
        self._note(segment.lines)
        self.meta.update(segment.meta)
        for new in segment.parts:
            self._add(new)

    def _check(self, segment: Segment) -> None:
        where = f"segment {segment.number} of run {segment.run_id}"
        if segment.number != self.number + 1:
            raise JournalError(f"{where} does not follow segment {self.number}: one between them is missing")
        if segment.purpose is Purpose.FIRST:
            return
        if segment.run_id != self.run_id:
            raise JournalError(f"{where} stands in the journal of run {self.run_id or 'none'}")
        if segment.purpose is not Purpose.CLAIM and segment.owner != self.owner:
            raise JournalError(f"{where} was written by {segment.owner}, and the run is {self.owner}'s")

    def _begin(self, run_id: str) -> None:
        self.run_id, self.last, self.tally = run_id, -1, Tally()
        self.durable.clear()
        for each in (self.open, self.parts, self.meta):
            each.clear()

    def _note(self, lines: Iterable[RowRecord]) -> None:
        opened, durable, last = self.open, self.durable, self.last
        for line in lines:
            row = line.row
            # A durable row is never anything else again, whatever arrives late.
            if row < len(durable) and durable[row]:
                continue
            opened[row] = line
            last = max(last, row)
        self.last = last

    def _add(self, new: NewPart) -> None:
        known = self.parts.get(new.part.number)
        if known is not None:  # by a segment that was stored although its writer was told that it was not
            if known != new.part:
                raise JournalError(
                    f"part {known.number} of run {self.run_id} is {known.name} and {new.part.name}"
                )
            return
        self.parts[new.part.number] = new.part
        self.tally.merge(new.tally)
        durable, opened = self.durable, self.open
        for start, end in new.rows:
            if end > len(durable):
                durable.extend(bytes(max(end - len(durable), len(durable), _GROWS_BY)))
            durable[start:end] = b"\1" * (end - start)
            self.last = max(self.last, end - 1)
            for row in range(start, end):
                opened.pop(row, None)

    @property
    def has_sent_nothing(self) -> bool:
        """Whether no row has ended, and none was received by the endpoint or may have been."""
        return not self.parts and not any(
            line.state != RowState.READY or line.generation > 0 for line in self.open.values()
        )

    def counts(self) -> dict[RowState, int]:
        """Return how many rows stand in each state; one that stands in none was never sent."""
        found = Counter(RowState(line.state) for line in self.open.values())
        found[RowState.DURABLE] = self.durable.count(1)
        return {state: count for state, count in found.items() if count}

    def recovered(self, directory: Path) -> Recovered:
        """Return what a process starts from; its parts stand in `directory` once they were fetched."""
        parts = [
            Part(
                directory / part_name(part.number),
                part.number,
                part.rows,
                part.min_row,
                part.max_row,
                part.size_bytes,
                part.kinds,
            )
            for part in sorted(self.parts.values(), key=lambda part: part.number)
        ]
        tally = Tally.load(self.tally.dump())
        return Recovered(
            bytearray(self.durable), dict(self.open), self.last, parts, dict(self.meta), tally=tally
        )
