"""The endpoint's heaps against the plain recurrence of a first-come-first-served queue with impatient customers."""

from __future__ import annotations

import heapq
import random

from hypothesis import given, settings
from hypothesis import strategies as st

from fanout.simulator.endpoint import EndpointModel, Verdict
from fanout.simulator.settings import SimulatorSettings, Spread

ARRIVALS = st.lists(
    st.tuples(st.sampled_from([0.0, 0.25, 1.0, 7.0]), st.sampled_from([1.0, 4.0, 20.0])),
    min_size=1,
    max_size=60,
)


def by_recurrence(
    arrivals: list[tuple[float, float]], *, slots: int, service_s: float
) -> dict[int, tuple[str, float]]:
    """Each task starts when the earliest slot is free, unless that is after its time to live."""
    free_at = [0.0] * slots
    ends: dict[int, tuple[str, float]] = {}
    now = 0.0
    for task, (gap, ttl_s) in enumerate(arrivals):
        now += gap
        start = max(now, free_at[0])
        if start > now + ttl_s:
            ends[task] = ("expired", now + ttl_s)
        else:
            heapq.heapreplace(free_at, start + service_s)
            ends[task] = ("completed", start + service_s)
    return ends


@settings(deadline=None)  # two cores are shared by everything
@given(
    arrivals=ARRIVALS,
    instances=st.integers(1, 3),
    per_instance=st.integers(1, 3),
    step=st.sampled_from([0.5, 3.0, 1e6]),
)
def test_every_task_ends_once_when_the_recurrence_says(
    arrivals: list[tuple[float, float]], instances: int, per_instance: int, step: float
):
    simulated = SimulatorSettings(
        instances=instances, concurrency_per_instance=per_instance, service_time=Spread(median_s=2.5)
    )
    endpoint: EndpointModel[int] = EndpointModel(simulated, rng=random.Random(0))
    finished = []
    now = 0.0
    for task, (gap, ttl_s) in enumerate(arrivals):
        now += gap
        finished += endpoint.advance(now)
        endpoint.admit(task, now=now, ttl_s=ttl_s, timeout_s=900)
    while (at := endpoint.next_at()) is not None:
        now = max(now + step, at)
        finished += endpoint.advance(now)
    ends = {end.task: (end.verdict.value, end.at) for end in finished}
    assert len(ends) == len(finished) == len(arrivals)
    assert ends == by_recurrence(arrivals, slots=instances * per_instance, service_s=2.5)
    assert [end.at for end in finished] == sorted(end.at for end in finished)
    started = [
        end.started_at
        for end in sorted(finished, key=lambda end: end.task)
        if end.verdict is Verdict.COMPLETED
    ]
    assert started == sorted(started)
