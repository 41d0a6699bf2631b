"""The arithmetic of throttling by example, and the gate on virtual time."""

from __future__ import annotations

import asyncio

import pytest
import trio
import trio.testing
from support.loop import LoopClock, run_seeded
from support.pacing import reserve
from support.virtual import VirtualClock, run_virtual

from fanout.engine.pacing import BETA, FLOOR_PER_S, GRAIN_S, Gate, Pacer, PacerStatistics
from fanout.engine.throttling import MINOR_STEP


def steady(pacer, *, per_s, seconds, start=0.0):
    """Send and accept at a steady pace; return the instant after."""
    for number in range(round(per_s * seconds)):
        reserve(pacer, start + number / per_s)
        pacer.accepted(start + number / per_s)
    return start + seconds


def test_a_new_pacer_says_what_was_configured():
    assert Pacer(rate_per_s=25.0).statistics() == PacerStatistics(25.0, 25.0, 0, 0)
    assert Pacer().statistics() == PacerStatistics(None, None, 0, 0)


@pytest.mark.parametrize(
    ("configured", "rate", "held_by"),
    [
        (None, None, None),
        (25.0, 25.0, "configuration"),
        (25.0, 20.0, "throttling"),
        (None, 20.0, "throttling"),
    ],
)
def test_it_says_what_holds_the_rate(configured, rate, held_by):
    assert PacerStatistics(configured, rate, 0, 0).held_by == held_by


def test_without_limits_everything_is_due_at_once():
    pacer = Pacer()
    assert pacer.idle
    assert [reserve(pacer, now, size_bytes=10**9) for now in (5.0, 5.0, 6.0)] == [5.0, 5.0, 6.0]


@pytest.mark.parametrize("limits", [{"rate_per_s": 1.0}, {"bytes_per_s": 1.0}])
def test_with_a_limit_it_is_not_idle(limits):
    assert not Pacer(**limits).idle


def test_a_pause_earns_nothing():
    pacer = Pacer(rate_per_s=10.0)
    assert reserve(pacer, 0.0) == 0.0
    assert [reserve(pacer, 1_000.0) for _ in range(3)] == pytest.approx([1_000.0, 1_000.1, 1_000.2])


def test_a_late_timer_costs_no_rate():
    pacer = Pacer(rate_per_s=100.0)
    # Each worker wakes 2 ms late; the schedule stays where it was.
    assert [reserve(pacer, number * 0.01 + 0.002 * (number > 0)) for number in range(50)] == pytest.approx(
        [number * 0.01 for number in range(50)]
    )


def test_a_stall_costs_what_it_is_longer_than_the_catch_up():
    pacer = Pacer(rate_per_s=1_000.0)
    dues = [reserve(pacer, 0.0), *(reserve(pacer, now, since=0.0) for now in (0.020, 0.020, 0.0201, 0.021))]
    assert dues == pytest.approx([0.0, 0.015, 0.016, 0.017, 0.018])


def test_nothing_was_due_before_it_came_after_a_pause():
    pacer = Pacer(rate_per_s=1_000.0)
    assert [reserve(pacer, now, since=since) for now, since in ((0.0, 0.0), (1.0, 0.999))] == [0.0, 0.999]


def test_an_upload_costs_bytes_and_no_request():
    pacer = Pacer(rate_per_s=1.0, bytes_per_s=1_000.0)
    assert reserve(pacer, 0.0, size_bytes=2_000, requests=0) == 0.0
    assert (
        reserve(pacer, 0.0, size_bytes=0, requests=1) == 0.0
    )  # no request was charged yet, and it has no bytes
    assert reserve(pacer, 0.0, size_bytes=500, requests=0) == 2.0
    assert reserve(pacer, 0.0, size_bytes=1, requests=1) == 2.5


def flow(pacer, *, seconds, start):
    """Send each request when it is due and have it accepted, as an endpoint that keeps up would; return the end."""
    now = start
    while now < start + seconds:
        now = max(now, reserve(pacer, now))
        pacer.accepted(now)
    return now


def test_an_upload_does_not_wait_for_a_requests_turn():
    pacer = Pacer(rate_per_s=1.0, bytes_per_s=1e9)
    assert [reserve(pacer, 0.0), reserve(pacer, 0.0)] == [0.0, 1.0]
    assert reserve(pacer, 0.0, size_bytes=10, requests=0) == 0.0


def storm(pacer, now):
    """Have a burst of requests throttled, and one that was sent after: a full cut; return the instant of that."""
    for _ in range(20):
        pacer.throttled(now, sent_at=now - 0.01)
    pacer.throttled(now + 0.02, sent_at=now + 0.01)
    return now + 0.02


def test_throttling_lowers_the_rate():
    pacer = Pacer(rate_per_s=100.0)
    now = steady(pacer, per_s=100, seconds=3)
    now = storm(pacer, now)
    assert pacer.statistics().rate_per_s == pytest.approx(100 * BETA, rel=0.05)


@pytest.mark.parametrize(
    ("refusals", "of", "left"), [(1, 1_000, 0.997), (30, 1_000, 0.91), (1, 10, BETA), (5, 5, BETA)]
)
def test_the_cut_follows_the_share_of_refusals(refusals, of, left):
    pacer = Pacer(rate_per_s=1_000.0)
    now = storm(pacer, steady(pacer, per_s=1_000, seconds=3))
    lowered = pacer.statistics().rate_per_s
    for _ in range(of - refusals):
        pacer.accepted(now)  # in an instant: nothing is regained
    for _ in range(refusals - 1):
        pacer.throttled(now, sent_at=now - 0.5)  # sent before the last cut, and a refusal all the same
    pacer.throttled(now, sent_at=now)
    assert pacer.statistics().rate_per_s == pytest.approx(left * lowered, rel=0.01)


def lowered_to(pacer, *, refused_at):
    """Return what a refusal at an instant of the clock leaves of 100 a second, long after the last one."""
    now = storm(pacer, steady(pacer, per_s=100, seconds=3))
    flow(pacer, seconds=refused_at - now - 1.0, start=now)
    for number in range(30):
        pacer.accepted(refused_at - 0.5 + number / 100)
    before = pacer.statistics().rate_per_s
    pacer.throttled(refused_at, sent_at=refused_at - 0.01)
    return pacer.statistics().rate_per_s / before


def test_a_refusal_while_others_may_try_a_higher_rate_is_no_cut():
    """Halfway through a period it is. Ones that cut for what others tried gave away their part of a limit."""
    assert lowered_to(Pacer(rate_per_s=100.0), refused_at=20.2) == 1.0
    assert lowered_to(Pacer(rate_per_s=100.0), refused_at=21.2) < 1.0


def test_a_lone_refusal_is_half_a_cut():
    pacer = Pacer(rate_per_s=1_000.0)
    now = storm(pacer, steady(pacer, per_s=1_000, seconds=3))
    lowered = pacer.statistics().rate_per_s
    pacer.throttled(now, sent_at=now)
    assert pacer.statistics().rate_per_s == pytest.approx((1 + BETA) / 2 * lowered, rel=0.01)


def test_a_cut_starts_from_what_was_sent_if_that_was_less():
    pacer = Pacer(rate_per_s=1_000.0)
    now = steady(pacer, per_s=100, seconds=3)
    now = storm(pacer, now)
    assert pacer.statistics().rate_per_s == pytest.approx(100 * BETA, rel=0.05)


def test_without_a_configured_rate_throttling_sets_one_from_what_was_sent():
    pacer = Pacer()
    now = steady(pacer, per_s=200, seconds=3)
    now = storm(pacer, now)
    assert pacer.statistics().configured_per_s is None
    assert pacer.statistics().rate_per_s == pytest.approx(200 * BETA, rel=0.05)
    assert not pacer.idle


def test_without_a_configured_rate_it_climbs_beyond_where_it_was():
    pacer = Pacer()
    now = steady(pacer, per_s=200, seconds=3)
    now = storm(pacer, now)
    flow(pacer, seconds=30, start=now)
    assert pacer.statistics().rate_per_s > 300


@pytest.mark.parametrize(("rate", "regained_s"), [(20.0, 2.5), (5_000.0, 8.0)])
def test_the_rate_is_regained_as_fast_as_scale_says(rate, regained_s):
    pacer = Pacer(rate_per_s=rate)
    now = steady(pacer, per_s=rate, seconds=3)
    now = storm(pacer, now)
    flow(pacer, seconds=regained_s / 2, start=now)
    assert BETA * rate < pacer.statistics().rate_per_s < rate
    flow(pacer, seconds=regained_s * 0.7, start=now + regained_s / 2)
    assert pacer.statistics().rate_per_s == pytest.approx(rate, rel=0.06)


def test_whoever_sends_less_than_allowed_does_not_climb():
    pacer = Pacer()
    now = steady(pacer, per_s=100, seconds=3)
    now = storm(pacer, now)
    for number in range(600):
        pacer.accepted(now + number)  # one a second for ten minutes
    assert pacer.statistics().rate_per_s <= 100


def test_requests_sent_before_a_cut_cut_once():
    pacer = Pacer(rate_per_s=100.0)
    now = steady(pacer, per_s=100, seconds=2)
    pacer.throttled(now, sent_at=now - 0.3)
    lowered = pacer.statistics().rate_per_s
    for number in range(64):
        pacer.throttled(now + 0.001 * number, sent_at=now - 0.2 + 0.001 * number)
    assert pacer.statistics() == PacerStatistics(100.0, lowered, throttles=65, cuts=1)
    pacer.throttled(now + 0.5, sent_at=now + 0.1)  # sent at the lower rate, and still too fast
    assert pacer.statistics().cuts == 2
    assert pacer.statistics().rate_per_s == pytest.approx(BETA * lowered, rel=0.05)


def test_a_limit_that_is_touched_again_and_again_takes_a_little_each_time():
    """So that two that share it have equal parts: whoever has more touches it more often."""
    pacer, now = Pacer(rate_per_s=1_000.0), 0.0
    for touch in range(1, 5):
        now = steady(pacer, per_s=1_000, seconds=0.2, start=now)  # two hundred answers, and then a refusal
        held = pacer.statistics().rate_per_s
        pacer.throttled(now, sent_at=now - 0.01)
        left = held * (1.0 - MINOR_STEP) if touch > 1 else held
        assert pacer.statistics().rate_per_s == pytest.approx(left, rel=1e-9)
        assert pacer.statistics().cuts == touch


def test_a_storm_leaves_the_floor():
    pacer = Pacer(rate_per_s=100.0)
    for number in range(1_000):
        pacer.throttled(float(number), sent_at=number - 0.01)
    assert pacer.statistics() == PacerStatistics(
        100.0, FLOOR_PER_S, throttles=1_000, cuts=1_000, phase="probing"
    )


def test_a_rate_below_the_floor_stays_below_what_was_configured():
    pacer = Pacer(rate_per_s=0.01)
    pacer.throttled(1.0, sent_at=0.5)
    assert pacer.statistics().rate_per_s == 0.01


def test_success_without_a_cut_changes_nothing():
    pacer = Pacer(rate_per_s=100.0)
    steady(pacer, per_s=50, seconds=30)
    assert pacer.statistics() == PacerStatistics(100.0, 100.0, 0, 0)


def test_the_longest_of_several_holds_counts():
    pacer = Pacer(rate_per_s=100.0)
    pacer.throttled(10.0, sent_at=9.9, retry_after_s=5.0)
    pacer.throttled(10.1, sent_at=9.9, retry_after_s=1.0)  # no new cut, and no shorter hold
    assert reserve(pacer, 10.2) == 15.0
    assert pacer.statistics().cuts == 1


def test_a_hold_stops_requests_and_no_uploads():
    pacer = Pacer(rate_per_s=100.0, bytes_per_s=1e6)
    pacer.throttled(10.0, sent_at=9.9, retry_after_s=5.0)
    assert reserve(pacer, 10.0, size_bytes=10, requests=0) == 10.0
    assert reserve(pacer, 10.0, size_bytes=10) == 15.0


def test_an_acceptance_during_a_hold_does_not_end_it():
    pacer = Pacer(rate_per_s=100.0)
    pacer.throttled(10.0, sent_at=9.9, retry_after_s=5.0)
    pacer.accepted(11.0)
    assert reserve(pacer, 11.0) == 15.0


# The gate


def arrivals(gate, *, workers, each, **cost):
    """Let workers go through the gate in a loop; return (instant, due) of every passage, and the end."""

    async def main():
        passed = []

        async def worker():
            for _ in range(each):
                due = await gate.wait(**cost)
                passed.append((trio.current_time(), due))

        async with trio.open_nursery() as nursery:
            for _ in range(workers):
                nursery.start_soon(worker)
        return passed, trio.current_time()

    return run_virtual(main)


@pytest.mark.parametrize(("workers", "each"), [(1, 40), (4, 10), (40, 1)])
def test_workers_go_through_at_the_configured_instants(workers, each):
    gate = Gate(Pacer(rate_per_s=20.0), VirtualClock())
    passed, end = arrivals(gate, workers=workers, each=each)
    expected = [number / 20.0 for number in range(40)]
    assert [at for at, _ in passed] == pytest.approx(expected)
    assert [due for _, due in passed] == pytest.approx(expected)
    assert end == pytest.approx(39 / 20.0)


class CountingClock(VirtualClock):
    """Counts the sleeps."""

    sleeps = 0

    async def sleep_until(self, instant):
        self.sleeps += 1
        await super().sleep_until(instant)


@pytest.mark.parametrize(
    ("rate", "late_most_s", "sleeps_most"), [(1_000.0, 0.0, 1_000), (5_000.0, GRAIN_S, 1_000)]
)
def test_a_schedule_finer_than_a_millisecond_is_kept_in_steps(rate, late_most_s, sleeps_most):
    """A second of requests: as many as are due, each no later than a step, and no more wake-ups than steps."""
    clock = CountingClock()
    gate = Gate(Pacer(rate_per_s=rate), clock)
    passed, end = arrivals(gate, workers=50, each=round(rate / 50))
    assert max(at - due for at, due in passed) <= late_most_s + 1e-9
    assert [due for _, due in passed] == pytest.approx([number / rate for number in range(round(rate))])
    assert end <= 1.0 + GRAIN_S
    assert clock.sleeps <= 50 + sleeps_most + 1


def test_a_lowered_rate_is_kept_exactly_again():
    pacer = Pacer(rate_per_s=5_000.0)
    assert pacer.grain_s == GRAIN_S
    for number in range(100):
        pacer.throttled(number / 100, sent_at=number / 100)
    assert pacer.statistics().rate_per_s < 1 / GRAIN_S
    assert pacer.grain_s == 0.0


def test_bytes_are_paced_as_well():
    gate = Gate(Pacer(bytes_per_s=1_000.0), VirtualClock())
    passed, _ = arrivals(gate, workers=3, each=2, size_bytes=500)
    assert [at for at, _ in passed] == pytest.approx([0.0, 0.5, 1.0, 1.5, 2.0, 2.5])


def test_an_unlimited_gate_costs_no_wait():
    gate = Gate(Pacer(), VirtualClock())
    passed, end = arrivals(gate, workers=10, each=100)
    assert end == 0.0
    assert passed == [(0.0, 0.0)] * 1_000


def test_the_gate_is_first_come_first_served():
    async def main():
        gate = Gate(Pacer(rate_per_s=1.0), VirtualClock())
        order = []

        async def worker(number):
            await gate.wait()
            order.append(number)

        async with trio.open_nursery() as nursery:
            for number in range(8):
                nursery.start_soon(worker, number)
                await trio.testing.wait_all_tasks_blocked()
        return order

    assert run_virtual(main) == list(range(8))


def test_a_hold_reaches_those_who_wait_behind():
    async def main():
        gate = Gate(Pacer(rate_per_s=1.0), VirtualClock())
        passed = []

        async def worker():
            passed.append(await gate.wait())

        async with trio.open_nursery() as nursery:
            for _ in range(4):
                nursery.start_soon(worker)
            await trio.sleep(0.5)  # one has passed, one sleeps until 1.0, two wait behind it
            gate.pacer.throttled(0.5, sent_at=0.0, retry_after_s=9.5)
        return passed, gate.pacer.statistics().rate_per_s

    passed, rate = run_virtual(main)
    assert passed == pytest.approx([0.0, 10.0, 10.0 + 1 / rate, 10.0 + 2 / rate])


def test_one_who_gives_up_waiting_holds_nobody_up():
    async def main():
        gate = Gate(Pacer(rate_per_s=0.1), VirtualClock())
        await gate.wait()
        with trio.move_on_after(1.0) as scope:
            await gate.wait()
        assert scope.cancelled_caught
        with trio.fail_after(25.0):
            return await gate.wait()

    assert run_virtual(main) in {10.0, 20.0}  # its turn may be lost, the gate is not


def test_one_who_gives_up_as_it_is_let_in_holds_nobody_up():
    """On asyncio, where a task can be cancelled between its event and its next step."""

    async def main():
        gate = Gate(Pacer(rate_per_s=1.0), clock := LoopClock())
        began = clock.now()
        await gate.wait()

        async def first():
            await gate.wait()
            second.cancel()  # it was let in just now, and has not gone on yet

        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(first())
            await asyncio.sleep(0)
            second = tasks.create_task(gate.wait())
            await asyncio.sleep(0)
            third = tasks.create_task(gate.wait())
        return second.cancelled(), third.result() - began

    assert run_seeded(main, seed=0) == (True, 2.0)


def test_uploads_that_wait_for_bytes_do_not_hold_up_requests_without_any():
    """Design: two lanes, so that large payloads never hold up small ones; both go through one gate."""

    async def main():
        gate = Gate(Pacer(rate_per_s=100.0, bytes_per_s=1_000.0), VirtualClock())
        await gate.wait(size_bytes=60_000, requests=0)  # spends the bytes of a minute
        async with trio.open_nursery() as nursery:
            nursery.start_soon(lambda: gate.wait(size_bytes=60_000, requests=0))
            await trio.testing.wait_all_tasks_blocked()
            await gate.wait(size_bytes=0)  # a staged row: its payload is in S3 already
            passed_at = trio.current_time()
            nursery.cancel_scope.cancel()
        return passed_at

    assert run_virtual(main) < 1.0
