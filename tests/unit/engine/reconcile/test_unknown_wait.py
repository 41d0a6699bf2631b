"""How long a row whose reply was lost waits for its result, by what is known of other rows."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fanout.domain.records import Outcome
from fanout.engine.reconcile.service_times import ServiceTimes
from fanout.engine.reconcile.unknown_wait import (
    ALONE_S,
    HELD,
    LEAST_S,
    LOOK_AGAIN_S,
    MARGIN,
    Answers,
    lost_at,
    next_question,
)

LONGEST_S = 22_500.0
BUCKET = 2 ** (1 / 8)


def seen(*results: tuple[float, float]) -> ServiceTimes:
    """Return what was learnt of rows that were accepted at, and had their results at, these instants."""
    times = ServiceTimes(started_at=0.0)
    for accepted_at, fetched_at in results:
        times.add(
            Outcome(
                row=0,
                id=None,
                passthrough=(),
                status="succeeded",
                accepted_at=accepted_at,
                fetched_at=fetched_at,
            )
        )
    return times


def lost(since, *results, oldest_wait=None, longest_s=LONGEST_S):
    return lost_at(since, longest_s=longest_s, answers=Answers(seen(*results), oldest_wait))


def test_before_anything_was_seen_the_first_result_is_waited_for():
    assert lost(100.0, oldest_wait=90.0) == 100.0 + LONGEST_S, "a cold start: other rows wait as well"
    assert lost(100.0) == 100.0 + ALONE_S, "no other row can show how long it takes"


def test_a_row_that_was_overtaken_waits_as_long_as_others_that_were():
    ahead = ((90.0, 110.0), (95.0, 112.0), (101.0, 125.0))
    assert lost(100.0, *ahead) == 125.0 + LEAST_S
    late = (*ahead, (99.0, 165.0))
    assert 125.0 + MARGIN * 40.0 <= lost(100.0, *late) <= 125.0 + MARGIN * 40.0 * BUCKET


def test_while_rows_accepted_before_are_unanswered_its_turn_may_not_have_come():
    slow = 20.0
    bound = 100.0 + HELD * MARGIN * slow
    for results in ([(70.0, 90.0)], [(70.0, 90.0), (101.0, 121.0)]):
        assert bound <= lost(100.0, *results, oldest_wait=99.0) <= 100.0 + HELD * MARGIN * slow * BUCKET


def test_rows_accepted_after_it_do_not_hold_it_once_one_of_them_has_its_result():
    assert lost(100.0, (101.0, 121.0), oldest_wait=110.0) == 121.0 + LEAST_S
    assert lost(100.0, (90.0, 110.0), oldest_wait=101.0) > 121.0 + LEAST_S, "none of them has"


def test_the_last_row_waits_as_long_as_one_that_found_the_queue_empty():
    """Rows took up to 500 s in the endpoint's queue, which has nothing in it now."""
    queued = [(float(at), float(at) + 20.0 + 4.8 * at) for at in range(100)]
    wait_s = lost(200.0, *queued) - max(at for _, at in queued)
    assert MARGIN * 20.0 <= wait_s <= MARGIN * 20.0 * BUCKET * 1.3


@given(
    since=st.floats(1.0, 1e4),
    results=st.lists(st.tuples(st.floats(1.0, 1e4), st.floats(0.0, 1e4)), max_size=20),
    oldest_wait=st.none() | st.floats(1.0, 1e4),
    longest_s=st.floats(60.0, 25_000.0),
)
def test_it_is_bounded_on_both_sides(since, results, oldest_wait, longest_s):
    times = [(accepted_at, accepted_at + took_s) for accepted_at, took_s in results]
    instant = lost(since, *times, oldest_wait=oldest_wait, longest_s=longest_s)
    assert since + LEAST_S <= instant <= since + longest_s


@pytest.mark.parametrize(
    ("waited_s", "lost_in_s", "pause_s"),
    [(0.0, 500.0, LEAST_S), (40.0, 500.0, LEAST_S), (100.0, 500.0, 25.0), (1_000.0, 500.0, LOOK_AGAIN_S),
     (100.0, 3.0, 3.0)],
)  # fmt: skip
def test_the_longer_it_has_waited_the_rarer_the_question(waited_s, lost_in_s, pause_s):
    now = 5_000.0
    assert next_question(now, since=now - waited_s, lost=now + lost_in_s) == now + pause_s
