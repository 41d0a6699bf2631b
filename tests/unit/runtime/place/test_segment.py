"""Segments survive the way to S3 and back, in few bytes a line."""

from __future__ import annotations

import pytest
from support.segments import line, new_part, segment

from fanout.domain.row_state import RowRecord, RowState
from fanout.errors import JournalError
from fanout.output.json_types import Kind
from fanout.runtime.place.envelope import pack
from fanout.runtime.place.segment import (
    NewPart,
    Purpose,
    StoredPart,
    columns_of,
    decode,
    encode,
    lines_of,
    ranges_of,
)

ACCEPTED = RowRecord(
    3, RowState.ACCEPTED, 1, 2, 1, 0.0, 5.25, 6.125, None, None, "s3://b/in", None, "s3://b/f", 1
)


def test_a_segment_comes_back_as_it_was():
    part = new_part(4, [7, 8, 9, 12])
    kinds = {"column": frozenset({Kind.NULL, Kind.STRING})}
    stored = StoredPart(4, part.part.name, 4, 7, 12, 100, kinds)
    given = segment(
        9,
        lines=(line(1), ACCEPTED, line(2**40, RowState.READY, sends=0, possible=0)),
        meta=(("outputs", '{"a": 1}'),),
        parts=(NewPart(stored, part.rows, part.tally),),
    )
    found = decode(encode(given), "s3://b/k")
    assert found == given
    assert found.parts[0].part.kinds == kinds


def test_a_claim_says_who_claims():
    given = segment(5, Purpose.CLAIM, about={"host": "h", "pid": "7"})
    assert decode(encode(given), "s3://b/k") == given
    assert given.purpose.claims
    assert Purpose.FIRST.claims
    assert not Purpose.ROWS.claims
    assert not Purpose.CLOSE.claims


def test_an_instant_of_zero_is_not_lost():
    lines = [line(0, due_at=0.0), line(1, due_at=0.0)]
    assert lines_of(columns_of(lines)) == lines


def test_intents_take_few_bytes():
    lines = [line(row) for row in range(100_000, 100_100)]
    assert len(encode(segment(1, lines=lines))) / 100 < 10


def test_rows_become_ranges():
    assert ranges_of([]) == ()
    assert ranges_of([0]) == ((0, 1),)
    assert ranges_of([5, 3, 4, 9, 7, 8]) == ((3, 6), (7, 10))


@pytest.mark.parametrize(
    "head",
    [
        {},
        {"run": "a", "owner": "b", "number": "x", "purpose": "rows"},
        {"run": "a", "owner": "b", "number": 1, "purpose": "other"},
        {"run": "a", "owner": "b", "number": 1, "purpose": "rows", "lines": {"row": [1], "state": [1, 2]}},
        {"run": "a", "owner": "b", "number": 1, "purpose": "rows", "lines": {"other": [1]}},
        {"run": "a", "owner": "b", "number": 1, "purpose": "rows", "parts": [{"part": {}}]},
    ],
)
def test_what_has_a_right_checksum_and_a_wrong_content_is_damaged(head):
    with pytest.raises(JournalError, match="s3://b/k is damaged"):
        decode(pack("segment", head), "s3://b/k")
