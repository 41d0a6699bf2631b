"""The state that segments fold into, and the segments that do not belong."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.segments import RUN, line, new_part, segment

from fanout.domain.row_state import RowState
from fanout.errors import JournalError
from fanout.runtime.place.segment import NewPart, Purpose, StoredPart
from fanout.runtime.place.state import PlaceState


def state_of(*segments):
    state = PlaceState()
    for each in segments:
        state.apply(each)
    return state


FIRST = segment(1, Purpose.FIRST)


def test_rows_stand_as_the_last_line_says():
    state = state_of(
        FIRST, segment(2, lines=[line(0), line(1), line(5)]), segment(3, lines=[line(1, RowState.ACCEPTED)])
    )
    assert state.counts() == {RowState.INTENT: 2, RowState.ACCEPTED: 1}
    assert (state.run_id, state.number, state.last) == (RUN, 3, 5)


def test_a_durable_row_stays_durable_whatever_comes_late():
    state = state_of(
        FIRST,
        segment(2, lines=[line(0), line(1)], parts=[new_part(0, [0, 3])]),
        segment(3, lines=[line(0, RowState.ACCEPTED)]),
    )
    assert state.counts() == {RowState.INTENT: 1, RowState.DURABLE: 2}
    assert list(state.open) == [1]
    assert state.last == 3
    assert state.tally.rows == 2


def test_a_part_that_was_stored_twice_counts_once():
    part = new_part(0, [0, 1])
    state = state_of(FIRST, segment(2, parts=[part]), segment(3, parts=[part]))
    assert state.tally.rows == 2
    other = NewPart(StoredPart(0, "other", 2, 0, 1, 100), part.rows, part.tally)
    with pytest.raises(JournalError, match=r"part 0 .* is 0000000001/part-00000.parquet and other"):
        state.apply(segment(4, parts=[other]))


def test_a_new_owner_is_the_one_that_claimed_last():
    state = state_of(
        FIRST,
        segment(2),
        segment(3, Purpose.CLAIM, owner="two", about={"host": "h2"}),
        segment(4, owner="two", lines=[line(0)]),
    )
    assert (state.owner, state.claims, dict(state.about)) == ("two", [1, 3], {"host": "h2"})


def test_an_owner_that_ended_in_order_is_known():
    state = state_of(FIRST, segment(2, Purpose.CLOSE))
    assert state.closed
    state.apply(segment(3, Purpose.CLAIM, owner="two"))
    assert not state.closed


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (segment(4), "one between them is missing"),
        (segment(2), "does not follow segment 2"),
        (segment(3, owner="two"), "was written by two, and the run is one's"),
        (segment(3, run_id="bbbbbbbbbb"), "stands in the journal of run aaaaaaaaaa"),
        (segment(3, Purpose.CLAIM, run_id="bbbbbbbbbb"), "stands in the journal of run aaaaaaaaaa"),
    ],
)
def test_a_segment_that_does_not_belong_is_refused(wrong, said):
    with pytest.raises(JournalError, match=said):
        state_of(FIRST, segment(2, lines=[line(0)]), wrong)


def test_a_run_may_begin_where_one_never_sent():
    state = state_of(
        FIRST,
        segment(2, meta=[("outputs", "x")], lines=[line(0, RowState.READY, sends=0)]),
        segment(3, Purpose.FIRST, owner="two", run_id="bbbbbbbbbb"),
    )
    assert (state.run_id, state.owner, state.claims) == ("bbbbbbbbbb", "two", [1, 3])
    assert (state.open, state.meta, state.last) == ({}, {}, -1)


def test_a_start_that_comes_too_late_fences_and_begins_nothing():
    late = segment(3, Purpose.FIRST, owner="two", run_id="bbbbbbbbbb")
    state = state_of(FIRST, segment(2, lines=[line(0)]), late)
    assert (state.run_id, state.owner, state.claims, list(state.open)) == (RUN, "two", [1, 3], [0])
    state.apply(segment(4, Purpose.CLAIM, owner="three"))
    assert state.counts() == {RowState.INTENT: 1}


def test_a_row_that_the_model_failed_was_sent():
    assert state_of(FIRST, segment(2, lines=[line(0, RowState.READY)])).has_sent_nothing
    assert not state_of(FIRST, segment(2, lines=[line(0, RowState.READY, generation=1)])).has_sent_nothing
    assert not state_of(FIRST, segment(2, parts=[new_part(0, [0])])).has_sent_nothing


def test_a_process_starts_from_a_copy():
    state = state_of(
        FIRST, segment(2, lines=[line(0), line(9)], parts=[new_part(3, [4, 5])], meta=[("a", "b")])
    )
    recovered = state.recovered(Path("scratch"))
    assert [recovered.is_durable(row) for row in (3, 4, 5, 6, 10_000)] == [False, True, True, False, False]
    assert (recovered.last, dict(recovered.meta)) == (9, {"a": "b"})
    assert [(part.path, part.number, part.rows) for part in recovered.parts] == [
        (Path("scratch/part-00003.parquet"), 3, 2)
    ]
    assert recovered.tally is not None
    recovered.tally.rows += 100
    assert state.tally.rows == 2
    state.apply(segment(3, parts=[new_part(4, [0])]))
    assert 0 in recovered.open
