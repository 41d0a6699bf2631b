"""When the endpoint has drained: an empty backlog and silence together, and what that says of each row."""

from __future__ import annotations

import pytest

from fanout.engine.reconcile.drained import QUIET_S, Drained

EMPTY = 1_000.0
LONGEST_S = 5_000.0


@pytest.mark.parametrize(
    ("empty_from", "last_result_at", "quiet_from"),
    [
        (EMPTY, None, EMPTY),
        (EMPTY, EMPTY - 300.0, EMPTY),
        (EMPTY, EMPTY + 300.0, EMPTY + 300.0),
        (None, None, None),
        (None, EMPTY, None),
    ],
)
def test_an_empty_backlog_counts_once_no_result_has_come_for_a_while(empty_from, last_result_at, quiet_from):
    drained = Drained()
    drained.see((quiet_from or EMPTY) + QUIET_S - 1.0, empty_from=empty_from, last_result_at=last_result_at)
    assert drained.until == float("-inf")
    drained.see((quiet_from or EMPTY) + QUIET_S, empty_from=empty_from, last_result_at=last_result_at)
    assert drained.until == (float("-inf") if quiet_from is None else EMPTY)


def test_what_was_sent_before_is_lost_and_what_was_sent_after_waits_as_long_as_it_may_be_served():
    drained = Drained()
    assert drained.lost_at(0.0, LONGEST_S) == LONGEST_S
    drained.see(EMPTY + QUIET_S, empty_from=EMPTY, last_result_at=None)
    assert drained.lost_at(EMPTY, LONGEST_S) == EMPTY
    assert drained.lost_at(EMPTY + 1.0, LONGEST_S) == EMPTY + 1.0 + LONGEST_S


def test_results_of_what_is_sent_later_take_nothing_back():
    """The rows that are sent first, once it has drained, have results while the others still wait for their turn."""
    drained = Drained()
    drained.see(EMPTY + QUIET_S, empty_from=EMPTY, last_result_at=None)
    drained.see(EMPTY + QUIET_S + 10.0, empty_from=EMPTY, last_result_at=EMPTY + QUIET_S + 9.0)
    assert drained.lost_at(EMPTY - 1.0, LONGEST_S) == EMPTY - 1.0
    drained.see(EMPTY + 900.0, empty_from=EMPTY + 600.0, last_result_at=EMPTY + 700.0)
    assert drained.until == EMPTY + 600.0
