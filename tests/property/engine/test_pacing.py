"""The schedule's law for any sequence of calls, and what throttling may never do to it."""

from __future__ import annotations

import asyncio
import itertools
import math
import random

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from support.examples import examples
from support.loop import LoopClock, run_seeded
from support.pacing import reserve

from fanout.engine.pacing import CATCH_UP_S, FLOOR_PER_S, Gate, Pacer

EPSILON = 1e-6
ROUNDING_S = 1.2e-7  # of each interval: floats near 1.7e9 are 2.4e-7 apart
SETTINGS = settings(max_examples=examples(100), deadline=None, database=None)

rates = st.one_of(st.sampled_from([0.1, 1.0, 10.0, 200.0, 1_000.0, 20_000.0]), st.floats(0.05, 50_000.0))
gaps = st.one_of(
    st.just(0.0),
    st.floats(0.0, 0.003),  # a late timer
    st.floats(0.0, 0.1),
    st.floats(0.0, 30.0),  # a pause
)
starts = st.sampled_from([0.0, 1_700_000_000.0])


def instants(start, waits):
    return list(itertools.accumulate(waits, initial=start))


def assert_law(dues, *, rate, burst=0.0, weights=None):
    """In no window may more than rate x length fall due, and one more (the one that opens it), and the burst.

    What has been charged less what the rate has earned since the first may rise from no earlier point by more than
    the burst: so of all windows that end with one request, the one that opened at the lowest point says it.
    """
    weights = weights or [1.0] * len(dues)
    slack = rate * (EPSILON + len(dues) * ROUNDING_S) + EPSILON
    lowest, opened = math.inf, 0
    for last, (due, charged) in enumerate(
        zip(dues, itertools.accumulate(weights, initial=0.0), strict=False)
    ):
        # The one that closes the window is the "+ 1": it is not among the charged.
        level = charged - rate * (due - dues[0])
        if level < lowest:
            lowest, opened = level, last
        assert level - lowest <= burst + slack, (opened, last, dues[opened], due)


def test_the_law_finds_a_window_that_holds_too_much():
    steady = [number / 10 for number in range(50)]
    assert_law(steady, rate=10)
    for place in (1, 25, 49):
        hasty = [due - 0.01 * (number >= place) for number, due in enumerate(steady)]
        with pytest.raises(AssertionError):
            assert_law(hasty, rate=10)
        assert_law(hasty, rate=10, burst=0.1)
    # A pause earns nothing: only what follows it is looked at.
    with pytest.raises(AssertionError):
        assert_law([0.0, 5.0, 5.05], rate=10)
    with pytest.raises(AssertionError):
        assert_law([0.0, 1.0, 2.0], rate=10, weights=[10.0, 10.5, 0.0])
    assert_law([0.0, 1.0, 2.0], rate=10, weights=[10.0, 10.0, 99.0])


@SETTINGS
@given(rate=rates, start=starts, waits=st.lists(gaps, max_size=40))
def test_no_window_holds_more_than_the_rate_allows(rate, start, waits):
    pacer = Pacer(rate_per_s=rate)
    assert_law([reserve(pacer, now) for now in instants(start, waits)], rate=rate)


@SETTINGS
@given(rate=rates, start=starts, waits=st.lists(gaps, max_size=40), line=st.sampled_from([0.0, 0.002, 60.0]))
def test_departures_exceed_the_rate_by_the_catch_up_alone(rate, start, waits, line):
    """As CATCH_UP_S says: R/200 more in any window, however late the timers wake and whoever was in line."""
    pacer = Pacer(rate_per_s=rate)
    left = [max(now, reserve(pacer, now, since=now - line)) for now in instants(start, waits)]
    assert_law(sorted(left), rate=rate, burst=rate * CATCH_UP_S)


def through_a_gate(rate, *, workers, each, seed, spells, busy_s=0.0):
    """Let workers through a gate of a loop that computes; return when they left and were due.

    Args:
        spells: Seconds that a worker computes after it has left, one of them drawn.
        busy_s: Seconds that something else computes in every turn of the loop.
    """
    passed = []

    async def main():
        clock, draw = LoopClock(), random.Random(seed)
        gate = Gate(Pacer(rate_per_s=rate), clock)

        async def worker():
            for _ in range(each):
                due = await gate.wait()
                passed.append((clock.now(), due))
                clock.compute(draw.choice(spells))
                await asyncio.sleep(0)

        async def others():
            while True:
                clock.compute(busy_s)
                await asyncio.sleep(0)

        busy = asyncio.create_task(others()) if busy_s else None
        async with asyncio.TaskGroup() as tasks:
            for _ in range(workers):
                tasks.create_task(worker())
        if busy is not None:
            busy.cancel()

    run_seeded(main, seed=seed)
    return passed


@SETTINGS
@given(
    rate=st.sampled_from([10.0, 1_000.0, 20_000.0]),
    workers=st.sampled_from([1, 4, 32]),
    seed=st.integers(0, 10_000),
    spells=st.lists(st.sampled_from([0.0, 0.0001, 0.001, 0.004, 0.02]), min_size=1, max_size=8),
)
@example(rate=1_000.0, workers=32, seed=0, spells=[0.0001] * 7 + [0.02])
def test_departures_from_the_gate_exceed_the_rate_by_the_catch_up_alone(rate, workers, seed, spells):
    """However long the turns of the loop are in which they leave."""
    passed = through_a_gate(rate, workers=workers, each=20, seed=seed, spells=spells)
    assert len(passed) == 20 * workers
    assert all(due <= at for at, due in passed)
    assert_law([at for at, _ in passed], rate=rate, burst=rate * CATCH_UP_S)


@SETTINGS
@given(seed=st.integers(0, 10_000))
def test_long_turns_cost_no_rate_while_they_stay_below_the_catch_up(seed):
    """Two thousand a second, and turns of a millisecond: all who are due leave in one."""
    passed = through_a_gate(2_000.0, workers=32, each=20, seed=seed, spells=[0.0], busy_s=0.001)
    instants = [at for at, _ in passed]
    assert instants[-1] - instants[0] <= (len(instants) - 1) / 2_000.0 + CATCH_UP_S


@SETTINGS
@given(rate=rates, burst=st.floats(0.5, 30.0), start=starts, waits=st.lists(gaps, max_size=40))
def test_no_window_holds_more_than_the_rate_and_the_burst(rate, burst, start, waits):
    pacer = Pacer(rate_per_s=rate, burst=burst)
    assert_law(sorted(reserve(pacer, now) for now in instants(start, waits)), rate=rate, burst=burst)


@SETTINGS
@given(
    speed=st.floats(10.0, 1e9),
    start=starts,
    calls=st.lists(st.tuples(gaps, st.integers(1, 200_000)), min_size=1, max_size=40),
)
def test_no_window_holds_more_bytes_than_the_speed_allows(speed, start, calls):
    pacer = Pacer(bytes_per_s=speed)
    sizes = [float(size) for _, size in calls]
    times = instants(start, [wait for wait, _ in calls])[1:]
    dues = [reserve(pacer, now, size_bytes=int(size)) for now, size in zip(times, sizes, strict=True)]
    assert_law(dues, rate=speed, weights=sizes)


@SETTINGS
@given(
    rate=rates,
    speed=st.floats(1_000.0, 1e9),
    calls=st.lists(st.tuples(gaps, st.integers(0, 200_000)), min_size=1, max_size=40),
)
def test_requests_and_bytes_hold_together(rate, speed, calls):
    pacer = Pacer(rate_per_s=rate, bytes_per_s=speed)
    times = instants(0.0, [wait for wait, _ in calls])[1:]
    dues = [reserve(pacer, now, size_bytes=size) for now, (_, size) in zip(times, calls, strict=True)]
    assert dues == sorted(dues)
    assert_law(dues, rate=rate)
    with_bytes = [(due, float(size)) for due, (_, size) in zip(dues, calls, strict=True) if size]
    assert_law([due for due, _ in with_bytes], rate=speed, weights=[size for _, size in with_bytes])


@SETTINGS
@given(rate=rates, start=starts, waits=st.lists(gaps, max_size=40))
def test_first_come_first_due(rate, start, waits):
    pacer = Pacer(rate_per_s=rate)
    dues = [reserve(pacer, now) for now in instants(start, waits)]
    assert dues == sorted(dues)


@SETTINGS
@given(rate=rates, burst=st.floats(0.5, 30.0), waits=st.lists(gaps, max_size=40))
@example(rate=1_000.0, burst=3.0, waits=[0.0])
def test_first_come_first_due_with_a_burst(rate, burst, waits):
    pacer = Pacer(rate_per_s=rate, burst=burst)
    dues = [reserve(pacer, now) for now in instants(0.0, waits)]
    assert dues == sorted(dues)


@SETTINGS
@given(
    rate=rates,
    burst=st.sampled_from([0.0, 0.5, 10.0]),
    waits=st.lists(gaps, max_size=40),
    line=st.sampled_from([0.0, 0.002, 60.0]),
)
def test_nothing_is_due_longer_ago_than_the_catch_up(rate, burst, waits, line):
    pacer = Pacer(rate_per_s=rate, burst=burst)
    for now in instants(100.0, waits):
        assert reserve(pacer, now, since=now - line) >= now - CATCH_UP_S


@SETTINGS
@given(rate=rates, count=st.integers(2, 50), start=starts)
def test_there_is_no_burst_at_the_start(rate, count, start):
    pacer = Pacer(rate_per_s=rate)
    dues = [reserve(pacer, start) for _ in range(count)]
    assert dues == pytest.approx([start + number / rate for number in range(count)], abs=count * 1e-6)


@SETTINGS
@given(burst=st.integers(0, 20), rate=st.sampled_from([1.0, 10.0, 100.0]))
def test_a_burst_is_as_long_as_configured_and_no_longer(burst, rate):
    pacer = Pacer(rate_per_s=rate, burst=float(burst))
    dues = [reserve(pacer, 50.0) for _ in range(burst + 6)]
    assert sum(due <= 50.0 + EPSILON for due in dues) == burst + 1
    assert dues[-5:] == pytest.approx([50.0 + number / rate for number in range(1, 6)])


# Throttling: any sequence of sends, acceptances and refusals.

steps = st.one_of(
    st.tuples(st.just("send"), gaps, st.just(0.0), st.none()),
    st.tuples(st.just("accept"), gaps, st.just(0.0), st.none()),
    st.tuples(st.just("throttle"), gaps, st.floats(0.0, 5.0), st.one_of(st.none(), st.floats(0.0, 10.0))),
)


def play(pacer, script, *, check=lambda now: None):
    """Do what the script says; return when each request was due."""
    now, dues = 100.0, []
    for what, wait, age, retry_after_s in script:
        now += wait
        if what == "send":
            dues.append(reserve(pacer, now))
        elif what == "accept":
            pacer.accepted(now)
        else:
            pacer.throttled(now, sent_at=now - age, retry_after_s=retry_after_s)
        check(now)
    return dues


@SETTINGS
@given(rate=rates, script=st.lists(steps, max_size=60))
@example(  # a rate that rises while a request waits for a slot of the lowered schedule
    rate=1.0,
    script=[
        ("send", 0.0, 0.0, None),
        ("throttle", 0.0, 0.0, None),
        ("send", 0.0, 0.0, None),
        ("throttle", 0.5, 1.0, None),
        ("accept", 0.0, 0.0, None),
        ("send", 0.0, 0.0, None),
    ],
)
def test_the_configured_rate_is_never_exceeded_whatever_aws_says(rate, script):
    pacer = Pacer(rate_per_s=rate)

    def check(now):
        assert 0.0 < pacer.statistics().rate_per_s <= rate

    dues = play(pacer, script, check=check)
    assert dues == sorted(dues)
    assert_law(dues, rate=rate)


@SETTINGS
@given(rate=rates, burst=st.floats(1.0, 20.0), script=st.lists(steps, max_size=60))
@example(
    rate=100.0,
    burst=10.0,
    script=[("send", 0.0, 0.0, None)] * 11 + [("throttle", 0.0, 0.0, None), ("send", 0.0, 0.0, None)],
)
@example(
    rate=1_000.0,
    burst=1.0,
    script=[
        ("send", 0.0, 0.0, None),
        ("send", 0.001953125, 0.0, None),
        ("throttle", 0.0, 0.0, None),
        ("send", 0.0, 0.0, None),
    ],
)
def test_throttling_grants_no_second_burst(rate, burst, script):
    pacer = Pacer(rate_per_s=rate, burst=burst)
    assert_law(sorted(play(pacer, script)), rate=rate, burst=burst)


@SETTINGS
@given(rate=st.floats(FLOOR_PER_S, 10_000.0), script=st.lists(steps, max_size=60))
def test_the_rate_never_falls_below_the_floor(rate, script):
    pacer = Pacer(rate_per_s=rate)
    play(pacer, script)
    assert pacer.statistics().rate_per_s >= FLOOR_PER_S


@SETTINGS
@given(script=st.lists(steps, max_size=60))
def test_without_a_configured_rate_nothing_waits_until_aws_objects(script):
    pacer = Pacer()
    objected = False
    for what, wait, age, retry_after_s in script:
        objected |= what == "throttle"
        play(pacer, [(what, wait, age, retry_after_s)])
        assert (pacer.statistics().rate_per_s is None) == (not objected)
        assert pacer.idle == (not objected)


@SETTINGS
@given(script=st.lists(steps, max_size=60))
@example(
    # Refused for the first time at an instant at which others may try a higher rate.
    script=[
        ("send", 0.5, 0.0, None),
        ("accept", 1.5, 0.0, None),
        ("send", 7.0, 0.0, None),
        ("throttle", 0.0, 1.0, None),
    ]
)
def test_throttles_are_counted_and_cuts_are_at_most_as_many(script):
    pacer = Pacer(rate_per_s=50.0)
    play(pacer, script)
    statistics = pacer.statistics()
    throttles = sum(what == "throttle" for what, *_ in script)
    assert statistics.throttles == throttles
    assert min(throttles, 1) <= statistics.cuts <= throttles


@settings(max_examples=examples(40), deadline=None, database=None)
@given(rate=st.sampled_from([0.5, 5.0, 50.0]), script=st.lists(steps, max_size=40))
def test_the_configured_rate_comes_back_while_requests_are_accepted(rate, script):
    pacer = Pacer(rate_per_s=rate)
    play(pacer, script)
    now = start = 100.0 + sum(wait for _, wait, _, _ in script)
    while pacer.statistics().rate_per_s < rate:
        now = max(now, reserve(pacer, now))
        pacer.accepted(now)
        assert now < start + 180.0
    assert pacer.statistics().rate_per_s == rate


@SETTINGS
@given(retry_after_s=st.floats(0.001, 60.0), rate=st.one_of(st.none(), rates), wait=st.floats(0.0, 1.0))
def test_nothing_is_due_before_the_time_that_aws_named(retry_after_s, rate, wait):
    pacer = Pacer(rate_per_s=rate)
    pacer.throttled(100.0, sent_at=99.9, retry_after_s=retry_after_s)
    asked = 100.0 + wait * retry_after_s  # within the hold
    dues = [reserve(pacer, asked) for _ in range(5)]
    assert dues[0] == pytest.approx(100.0 + retry_after_s)
    limit = pacer.statistics().rate_per_s
    assert dues == pytest.approx([dues[0] + number / limit for number in range(5)])
