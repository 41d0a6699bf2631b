"""When the first object was seen of a row that was sent later: against all that was seen, kept in a list."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from fanout.engine.reconcile.ends import GRAIN_S, KEPT, Ends

events = st.lists(
    st.tuples(st.floats(0, 100, allow_subnormal=False), st.floats(0, 5, allow_subnormal=False)), max_size=40
)


@given(events, st.floats(0, 100, allow_subnormal=False))
def test_the_answer_is_never_early_and_at_most_a_grain_late(drawn, instant):
    ends, seen, now = Ends(), [], 100.0
    for sent_at, after_s in drawn:
        now += after_s
        ends.note(sent_at=sent_at, accepted_at=sent_at + 0.1, now=now)
        seen.append((sent_at, now))
    first = ends.first_after(instant)
    later = [at for sent_at, at in seen if sent_at > instant]
    assert (first is None) == (not later)
    if first is not None:
        well_later = [at for sent_at, at in seen if sent_at > instant + GRAIN_S]
        assert min(later) <= first <= min(well_later, default=now)
    slowest = max((at - sent_at - 0.1 for sent_at, at in seen), default=0.0)
    assert abs(ends.slowest_s - max(slowest, 0.0)) < 1e-6


def test_what_is_kept_is_bounded():
    ends = Ends()
    for number in range(3 * KEPT):
        ends.note(sent_at=number * GRAIN_S, accepted_at=number * GRAIN_S, now=number * GRAIN_S + 1.0)
    assert len(ends._sent) <= 2 * KEPT
    latest = (3 * KEPT - 1) * GRAIN_S
    assert (ends.first_after(latest - 0.1), ends.first_after(latest)) == (latest + 1.0, None)
