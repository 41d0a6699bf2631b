from __future__ import annotations

import random

import pytest

from fanout.simulator.endpoint import EndpointModel, Verdict
from fanout.simulator.errors import ServiceError
from fanout.simulator.settings import FaultSettings, SimulatorSettings, Spread, ThrottleSettings


def model(**settings: object) -> EndpointModel[str]:
    return EndpointModel(SimulatorSettings.model_validate(settings), rng=random.Random(1))


def admit(
    endpoint: EndpointModel[str], *tasks: str, now: float = 0.0, ttl_s: float = 600, timeout_s: float = 900
):
    for task in tasks:
        endpoint.advance(now)
        endpoint.admit(task, now=now, ttl_s=ttl_s, timeout_s=timeout_s)


def ends(endpoint: EndpointModel[str], now: float) -> list[tuple[str, str, float]]:
    return [(end.task, end.verdict.value, end.at) for end in endpoint.advance(now)]


def test_two_instances_of_three_slots_serve_first_come_first_served():
    endpoint = model(instances=2, concurrency_per_instance=3, service_time=Spread(median_s=2.0))
    admit(endpoint, *"abcdefghijklmn")
    assert (endpoint.statistics().running, endpoint.statistics().waiting) == (6, 8)
    assert ends(endpoint, 1.99) == []
    assert ends(endpoint, 2.0) == [(task, "completed", 2.0) for task in "abcdef"]
    assert ends(endpoint, 100.0) == [(task, "completed", 4.0) for task in "ghijkl"] + [
        (task, "completed", 6.0) for task in "mn"
    ]
    assert endpoint.next_at() is None


def test_staggered_arrivals_start_when_a_slot_is_free():
    endpoint = model(instances=1, concurrency_per_instance=1, service_time=Spread(median_s=3.0))
    admit(endpoint, "a", now=0.0)
    admit(endpoint, "b", now=1.0)
    admit(endpoint, "c", now=10.0)
    finished = endpoint.advance(20.0)
    # b ended at 6, within the admission of c at 10, whose helper lets time pass and drops what ended.
    assert [(end.task, end.started_at, end.at) for end in finished] == [("c", 10.0, 13.0)]


def test_started_and_ended_instants_in_a_queue():
    endpoint = model(instances=1, concurrency_per_instance=1, service_time=Spread(median_s=3.0))
    admit(endpoint, "a", "b", now=0.5)
    assert [(end.task, end.started_at, end.at) for end in endpoint.advance(9)] == [
        ("a", 0.5, 3.5),
        ("b", 3.5, 6.5),
    ]


def test_what_waits_longer_than_its_time_to_live_expires_at_that_instant():
    endpoint = model(instances=1, concurrency_per_instance=1, service_time=Spread(median_s=100.0))
    admit(endpoint, "served", "expired", "patient", ttl_s=60)
    endpoint.admit("late", now=0.0, ttl_s=150, timeout_s=900)
    assert endpoint.next_at() == 60.0
    assert ends(endpoint, 1_000.0) == [
        ("expired", "expired", 60.0),
        ("patient", "expired", 60.0),
        ("served", "completed", 100.0),
        ("late", "completed", 200.0),
    ]
    assert endpoint.statistics().waiting == 0


def test_a_slot_that_frees_at_the_instant_of_expiry_serves():
    endpoint = model(instances=1, concurrency_per_instance=1, service_time=Spread(median_s=60.0))
    admit(endpoint, "a", "b", ttl_s=60)
    assert ends(endpoint, 500.0) == [("a", "completed", 60.0), ("b", "completed", 120.0)]


def test_an_expired_task_never_started():
    endpoint = model(instances=1, concurrency_per_instance=1, service_time=Spread(median_s=100.0))
    admit(endpoint, "a", "b", ttl_s=60)
    assert [end.started_at for end in endpoint.advance(100.0)] == [None, 0.0]


def test_the_model_may_take_as_long_as_the_request_allows():
    endpoint = model(instances=1, concurrency_per_instance=4, service_time=Spread(median_s=5.0))
    admit(endpoint, "patient", timeout_s=5)
    admit(endpoint, "hasty", timeout_s=4)
    assert ends(endpoint, 10.0) == [("hasty", "timed out", 4.0), ("patient", "completed", 5.0)]


def test_a_cold_start_counts_from_the_first_request():
    endpoint = model(
        instances=0,
        cold_instances=2,
        concurrency_per_instance=1,
        cold_start_s=120.0,
        service_time=Spread(median_s=1),
    )
    assert endpoint.slots == 0
    admit(endpoint, "a", now=10.0)
    admit(endpoint, "b", "c", now=100.0)
    assert endpoint.next_at() == 130.0
    assert ends(endpoint, 130.0) == []
    assert (endpoint.instances, endpoint.slots) == (2, 2)
    assert ends(endpoint, 200.0) == [
        ("a", "completed", 131.0),
        ("b", "completed", 131.0),
        ("c", "completed", 132.0),
    ]


def test_requests_expire_while_the_endpoint_starts():
    endpoint = model(instances=0, cold_start_s=300.0)
    admit(endpoint, "a", ttl_s=60)
    assert ends(endpoint, 299.0) == [("a", "expired", 60.0)]
    assert ends(endpoint, 300.0) == []
    assert endpoint.instances == 1


def test_scaling_out_serves_those_who_wait_and_scaling_in_lets_them_finish():
    endpoint = model(instances=1, concurrency_per_instance=2, service_time=Spread(median_s=10.0))
    admit(endpoint, *"abcdef")
    endpoint.scale(2, now=4.0)
    assert endpoint.statistics().running == 4
    endpoint.scale(0, now=5.0)
    assert ends(endpoint, 11.0) == [("a", "completed", 10.0), ("b", "completed", 10.0)]
    # Those who wait start an instance again, whose two slots are those of c and d until 14.
    assert (endpoint.instances, endpoint.statistics().running, endpoint.statistics().waiting) == (1, 2, 2)
    assert ends(endpoint, 100.0) == [(task, "completed", 14.0) for task in "cd"] + [
        (task, "completed", 24.0) for task in "ef"
    ]


def test_throttling_lets_the_burst_and_then_the_rate_through():
    endpoint = model(instances=100, throttle=ThrottleSettings(rate_per_s=4.0, burst=3, retry_after_s=1.5))

    refusals: list[tuple[int, str, float | None]] = []

    def accepted(now: float) -> bool:
        try:
            admit(endpoint, "task", now=now)
        except ServiceError as error:
            refusals.append((error.status, error.code, error.retry_after_s))
            return False
        return True

    assert [accepted(0.0) for _ in range(5)] == [True, True, True, False, False]
    assert [accepted(0.24), accepted(0.25), accepted(0.25)] == [False, True, False]
    assert [accepted(10.0) for _ in range(4)] == [True, True, True, False]
    assert (endpoint.statistics().admitted, endpoint.statistics().throttled) == (7, 5)
    assert refusals == [(400, "ThrottlingException", 1.5)] * 5


def test_throttling_holds_the_rate_over_a_long_time():
    endpoint = model(instances=100, throttle=ThrottleSettings(rate_per_s=7.0, burst=2))
    accepted = 0
    for step in range(10_000):
        try:
            admit(endpoint, "task", now=step / 100)
            accepted += 1
        except ServiceError:
            pass
    assert accepted == 701  # 100 s at 7 a second, and one of the burst


def test_service_times_are_lognormal_and_follow_the_seed():
    def durations(seed: int) -> list[float]:
        settings = SimulatorSettings(
            instances=1_000, concurrency_per_instance=4, service_time=Spread(median_s=2.0, sigma=0.5)
        )
        endpoint: EndpointModel[int] = EndpointModel(settings, rng=random.Random(seed))
        for task in range(4_000):
            endpoint.admit(task, now=0.0, ttl_s=600, timeout_s=900)
        return [end.at for end in endpoint.advance(1e9)]

    first = durations(1)
    assert first == durations(1) != durations(2)
    assert first[2_000] == pytest.approx(2.0, rel=0.05)
    assert first[int(4_000 * 0.8413)] / first[2_000] == pytest.approx(2.718281828**0.5, rel=0.06)


@pytest.mark.parametrize(
    ("settings", "verdict"),
    [
        ({"failure_share": 0.25}, Verdict.FAILED),
        ({"faults": FaultSettings(expired_share=0.25)}, Verdict.EXPIRED),
    ],
)
def test_shares_of_requests_fail(settings: dict[str, object], verdict: Verdict):
    endpoint = model(instances=1, **settings)
    verdicts: list[Verdict] = []
    for task in range(2_000):
        endpoint.admit(str(task), now=float(task), ttl_s=60, timeout_s=60)
        verdicts += [end.verdict for end in endpoint.advance(float(task))]
    assert 440 < verdicts.count(verdict) < 560
    assert verdicts.count(verdict) + verdicts.count(Verdict.COMPLETED) == 2_000
