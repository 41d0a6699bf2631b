"""What is learnt from results: how long rows take, and how much later than rows that were accepted later."""

from __future__ import annotations

import random

import pytest

from fanout.domain.records import Outcome
from fanout.engine.reconcile.service_times import OVERTAKINGS, REMEMBERED, Durations, ServiceTimes

WITHIN = 2 ** (1 / 8)


def result(accepted_at, fetched_at, **facts):
    standard = {"row": 0, "id": None, "passthrough": (), "status": "succeeded"}
    return Outcome(**standard | {"accepted_at": accepted_at, "fetched_at": fetched_at} | facts)


def test_quantiles_are_at_most_a_bucket_above_the_truth():
    durations = Durations()
    drawn = sorted(random.Random(1).lognormvariate(3.0, 1.0) for _ in range(1_000))
    for seconds in drawn:
        durations.add(seconds)
    for share in (0.01, 0.5, 0.99, 1.0):
        truth = drawn[max(0, int(share * len(drawn)) - 1)]
        assert truth <= durations.quantile(share) <= WITHIN * truth * 1.001


@pytest.mark.parametrize("seconds", [0.001, 0.002, 8.0, 20.0, 22_500.0])
def test_a_model_that_always_takes_as_long_is_said_to_take_that(seconds):
    durations = Durations()
    for _ in range(3):
        durations.add(seconds)
    assert seconds <= durations.quantile(0.99) <= WITHIN * seconds * 1.001


def test_nothing_seen_is_nothing_said_and_a_negative_duration_is_none():
    durations = Durations()
    assert durations.quantile(0.99) is None
    durations.add(-5.0)
    assert durations.quantile(0.99) == 0.001


def test_what_was_long_ago_is_forgotten():
    durations = Durations()
    for _ in range(REMEMBERED):
        durations.add(600.0)
    for _ in range(10 * REMEMBERED):
        durations.add(20.0)
    assert durations.quantile(0.99) <= 20.0 * WITHIN


def test_a_row_counts_from_its_acceptance_to_its_object():
    seen = ServiceTimes(started_at=0.0)
    seen.add(result(100.0, 120.0))
    assert 20.0 <= seen.whole.quantile(0.99) <= 20.0 * WITHIN
    assert (seen.last_result_at, seen.late.quantile(1.0)) == (120.0, 0.001)


@pytest.mark.parametrize(
    "outcome",
    [
        result(None, None, status="rejected"),
        result(
            100.0, None, status="failed", notified_at=110.0, completed_at=109.0
        ),  # a message alone said so
        result(None, 120.0),
    ],
)
def test_what_no_object_stands_behind_tells_nothing(outcome):
    seen = ServiceTimes(started_at=0.0)
    seen.add(outcome)
    assert (seen.whole.quantile(0.99), seen.last_result_at, seen.overtaken_at(0.0)) == (None, None, None)


def test_a_row_of_an_earlier_process_counts_by_the_instant_of_its_object_and_overtakes_none():
    seen = ServiceTimes(started_at=50_000.0)
    seen.add(result(100.0, 50_010.0, completed_at=130.0))
    seen.add(result(100.0, 50_010.0))
    assert 30.0 <= seen.whole.quantile(1.0) <= 30.0 * WITHIN
    assert (seen.overtaken_at(0.0), seen.last_result_at) == (None, 50_010.0)


def test_a_row_is_overtaken_by_the_first_result_of_one_that_was_accepted_later():
    seen = ServiceTimes(started_at=0.0)
    for accepted_at, fetched_at in ((1.0, 20.0), (3.0, 22.0), (2.0, 40.0), (3.0, 41.0)):
        seen.add(result(accepted_at, fetched_at))
    assert [seen.overtaken_at(at) for at in (0.5, 1.0, 1.5, 2.9, 3.0)] == [20.0, 22.0, 22.0, 22.0, None]
    assert 18.0 <= seen.late.quantile(1.0) <= 18.0 * WITHIN, "the row of 2.0 came 18 s after that of 3.0"


def test_memory_is_bounded_and_a_row_from_before_was_overtaken():
    seen = ServiceTimes(started_at=0.0)
    for number in range(3 * OVERTAKINGS):
        seen.add(result(number + 1.0, number + 21.0))
    assert len(seen._accepted) <= 2 * OVERTAKINGS
    assert seen.overtaken_at(0.0) is not None
    assert seen.overtaken_at(3 * OVERTAKINGS - 1.0) == 3 * OVERTAKINGS + 20.0
