"""Laws of the fold: any prefix is a state, a snapshot at any point changes nothing, the last line of a row counts."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from support.segments import line, new_part, segment

from fanout.domain.row_state import RowState
from fanout.runtime.place.segment import Purpose, decode, encode
from fanout.runtime.place.snapshot import decode_snapshot, encode_snapshot, take
from fanout.runtime.place.state import PlaceState

ROWS = st.integers(0, 40)
LINES = st.lists(
    st.builds(
        line,
        ROWS,
        st.sampled_from([RowState.INTENT, RowState.ACCEPTED, RowState.READY]),
        generation=st.integers(0, 2),
        sends=st.integers(0, 3),
        sent_at=st.none() | st.floats(0, 1e10),
        output=st.none() | st.just("s3://b/k"),
    ),
    max_size=8,
)
STEPS = st.lists(
    st.tuples(st.sampled_from(["rows", "claim", "close"]), LINES, st.sets(ROWS, max_size=6)), max_size=12
)


def journal_of(steps):
    """Return segments as one owner after another would write them: a row becomes durable once."""
    segments, owner, durable = [segment(1, Purpose.FIRST, owner="0")], "0", set()
    for kind, lines, ended in steps:
        number = len(segments) + 1
        if kind == "claim":
            owner = str(number)
            segments.append(segment(number, Purpose.CLAIM, owner=owner))
            continue
        fresh = ended - durable
        durable |= fresh
        parts = [new_part(number, fresh)] if fresh else []
        purpose = Purpose.CLOSE if kind == "close" else Purpose.ROWS
        segments.append(segment(number, purpose, owner=owner, lines=lines, parts=parts))
    return segments


def folded(segments, state=None):
    state = state or PlaceState()
    for each in segments:
        state.apply(decode(encode(each), "place"))
    return state


def seen(state):
    durable = bytes(state.durable).rstrip(b"\0")
    return (
        *(state.run_id, state.number, state.owner, state.claims, state.closed, state.last, durable),
        *(state.open, state.parts, state.meta, state.tally),
    )


@given(STEPS)
def test_every_prefix_is_what_its_lines_say(steps):
    segments = journal_of(steps)
    for length in range(1, len(segments) + 1):
        state = folded(segments[:length])
        durable, rows, last = set(), {}, -1
        for each in segments[:length]:
            for one in each.lines:
                if one.row not in durable:
                    rows[one.row] = one
                    last = max(last, one.row)
            for part in each.parts:
                for start, end in part.rows:
                    durable |= set(range(start, end))
                    last = max(last, end - 1)
            rows = {row: one for row, one in rows.items() if row not in durable}
        assert state.open == rows
        assert {row for row, is_durable in enumerate(state.durable) if is_durable} == durable
        assert state.tally.rows == len(durable)
        assert state.last == last
        assert sum(state.counts().values()) == len(rows) + len(durable)


@given(STEPS, st.integers(0, 12))
def test_a_snapshot_at_any_point_changes_nothing(steps, at):
    segments = journal_of(steps)
    at = min(at, len(segments))
    before = folded(segments[:at]) if at else PlaceState()
    again = decode_snapshot(encode_snapshot(take(before)), "place")
    assert seen(folded(segments[at:], again)) == seen(folded(segments))
