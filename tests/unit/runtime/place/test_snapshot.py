"""A snapshot is the state at one moment, whatever comes after it."""

from __future__ import annotations

import pytest
from support.segments import line, new_part, segment

from fanout.domain.row_state import RowState
from fanout.errors import JournalError
from fanout.runtime.place.envelope import pack
from fanout.runtime.place.segment import Purpose
from fanout.runtime.place.snapshot import decode_snapshot, encode_snapshot, take
from fanout.runtime.place.state import PlaceState


def some_state():
    state = PlaceState()
    state.apply(segment(1, Purpose.FIRST, about={"host": "h"}))
    state.apply(segment(2, lines=[line(0), line(1), line(2, RowState.ACCEPTED)], meta=[("a", "b")]))
    state.apply(segment(3, parts=[new_part(0, [1, 5000])]))
    return state


def seen(state):
    return (
        *(state.run_id, state.number, state.owner, state.claims, state.closed, dict(state.about), state.last),
        *(bytes(state.durable).rstrip(b"\0"), state.open, state.parts, state.meta, state.tally),
    )


def test_a_state_comes_back_as_it_was():
    state = some_state()
    assert seen(decode_snapshot(encode_snapshot(take(state)), "s3://b/k")) == seen(state)


def test_what_comes_after_it_was_taken_is_not_in_it():
    state, same = some_state(), some_state()
    snapshot = take(state)
    state.apply(segment(4, lines=[line(7)], parts=[new_part(1, [0, 2])], meta=[("a", "c")]))
    assert seen(decode_snapshot(encode_snapshot(snapshot), "s3://b/k")) == seen(same)


def test_it_goes_on_from_there():
    state = some_state()
    found = decode_snapshot(encode_snapshot(take(state)), "s3://b/k")
    after = segment(4, lines=[line(7)], parts=[new_part(1, [0, 2])])
    state.apply(after)
    found.apply(after)
    assert seen(found) == seen(state)


def test_a_million_durable_rows_take_little():
    state = PlaceState()
    state.apply(segment(1, Purpose.FIRST))
    state.apply(segment(2, parts=[new_part(0, range(1_000_000))]))
    assert len(encode_snapshot(take(state))) < 10_000


def test_a_damaged_one_says_so():
    with pytest.raises(JournalError, match="s3://b/k is damaged"):
        decode_snapshot(pack("snapshot", {"run": "a"}), "s3://b/k")
