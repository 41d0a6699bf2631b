"""What stops a run after too many failures, and what it says."""

from __future__ import annotations

import pytest

from fanout.domain.records import Outcome, Rejected
from fanout.domain.tally import Tally
from fanout.engine.outcomes import Outcomes, rejection, too_many_failures
from fanout.errors import Exit


class Stopped:
    def __init__(self):
        self.reasons = []

    def order(self, reason):
        self.reasons.append(str(reason))


def outcomes(tally, *, most):
    stop = Stopped()
    unused = dict.fromkeys(("rows", "journal", "delete", "clock"))
    return Outcomes(tally=tally, folds=(), stop=stop, max_failures=most, **unused), stop.reasons


def failed(row, message="not JSON."):
    return rejection(Rejected(row=row, id=None, code="NotJson", message=message, passthrough=()), now=1.0)


def test_one_failure_too_many_stops_the_run_and_the_last_one_is_said():
    sink, reasons = outcomes(Tally(), most=1)
    sink.add(failed(0))
    assert reasons == []
    sink.add(failed(1))
    said = "2 rows ended without success, more than the 1 of max_failures; the last: NotJson: not JSON"
    assert reasons == [said]


@pytest.mark.parametrize("most", [0, 1])
def test_a_resume_whose_earlier_process_had_too_many_names_no_failure_of_nothing(most):
    earlier = Tally()
    for row in range(2):
        earlier.add(failed(row))
    sink, reasons = outcomes(earlier, most=most)
    sink.add(Outcome(row=2, id=None, passthrough=(), status="succeeded"))
    rows = f"2 rows ended without success, more than the {most} of max_failures"
    assert reasons == [f"{rows}; the last: NotJson: not JSON"]


def test_it_ends_as_a_run_of_which_rows_failed():
    error = too_many_failures(1, most=0)
    assert str(error) == "1 row ended without success, more than the 0 of max_failures"
    assert error.exit is Exit.ROWS_FAILED
