"""Defines a segment, the unit in which a run's journal grows in S3, and turns it into bytes and back; pure.

A segment names its owner, its run and its number. It holds lines of rows, facts of the run, and parts with the rows
that they made durable. One that claims names a new owner; nothing but these and their numbers tells who owns a run.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum, unique
from typing import Any

from fanout.domain.row_ranges import Ranges
from fanout.domain.row_state import RowRecord
from fanout.domain.tally import Tally
from fanout.output.json_types import Kind
from fanout.output.parts import Kinds
from fanout.runtime.place.envelope import damaged, pack, unpack

KIND = "segment"
_COLUMNS = RowRecord._fields


@unique
class Purpose(Enum):
    """What a segment is for."""

    CLAIM = "claim"
    """It names a new owner, and fences the one before. It is never deleted while the run is there."""
    FIRST = "first"
    """It claims, and begins the run: what stood there before never sent anything, or has finished."""
    ROWS = "rows"
    """It holds what has changed; with nothing in it, it proves that its owner still owns the run."""
    CLOSE = "close"
    """Its owner has ended in order, and sends nothing more."""

    @property
    def claims(self) -> bool:
        """Whether it names a new owner."""
        return self is Purpose.CLAIM or self is Purpose.FIRST


@dataclass(frozen=True, slots=True)
class StoredPart:
    """A part in S3.

    Attributes:
        number: Its number among the run's parts.
        name: Its name below the place's `parts/`: the number of its owner's claim, and a file's name.
        rows: How many rows it holds; `min_row` is the first, `max_row` the last.
        size_bytes: Of the file.
        kinds: See `output.parts.Part`.
    """

    number: int
    name: str
    rows: int
    min_row: int
    max_row: int
    size_bytes: int
    kinds: Kinds = field(default_factory=dict, hash=False)


@dataclass(frozen=True, slots=True)
class NewPart:
    """A part that is durable since this segment.

    Attributes:
        part: The part.
        rows: The rows that it holds, as ranges.
        tally: What they came to.
    """

    part: StoredPart
    rows: Ranges
    tally: Tally


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """One segment.

    Attributes:
        run_id: The run.
        owner: The process that wrote it, by a random name.
        number: Its place in the journal, from 1, without a gap.
        lines: What has changed of rows, in the order in which it did.
        meta: Facts of the run that have changed.
        parts: Parts that are durable from now on; their rows come after `lines`.
        about: Of a claim: the new owner's host, process, version and start.
        replaces: Of the first: a run that has finished there, and whose state ends with it; None for none.
    """

    run_id: str
    owner: str
    number: int
    purpose: Purpose
    lines: Sequence[RowRecord] = ()
    meta: Sequence[tuple[str, str]] = ()
    parts: Sequence[NewPart] = ()
    about: Mapping[str, str] = field(default_factory=dict)
    replaces: str | None = None


def encode(segment: Segment) -> bytes:
    """Return the segment as an object's content: about 10 to 30 bytes a line."""
    head: dict[str, Any] = {
        "run": segment.run_id,
        "owner": segment.owner,
        "number": segment.number,
        "purpose": segment.purpose.value,
    }
    if segment.lines:
        head["lines"] = columns_of(segment.lines)
    if segment.meta:
        head["meta"] = dict(segment.meta)
    if segment.parts:
        head["parts"] = [
            {"part": dump_part(new.part), "rows": new.rows, "tally": new.tally.dump()}
            for new in segment.parts
        ]
    if segment.about:
        head["about"] = dict(segment.about)
    if segment.replaces is not None:
        head["replaces"] = segment.replaces
    return pack(KIND, head)


def decode(content: bytes, place: str) -> Segment:
    """Return the segment that `encode` made.

    Args:
        content: The object's content.
        place: Names it, for errors.

    Raises:
        JournalError: It is torn or damaged, no segment, or of a later version.
    """
    head, _ = unpack(KIND, content, place)
    try:
        return Segment(
            run_id=str(head["run"]),
            owner=str(head["owner"]),
            number=int(head["number"]),
            purpose=Purpose(head["purpose"]),
            lines=tuple(lines_of(head.get("lines", {}))),
            meta=tuple((str(key), str(value)) for key, value in head.get("meta", {}).items()),
            parts=tuple(
                NewPart(
                    load_part(each["part"]),
                    tuple((int(start), int(end)) for start, end in each["rows"]),
                    Tally.load(each["tally"]),
                )
                for each in head.get("parts", ())
            ),
            about={str(key): str(value) for key, value in head.get("about", {}).items()},
            replaces=None if head.get("replaces") is None else str(head["replaces"]),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise damaged(place, f"{type(error).__name__}: {error}") from error


def columns_of(lines: Sequence[RowRecord]) -> dict[str, Sequence[Any]]:
    """Return lines by column, without the columns that say nothing: one JSON array is quicker than many."""
    every = zip(_COLUMNS, zip(*lines, strict=True), strict=True)
    # An instant of 0.0 says something, a count of 0 does not.
    return {
        name: column
        for name, column in every
        if (any(column) if name in _NUMBERS else column.count(None) < len(column))
    }


def lines_of(columns: Mapping[str, Sequence[Any]]) -> list[RowRecord]:
    """Return the lines that `columns_of` took apart.

    Raises:
        ValueError: Columns differ in length, or there is one that no line has.
    """
    if unknown := columns.keys() - set(_COLUMNS):
        raise ValueError(f"no line has {', '.join(sorted(unknown))}")
    if not columns:
        return []
    count = max(map(len, columns.values()))
    blank = {name: 0 if name in _NUMBERS else None for name in _COLUMNS}
    every = [columns.get(name, [blank[name]] * count) for name in _COLUMNS]
    return [RowRecord(*line) for line in zip(*every, strict=True)]


_NUMBERS = frozenset({"row", "state", "generation", "sends", "resends", "possible"})
"""Columns in which nothing said is 0."""


def ranges_of(rows: Iterable[int]) -> Ranges:
    """Return rows as ranges, rising and apart."""
    found: list[tuple[int, int]] = []
    start = end = -1
    for row in sorted(rows):
        if row != end:
            if end > start:
                found.append((start, end))
            start = row
        end = row + 1
    if end > start:
        found.append((start, end))
    return tuple(found)


def dump_part(part: StoredPart) -> dict[str, Any]:
    """Return a part as JSON can hold it."""
    return {
        "number": part.number,
        "name": part.name,
        "rows": part.rows,
        "span": [part.min_row, part.max_row],
        "bytes": part.size_bytes,
        "kinds": {name: sorted(kinds) for name, kinds in part.kinds.items()},
    }


def load_part(content: Mapping[str, Any]) -> StoredPart:
    """Return the part that `dump_part` described."""
    first, last = content["span"]
    kinds = {str(name): frozenset(map(Kind, found)) for name, found in content["kinds"].items()}
    return StoredPart(
        int(content["number"]),
        str(content["name"]),
        int(content["rows"]),
        int(first),
        int(last),
        int(content["bytes"]),
        kinds,
    )
