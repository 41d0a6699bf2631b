"""The clock that a run reads."""

from __future__ import annotations

import asyncio
import time

import anyio
import pytest

from fanout.concurrency.clock import SHORTEST_SLEEP_S, SystemClock


def test_it_starts_at_the_wall_clock_and_ignores_what_becomes_of_it(monkeypatch):
    before = time.time()
    clock = SystemClock()
    assert before <= clock.now() <= time.time() + 0.1  # NTP may slew the one and not the other
    monkeypatch.setattr(time, "time", lambda: 0.0)
    assert clock.now() >= before


def test_it_advances_by_the_monotonic_clock(monkeypatch):
    ticks = iter([5_000_000_000, 5_250_000_000, 7_000_000_000])
    monkeypatch.setattr(time, "time", lambda: 1_700_000_000.0)
    monkeypatch.setattr(time, "monotonic_ns", lambda: next(ticks))
    clock = SystemClock()
    assert clock.now() == pytest.approx(1_700_000_000.25, abs=1e-6)
    assert clock.now() == pytest.approx(1_700_000_002.0, abs=1e-6)


@pytest.mark.asyncio
async def test_it_sleeps_until_the_instant_and_not_less():
    loop, clock, overslept = asyncio.get_running_loop(), SystemClock(), []
    wanted = clock.now() + 0.02
    # The loop comes late to both on a busy machine, and still to the earlier one first.
    loop.call_at(loop.time() + 0.25, overslept.append, "a quarter of a second")
    await clock.sleep_until(wanted)
    assert wanted <= clock.now()
    assert not overslept


@pytest.mark.asyncio
@pytest.mark.parametrize("exact", [True, False], ids=["with the kernel's timers", "without"])
async def test_it_asks_for_what_remains_and_again_when_it_was_woken_early(monkeypatch, exact):
    now_ns, naps, rings = 5_000_000_000, [], []

    async def nap(seconds):
        nonlocal now_ns
        naps.append(seconds)
        now_ns += round(seconds * 0.75e9)

    async def sleep_until_ns(at_ns):
        nonlocal now_ns
        rings.append((at_ns - now_ns) / 1e9)
        now_ns += round((at_ns - now_ns) * 0.75) if exact else 0
        return exact

    monkeypatch.setattr(time, "monotonic_ns", lambda: now_ns)
    monkeypatch.setattr(anyio, "sleep", nap)
    monkeypatch.setattr("fanout.concurrency.clock.sleep_until_ns", sleep_until_ns)
    clock = SystemClock()
    wanted = clock.now() + 0.02
    await clock.sleep_until(wanted)
    # Each wait is cut short by a quarter. The last 5 ms are the kernel's, where it has timers.
    coarse = [0.015, 0.00375, SHORTEST_SLEEP_S, SHORTEST_SLEEP_S]
    if exact:
        assert rings == pytest.approx([0.0044375 / 4**times for times in range(len(rings))], abs=2e-6)
        assert naps == pytest.approx(coarse, abs=2e-6)
    else:
        assert naps == pytest.approx([*coarse, 0.0044375, 0.001109, SHORTEST_SLEEP_S], abs=2e-6)
    assert wanted <= clock.now() < wanted + SHORTEST_SLEEP_S


@pytest.mark.asyncio
async def test_an_instant_in_the_past_returns_at_once_but_lets_others_run():
    ran = []
    other = asyncio.get_running_loop().create_task(_append(ran))
    clock = SystemClock()
    await clock.sleep_until(clock.now() - 100.0)
    assert ran == [1]
    await other


async def _append(ran):
    ran.append(1)
