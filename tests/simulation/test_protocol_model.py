"""The durability protocol, exhaustively: it holds in every state, and each step that is left out shows in one."""

from __future__ import annotations

import pytest
from support.protocol import Flaw, explore


def test_the_protocol_holds_in_every_state():
    explored = explore()
    assert len(explored.before) > 1_000
    assert explored.broken() == {}


def test_the_model_reaches_what_it_is_about():
    """A model that never gets into trouble proves nothing."""
    states = explore().before
    assert any(state.crashes == 0 and state.output for state in states)
    assert any(state.taken == 2 and state.output for state in states)
    assert any(state.lost_notices == 0 and state.doubled_notices == 0 and state.output for state in states)
    assert any(state.orphan and not state.up for state in states)
    assert any(state.early for state in states)


@pytest.mark.parametrize(
    ("flaw", "invariant"),
    [
        (Flaw.NO_INTENT, "I2"),
        (Flaw.SDK_RETRIES, "I2"),
        (Flaw.UNJOURNALLED_RESENDS, "I2"),
        (Flaw.NO_RECONCILER, "I8"),
        (Flaw.NO_DEDUPLICATION, "I1"),
        (Flaw.UNKNOWN_IS_NEW, "I2"),
        (Flaw.DELETE_FIRST, "I3"),
        (Flaw.COMMIT_FIRST, "I4"),
    ],
    ids=lambda value: value.name if isinstance(value, Flaw) else value,
)
def test_a_step_left_out_has_a_counterexample(flaw, invariant):
    assert invariant in explore(frozenset({flaw})).broken()


def test_the_shortest_way_to_a_second_bill_when_unknown_rows_are_taken_for_new():
    way = explore(frozenset({Flaw.UNKNOWN_IS_NEW})).broken()["I2"]
    assert way == [
        *("intend", "send", "the endpoint accepts", "crash", "restart"),
        *("intend", "send", "the endpoint accepts"),
    ]
