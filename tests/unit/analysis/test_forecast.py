"""How long rows take, by the rate and by the endpoint's instances, and what cannot be told."""

from __future__ import annotations

import pytest

from fanout.analysis.forecast import Capacity, forecast, sending_s, service_of

PRICES = {"ml.g5.xlarge": 1.41}


def capacity(instances=2, per_instance=4, types=None):
    types = {"ml.g5.xlarge": instances} if types is None else types
    return Capacity(instances=instances, types=types, per_instance=per_instance)


def foreseen(rows=1_000, **more):
    given = {"rate_s": None, "service_s": 3.6, "capacity": capacity(), "window": 10_000, "prices": PRICES}
    return forecast(rows, **(given | more))


@pytest.mark.parametrize(
    ("rows", "more", "seconds"),
    [
        (1_000, {}, 450.0),  # 125 rounds of 8 rows
        (1_001, {}, 453.6),  # and one more for the last row
        (8, {}, 3.6),
        (0, {}, 0.0),
        (1_000, {"rate_s": 999.0}, 1002.6),  # the last row leaves then, and is served
        (1_000, {"rate_s": 10.0}, 450.0),
        (1_000, {"window": 4}, 900.0),
        (0, {"rate_s": 0.0}, 0.0),
    ],
)
def test_the_endpoint_or_the_rate_bounds_it(rows, more, seconds):
    found = foreseen(rows, **more)
    assert found.seconds == pytest.approx(seconds)
    assert found.instance_hours == pytest.approx(2 * seconds / 3_600)
    assert found.instance_dollars == pytest.approx(1.41 * 2 * seconds / 3_600)
    assert found.unknown == ()


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"service_s": None}, ["no run on this endpoint has finished here; name it with --service-s"]),
        ({"capacity": None}, ["how many instances the endpoint has"]),
        ({"capacity": capacity(None)}, ["how many instances the endpoint has"]),
        ({"capacity": capacity(0)}, ["the endpoint has none now"]),
        ({"capacity": capacity(per_instance=None)}, ["no MaxConcurrentInvocationsPerInstance"]),
        ({"service_s": None, "capacity": None}, ["--service-s", "how many instances"]),
    ],
)
def test_without_the_model_s_time_or_the_instances_there_is_no_time_and_a_line_says_so(more, words):
    found = foreseen(rate_s=10.0, **more)
    assert (found.rate_s, found.seconds, found.slots) == (10.0, None, None)
    assert (found.instance_hours, found.instance_dollars) == (None, None)
    assert len(found.unknown) == len(words)
    assert all(word in said for word, said in zip(words, found.unknown, strict=True))


@pytest.mark.parametrize(
    ("types", "words"),
    [
        ({"ml.g5.xlarge": 1, "ml.t2.medium": 1}, 'name it as "ml.t2.medium" = DOLLARS in [prices.instances]'),
        ({}, "does not tell the type of each"),
        ({"ml.g5.xlarge": 1}, "does not tell the type of each"),
    ],
)
def test_hours_without_a_price_have_no_dollars(types, words):
    found = foreseen(capacity=capacity(types=types))
    assert found.instance_hours == pytest.approx(0.25)
    assert found.instance_dollars is None
    assert [words in said for said in found.unknown] == [True]


def test_instances_of_several_types_cost_their_own():
    found = foreseen(
        capacity=capacity(3, types={"ml.g5.xlarge": 1, "ml.t2.medium": 2}),
        prices=PRICES | {"ml.t2.medium": 0.1},
    )
    assert found.instance_dollars == pytest.approx(found.instance_hours / 3 * (1.41 + 2 * 0.1))


@pytest.mark.parametrize(
    ("rows", "size", "rate", "bytes_per_s", "seconds"),
    [
        (101, 5_000, 10.0, None, 10.0),
        (101, 5_000, None, None, None),
        (101, 5_000, None, 100.0, 50.0),
        (101, 5_000, 10.0, 100.0, 50.0),
        (0, 0, 10.0, None, 0.0),
    ],
)
def test_the_rate_in_requests_or_in_bytes_bounds_sending(rows, size, rate, bytes_per_s, seconds):
    assert sending_s(rows, size, rate_per_s=rate, bytes_per_s=bytes_per_s) == seconds


@pytest.mark.parametrize(
    ("latency", "rows", "seconds", "slots", "service_s"),
    [
        ({"p50": 200.0, "p90": 200.0}, 100, 60.0, 8, 0.2),  # nothing queued: what SageMaker tells
        (
            {"p50": 100.0, "p90": 136.0},
            100,
            60.0,
            8,
            0.1029,
        ),  # the mean of a lognormal time lies above its median
        ({"p50": 9_000.0, "p90": 16_000.0}, 1_000, 25.0, 8, 0.2),  # rows queued: 40 a second from 8 slots
        ({"p50": 9_000.0, "p90": 9_000.0}, 1_000, 25.0, None, 9.0),
        ({"p50": 9_000.0, "p90": 9_000.0}, 0, 25.0, 8, 9.0),
        ({"p50": 0.0, "p90": 5.0}, 100, 60.0, 8, 0.0),
    ],
)
def test_the_model_s_time_by_what_a_run_came_to(latency, rows, seconds, slots, service_s):
    found = service_of(latency, rows=rows, seconds=seconds, slots=slots)
    assert found == pytest.approx(service_s, rel=1e-3)
