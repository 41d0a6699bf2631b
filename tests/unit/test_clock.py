"""The clock that a run reads."""

from __future__ import annotations

import asyncio
import time

import anyio
import pytest

from fanout.clock import SHORTEST_SLEEP_S, SystemClock


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
async def test_it_asks_for_what_remains_and_again_when_it_was_woken_early(monkeypatch):
    now_ns, naps = 5_000_000_000, []

    async def nap(seconds):
        nonlocal now_ns
        naps.append(seconds)
        now_ns += round(seconds * 0.75e9)

    monkeypatch.setattr(time, "monotonic_ns", lambda: now_ns)
    monkeypatch.setattr(anyio, "sleep", nap)
    clock = SystemClock()
    wanted = clock.now() + 0.02
    await clock.sleep_until(wanted)
    # Each nap is cut short by a quarter; from the fourth on it is the shortest that there is.
    assert naps == pytest.approx([0.02, 0.005, 0.00125, SHORTEST_SLEEP_S], abs=2e-6)
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
