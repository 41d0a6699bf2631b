"""Whether an endpoint takes payloads in the request: one that it took settles it, and no region is a row's fault."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from fanout.engine.inline_support import HOPELESS_ROWS, TRIES, InlineSupport, Refusal

ROWS = st.integers(0, 30)
EVENTS = st.lists(
    st.one_of(
        st.tuples(st.just("refused"), ROWS, st.booleans()),
        st.tuples(st.just("inline")),
        st.tuples(st.just("s3"), ROWS),
    ),
    max_size=80,
)


@given(EVENTS, st.booleans())
def test_once_a_payload_was_accepted_in_the_request_nothing_falls_back(events, before):
    support, proven, refused, said = InlineSupport(), before, set(), 0
    if before:  # by an earlier process of the run
        support.accepted_inline()
    for event, *facts in events:
        if event == "inline":
            support.accepted_inline()
            proven, refused = True, set()
        elif event == "s3":
            found = support.accepted_via_s3(*facts)
            said += found
            assert found <= (not proven and facts[0] in refused), "only the same payload proves it"
        else:
            row, has_way_round = facts
            verdict = support.refused(row, has_way_round=has_way_round)
            assert (verdict is Refusal.ROW) >= proven
            if not proven and has_way_round:
                assert verdict is Refusal.VIA_S3
                refused.add(row)
        assert support.is_proven == proven
        assert not (proven and support.is_refused)
    assert said <= 1, "with one word for the whole run"


@given(st.lists(ROWS, max_size=200))
def test_where_there_is_no_other_way_few_rows_are_rows_and_many_are_the_region(rows):
    support, tries = InlineSupport(), {}
    for row in rows:
        tries[row] = tries.get(row, 0) + 1
        verdict = support.refused(row, has_way_round=False)
        if len(tries) >= HOPELESS_ROWS:
            assert verdict is Refusal.HOPELESS
        else:
            assert verdict is (Refusal.AGAIN if tries[row] < TRIES else Refusal.ROW)
